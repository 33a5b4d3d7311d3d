//! The chain's head, and the pool's on its way there.

use std::sync::Arc;

use alloy_primitives::B256;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use wattline_chain::{CanonicalUpdate, Chain};
use wattline_pool::Pool;
use wattline_primitives::SealedHeader;

use crate::ProducerError;

/// Watches the heads of chain and pool.
pub(crate) struct Heads {
    chain: Chain,
    /// Only wakes: what the head is, the chain itself tells.
    updates: Receiver<Arc<CanonicalUpdate>>,
    seen_by_pool: watch::Receiver<B256>,
}

impl Heads {
    pub(crate) fn new(chain: Chain, pool: &Pool) -> Self {
        Self {
            updates: chain.subscribe(),
            chain,
            seen_by_pool: pool.subscribe_head(),
        }
    }

    /// The chain's head once the pool has seen it: until then the pool would offer what that head
    /// holds already.
    ///
    /// # Errors
    ///
    /// [`ProducerError::UpdatesEnded`]
    pub(crate) async fn settled(&mut self) -> Result<Arc<SealedHeader>, ProducerError> {
        loop {
            let head = self.chain.head();
            if *self.seen_by_pool.borrow_and_update() == head.hash() {
                return Ok(head);
            }
            // Either may be the last to get there: a pool that catches up reads the database, which
            // has a head before it is announced.
            tokio::select! {
                changed = self.seen_by_pool.changed() => {
                    changed.map_err(|_| ProducerError::UpdatesEnded)?;
                }
                announced = announced(&mut self.updates) => announced?,
            }
        }
    }

    /// Completes when the block of hash `head` is not the chain's head any more.
    ///
    /// # Errors
    ///
    /// [`ProducerError::UpdatesEnded`]
    pub(crate) async fn changed_from(&mut self, head: B256) -> Result<(), ProducerError> {
        while self.chain.head().hash() == head {
            announced(&mut self.updates).await?;
        }
        Ok(())
    }
}

/// Waits until the chain announces a head; it has it by then.
async fn announced(updates: &mut Receiver<Arc<CanonicalUpdate>>) -> Result<(), ProducerError> {
    match updates.recv().await {
        Ok(_) | Err(RecvError::Lagged(_)) => Ok(()),
        Err(RecvError::Closed) => Err(ProducerError::UpdatesEnded),
    }
}
