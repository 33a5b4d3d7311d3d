//! Executing the ancestors of a proposal.

use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::Digested;
use commonware_runtime::{Error as RuntimeError, Spawner};
use futures::StreamExt as _;
use wattline_chain::{ChainError, MAX_UNSTORED};

use super::Execution;
use crate::AgreedBlock;

/// Why a block cannot be executed, for now or for ever.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// The database is too far behind.
    #[error("block {number} is {MAX_UNSTORED} blocks or more above the stored head {head}")]
    TooDeep { number: u64, head: u64 },
    /// An ancestor is not to be had.
    #[error("an ancestor is missing")]
    Missing,
    /// The chain does not take it.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The node is ending.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl Obstacle {
    /// Whether the block, or an ancestor, breaks the chain's rules and always will.
    pub(super) fn is_verdict(&self) -> bool {
        matches!(self, Self::Chain(error) if error.is_invalid_block())
    }
}

impl Execution {
    /// Executes `block` with those of its ancestors, newest first, that the chain does not know.
    pub(super) async fn execute<E: Spawner>(
        &self,
        ctx: &E,
        block: Digested<AgreedBlock>,
        mut ancestry: impl Ancestry<AgreedBlock>,
    ) -> Result<(), Obstacle> {
        let chain = &self.inner.chain;
        let (number, head) = (block.inner().block().number, chain.head().number);
        if number > head + MAX_UNSTORED as u64 {
            return Err(Obstacle::TooDeep { number, head });
        }
        let mut unknown = Vec::new();
        let mut next = block;
        while !chain.is_known(&next.inner().block().hash())? {
            unknown.push(next);
            if unknown.len() > MAX_UNSTORED {
                return Err(Obstacle::TooDeep { number, head });
            }
            next = ancestry.next().await.ok_or(Obstacle::Missing)?;
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let this = self.clone();
        let job = ctx
            .child("execute")
            .shared(true)
            .spawn(move |_| async move {
                for block in unknown.iter().rev() {
                    let block = block.inner().block().clone();
                    match this.inner.chain.execute(block, &|hash| this.sender(hash)) {
                        Ok(_) | Err(ChainError::AlreadyFinal { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(())
            });
        job.await?
    }
}
