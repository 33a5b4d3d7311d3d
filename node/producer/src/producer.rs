//! The task that seals blocks for as long as the node runs.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wattline_chain::Chain;
use wattline_pool::Pool;
use wattline_primitives::SealedHeader;

use crate::{
    ProducerConfig, ProducerError, ProducerHandle, SignerKey,
    heads::Heads,
    metrics,
    pace::Pace,
    plan::{Decision, Plan, Reason, decide},
    proposals::Proposals,
    worker::{Job, Outcome},
};

/// How long to wait for room on the disk before the next try to store a block.
const ROOM_RETRY: Duration = Duration::from_secs(2);

/// Seals a block whenever it is this signer's to do so.
pub struct Producer {
    chain: Chain,
    pool: Pool,
    key: Arc<SignerKey>,
    config: ProducerConfig,
    proposals: Proposals,
    heads: Heads,
    pace: Pace,
}

impl Producer {
    /// A producer on the head of `chain`. It only reads `pool`, and builds on a head when that has
    /// seen it: something else must [maintain](Pool::maintain) it.
    pub fn new(chain: Chain, pool: Pool, key: SignerKey, config: ProducerConfig) -> Self {
        metrics::describe();
        Self {
            heads: Heads::new(chain.clone(), &pool),
            chain,
            pool,
            key: Arc::new(key),
            config,
            proposals: Proposals::default(),
            pace: Pace::default(),
        }
    }

    /// A handle to ask and direct the producer by while it runs.
    pub fn handle(&self) -> ProducerHandle {
        ProducerHandle::new(
            self.key.address(),
            self.chain.clone(),
            self.proposals.clone(),
        )
    }

    /// Produces blocks until `shutdown`. A block that is being built then is given up.
    ///
    /// # Errors
    ///
    /// A [`ProducerError`] when this node can go on no longer; nothing that peers, clients or
    /// transactions do leads to one.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), ProducerError> {
        let mut waiting = None;
        while !shutdown.is_cancelled() {
            let head = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                head = self.heads.settled() => head?,
            };
            let hash = head.hash();
            match self.decide(head).await? {
                Decision::Wait(reason) => {
                    self.tell(&mut waiting, reason);
                    self.next_head(hash, &shutdown).await?;
                }
                Decision::Build(plan) => {
                    if waiting.take().is_some() {
                        debug!(number = plan.parent.number + 1, "sealing again");
                    }
                    self.build(plan, &shutdown).await?;
                }
            }
        }
        Ok(())
    }

    async fn decide(&self, head: Arc<SealedHeader>) -> Result<Decision, ProducerError> {
        let (chain, signer) = (self.chain.clone(), self.key.address());
        let (config, proposals) = (self.config, self.proposals.clone());
        let decided =
            tokio::task::spawn_blocking(move || decide(&chain, &head, signer, &config, &proposals));
        Ok(decided.await??)
    }

    /// Builds a block, unless the head changes before it is sealed.
    async fn build(
        &mut self,
        plan: Plan,
        shutdown: &CancellationToken,
    ) -> Result<(), ProducerError> {
        let parent = plan.parent.hash();
        let cancel = CancellationToken::new();
        // Should this future be dropped, the worker must not go on without it.
        let _guard = cancel.clone().drop_guard();
        let job = Job {
            chain: self.chain.clone(),
            pool: self.pool.clone(),
            key: self.key.clone(),
            plan,
            pace: self.pace,
            cancel: cancel.clone(),
            runtime: Handle::current(),
        };
        let mut worker: JoinHandle<_> = tokio::task::spawn_blocking(|| job.run());
        let outcome = tokio::select! {
            outcome = &mut worker => outcome??,
            changed = self.heads.changed_from(parent) => {
                cancel.cancel();
                let outcome = worker.await??;
                changed?;
                outcome
            }
            () = shutdown.cancelled() => {
                cancel.cancel();
                worker.await??
            }
        };
        match outcome {
            Outcome::Sealed(pace) => {
                self.pace = pace;
                Ok(())
            }
            // Whatever overtook the block is, or is about to be, the head.
            Outcome::Discarded => self.next_head(parent, shutdown).await,
            Outcome::NoRoom => {
                let next = self.next_head(parent, shutdown);
                tokio::time::timeout(ROOM_RETRY, next)
                    .await
                    .unwrap_or(Ok(()))
            }
        }
    }

    /// Waits for another head than that of hash `head`, or for the end.
    async fn next_head(
        &mut self,
        head: B256,
        shutdown: &CancellationToken,
    ) -> Result<(), ProducerError> {
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            changed = self.heads.changed_from(head) => changed,
        }
    }

    /// Says why nothing is sealed, once for as long as it stays so.
    fn tell(&self, waiting: &mut Option<Reason>, reason: Reason) {
        if waiting.replace(reason) == Some(reason) {
            return;
        }
        let signer = self.key.address();
        match reason {
            Reason::NotASigner => info!(%signer, "not sealing: {reason}"),
            Reason::AlreadySealed => warn!(%signer, "not sealing: {reason}"),
            Reason::SignedRecently => debug!(%signer, "not sealing: {reason}"),
        }
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
