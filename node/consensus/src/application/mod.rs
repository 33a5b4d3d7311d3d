//! The chain as the engine sees it: who proposes blocks and judges those of others.

mod ancestry;
mod propose;
mod verify;

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use commonware_consensus::{Application, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use wattline_chain::Chain;
use wattline_pool::Pool;
use wattline_producer::Producer;

use crate::{
    AgreedBlock, Scheme,
    committee::Committees,
    runtime::{Context, Runtime},
};

/// Executes what is agreed on.
#[derive(Clone)]
pub struct Execution {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Chain,
    pool: Pool,
    /// What makes blocks; `None` on a node that only follows.
    producer: Option<Producer>,
    committees: Committees,
}

impl Execution {
    pub(crate) fn new(
        chain: Chain,
        pool: Pool,
        producer: Option<Producer>,
        committees: Committees,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                chain,
                pool,
                producer,
                committees,
            }),
        }
    }

    /// The sender of a transaction, if the pool has recovered it already.
    fn sender(&self, transaction: &B256) -> Option<Address> {
        let pooled = self.inner.pool.get(transaction)?;
        Some(pooled.sender())
    }
}

impl<E: Runtime> Application<E> for Execution {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = AgreedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (ctx, round): (E, Context),
        ancestry: impl Ancestry<AgreedBlock>,
        (): (),
    ) -> Option<Digested<AgreedBlock>> {
        self.proposal(&ctx, &round, ancestry).await
    }

    async fn verify(
        &mut self,
        (ctx, round): (E, Context),
        ancestry: impl Ancestry<AgreedBlock>,
    ) -> bool {
        self.verdict(&ctx, &round, ancestry).await
    }
}
