use std::sync::Arc;

use parking_lot::Mutex;
use wattline_chain::Chain;
use wattline_pool::Pool;

use crate::{ProducerConfig, ProducerHandle, SignerKey, metrics, pace::Pace, proposals::Proposals};

/// Seals blocks with one key. Cheap to clone; all clones are the same producer.
#[derive(Clone)]
pub struct Producer {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) key: Arc<SignerKey>,
    pub(crate) config: ProducerConfig,
    pub(crate) proposals: Proposals,
    pub(crate) pace: Arc<Mutex<Pace>>,
}

impl Producer {
    /// A producer on `chain`. It only reads `pool`, and builds a block when that has seen the
    /// chain's head: something else must make the pool [follow](Pool::maintain) it.
    pub fn new(chain: Chain, pool: Pool, key: SignerKey, config: ProducerConfig) -> Self {
        metrics::describe();
        Self {
            chain,
            pool,
            key: Arc::new(key),
            config,
            proposals: Proposals::default(),
            pace: Arc::default(),
        }
    }

    /// A handle to ask and direct the producer by.
    pub fn handle(&self) -> ProducerHandle {
        ProducerHandle::new(
            self.key.address(),
            self.chain.clone(),
            self.proposals.clone(),
        )
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("signer", &self.key.address())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
