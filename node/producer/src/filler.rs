//! Filling a block from the pool while its time runs.

use std::{
    collections::HashSet,
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use revm::{DatabaseRef, context_interface::result::InvalidTransaction};
use tokio::{runtime::Handle, sync::broadcast};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use wattline_chain::Clock;
use wattline_evm::{BlockBuilder, BuildError, FatalError, TransactionError};
use wattline_pool::{Pool, PooledTransaction, Progress};

use crate::{metrics, pace::Pace};

/// Nothing costs less gas than a plain transfer, so a block with less left is full.
const LEAST_GAS: u64 = 21_000;
/// How long arrivals are gathered at least before the pool is looked at again.
const GATHER: Duration = Duration::from_millis(5);
/// How long before the end the pool is looked at for the last time, rather than after the end of a
/// gathering, when it would be too late.
const LAST_LOOK: Duration = Duration::from_millis(2);
/// Looking through the pool again may take this part of the time.
const LOOKING: u32 = 4;

/// How filling a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// It is time to finish the block.
    InTime,
    /// The block is not wanted any more.
    Cancelled,
}

/// Why one pass through the pool ended.
enum Pass {
    Done(Filled),
    Exhausted,
}

/// What woke a filler that had nothing to execute.
enum Wake {
    Arrivals,
    Deadline,
    Cancelled,
}

/// Executes the best of the pool into a block until it has to be finished.
pub(crate) struct Filler<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) runtime: &'a Handle,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) pace: Pace,
    /// When the block is to go out.
    pub(crate) release_at: Duration,
    /// Until when transactions that wait already are executed even if the block is late for that:
    /// without it a node that is behind its slots would only ever seal empty blocks.
    pub(crate) at_least_until: Duration,
    /// What is in the block already.
    pub(crate) progress: Progress,
    /// Senders of which a transaction did not apply: those behind it cannot either.
    pub(crate) refused: HashSet<Address>,
    /// Transactions that can never apply once this block is in the chain. Not before: on another
    /// block they may.
    pub(crate) hopeless: Vec<(B256, TransactionError)>,
    /// Time spent executing.
    pub(crate) executing: Duration,
}

impl Filler<'_> {
    /// Fills `builder`. Returns when it is full or out of time, or is not wanted any more.
    pub(crate) fn fill<DB: DatabaseRef + Debug>(
        &mut self,
        builder: &mut BlockBuilder<DB>,
    ) -> Result<Filled, FatalError> {
        loop {
            // Before looking at the pool, so that nothing that arrives meanwhile is missed.
            let mut arrivals = self.pool.subscribe();
            let looked = Instant::now();
            let before = builder.len();
            match self.pass(builder)? {
                Pass::Done(filled) => return Ok(filled),
                Pass::Exhausted => {}
            }
            let idle = if builder.len() == before {
                looked.elapsed()
            } else {
                Duration::ZERO
            };
            let gather = GATHER.max(idle * LOOKING);
            let stop_at = self.pace.stop_at(self.release_at, builder.gas_used());
            match self
                .runtime
                .block_on(self.wait(&mut arrivals, stop_at, gather))
            {
                Wake::Arrivals => {}
                Wake::Deadline => return Ok(Filled::InTime),
                Wake::Cancelled => return Ok(Filled::Cancelled),
            }
        }
    }

    /// Executes what the pool holds now.
    fn pass<DB: DatabaseRef + Debug>(
        &mut self,
        builder: &mut BlockBuilder<DB>,
    ) -> Result<Pass, FatalError> {
        let mut gas_used = builder.gas_used();
        let mut empty = builder.is_empty();
        let mut session = builder.resume();
        let mut best = self.pool.best_after(&self.progress);
        while let Some(transaction) = best.next() {
            let sender = transaction.sender();
            if self.refused.contains(&sender) {
                best.skip_sender(sender);
                continue;
            }
            if self.cancel.is_cancelled() {
                return Ok(Pass::Done(Filled::Cancelled));
            }
            if session.gas_left() < LEAST_GAS {
                return Ok(Pass::Done(Filled::InTime));
            }
            let now = self.clock.now();
            let deadline = self
                .pace
                .stop_at(self.release_at, gas_used)
                .max(self.at_least_until);
            if now >= deadline {
                return Ok(Pass::Done(Filled::InTime));
            }
            // One that may run past the deadline is left for the next block, where it comes early
            // and, being the first, may take what it needs.
            let gas = transaction.transaction().gas_limit();
            let early = empty && now < self.at_least_until;
            if !early && now + self.pace.execute.expect(gas) > deadline {
                best.skip_sender(sender);
                continue;
            }
            let started = Instant::now();
            let executed = session.execute(transaction.transaction().clone());
            self.executing += started.elapsed();
            match executed {
                Ok(used) => {
                    gas_used += used;
                    empty = false;
                    self.progress.took(&transaction);
                }
                Err(BuildError::Full { .. }) => best.skip_sender(sender),
                Err(BuildError::Invalid(error)) => {
                    debug!(hash = %transaction.hash(), %sender, %error, "transaction does not apply");
                    metrics::skipped();
                    self.refused.insert(sender);
                    best.skip_sender(sender);
                    if is_final(&error) {
                        self.hopeless.push((transaction.hash(), error));
                    }
                }
                Err(BuildError::Fatal(error)) => return Err(error),
            }
        }
        Ok(Pass::Exhausted)
    }

    /// Waits for transactions, and `gather` longer for more, but not beyond `stop_at`; nor beyond
    /// the last look before it.
    async fn wait(
        &self,
        arrivals: &mut broadcast::Receiver<Arc<PooledTransaction>>,
        stop_at: Duration,
        gather: Duration,
    ) -> Wake {
        let gathered = async {
            // Lagging behind means arrivals too; a closed channel, that there are none any more.
            if matches!(
                arrivals.recv().await,
                Err(broadcast::error::RecvError::Closed)
            ) {
                warn!("the pool announces no transactions any more");
                std::future::pending::<()>().await;
            }
            let left = stop_at.saturating_sub(self.clock.now());
            let until_last_look = left.saturating_sub(LAST_LOOK);
            let gather = if until_last_look.is_zero() {
                gather
            } else {
                gather.min(until_last_look)
            };
            tokio::time::sleep(gather).await;
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Wake::Cancelled,
            () = self.clock.sleep_until(stop_at) => Wake::Deadline,
            () = gathered => Wake::Arrivals,
        }
    }
}

/// Whether no state makes the transaction apply. Funds, permission, code and a missing nonce can
/// come, and a nonce that is too low on a block that is not final may be the right one in the end;
/// the pool watches those itself, head by head.
const fn is_final(error: &TransactionError) -> bool {
    match error {
        TransactionError::Evm(error) => !matches!(
            error,
            InvalidTransaction::NonceTooHigh { .. }
                | InvalidTransaction::NonceTooLow { .. }
                | InvalidTransaction::LackOfFundForMaxFee { .. }
                | InvalidTransaction::RejectCallerWithCode
                | InvalidTransaction::CallerGasLimitMoreThanBlock
        ),
        TransactionError::Permission(_) => false,
        TransactionError::Blob | TransactionError::Oversized { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use wattline_evm::PermissionError;

    use super::*;

    #[test]
    fn what_another_state_can_heal_is_not_final() {
        let lacks = InvalidTransaction::LackOfFundForMaxFee {
            fee: Box::new(U256::from(2)),
            balance: Box::new(U256::from(1)),
        };
        assert!(!is_final(&lacks.into()));
        assert!(!is_final(
            &InvalidTransaction::NonceTooHigh { tx: 2, state: 1 }.into()
        ));
        assert!(!is_final(
            &InvalidTransaction::NonceTooLow { tx: 1, state: 2 }.into()
        ));
        let message = String::new();
        let sender = Address::ZERO;
        assert!(!is_final(
            &PermissionError::State { sender, message }.into()
        ));

        assert!(is_final(&InvalidTransaction::InvalidChainId.into()));
        assert!(is_final(&TransactionError::Blob));
        assert!(is_final(&TransactionError::Oversized { size: 2, limit: 1 }));
    }
}
