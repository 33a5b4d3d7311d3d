//! Filling a block from the pool while its time runs.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
    time::Duration,
};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use revm::context_interface::result::InvalidTransaction;
use tracing::debug;
use wattline_chain::Chain;
use wattline_evm::{BlockBuilder, BuildError, ExecutionError, NextBlock, TransactionError};
use wattline_pool::Pool;
use wattline_primitives::Millis;
use wattline_storage::Overlay;

use crate::{Producer, ProducerError, SignerKey, metrics, pace::Pace, plan::Plan};

/// Nothing costs less gas than a plain transfer, so a block with less left is full.
const LEAST_GAS: u64 = 21_000;
/// The part of a period that a block which starts late may still take for transactions.
const LATE_START_PART: u32 = 8;

/// A block in the making. It works on a thread that may block, and goes back and forth between
/// that and the task that waits for transactions.
pub(crate) struct Work {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) key: Arc<SignerKey>,
    pub(crate) plan: Plan,
    pub(crate) pace: Pace,
    /// Gone when nobody wants the block any more.
    wanted: Weak<()>,
    /// Once there is a transaction: before, the time of the block is open.
    pub(crate) begun: Option<Begun>,
    /// Senders of which a transaction did not apply: those behind it cannot either.
    refused: HashSet<Address>,
    /// Transactions that apply nowhere.
    pub(crate) hopeless: Vec<(B256, TransactionError)>,
    /// Time spent executing.
    pub(crate) executing: Duration,
}

/// A block that has its time.
pub(crate) struct Begun {
    pub(crate) builder: BlockBuilder<Overlay>,
    pub(crate) state: Overlay,
    /// The time of the block, before which it does not go out.
    pub(crate) release_at: Duration,
    /// Until when transactions that wait already are executed even if the block is late for that:
    /// without it a node that is behind its slots would only ever seal empty blocks.
    at_least_until: Duration,
}

/// How one pass through the pool ended.
pub(crate) enum Pass {
    /// The block is full or out of time, or not wanted any more.
    Done,
    /// Nothing is left to execute.
    Exhausted {
        /// How long it took to find out that there was nothing new.
        idle: Duration,
    },
}

impl Work {
    /// The block of `plan`, before its first transaction.
    pub(crate) fn new(producer: &Producer, plan: Plan, wanted: &Arc<()>) -> Self {
        Self {
            chain: producer.chain.clone(),
            pool: producer.pool.clone(),
            key: producer.key.clone(),
            plan,
            pace: *producer.pace.lock(),
            wanted: Arc::downgrade(wanted),
            begun: None,
            refused: HashSet::new(),
            hopeless: Vec::new(),
            executing: Duration::ZERO,
        }
    }

    /// Gives the block the earliest time from `earliest` on.
    pub(crate) fn begin(&self, earliest: Duration, now: Duration) -> Result<Begun, ProducerError> {
        let time = Millis::from_epoch(earliest.max(now));
        let parent = &self.plan.parent;
        let state = self.chain.overlay(parent.hash())?;
        let next = NextBlock {
            time,
            gas_limit: self.plan.gas_limit,
            signer: self.key.address(),
        };
        Ok(Begun {
            builder: self.chain.evm().builder(state.clone(), parent, next)?,
            state,
            release_at: time.since_epoch(),
            at_least_until: now + self.chain.spec().period() / LATE_START_PART,
        })
    }

    /// When to stop waiting for transactions: in time for what follows before the block goes out.
    pub(crate) fn stop_at(&self) -> Duration {
        match &self.begun {
            Some(begun) => self
                .pace
                .stop_at(begun.release_at, begun.builder.gas_used()),
            None => self.pace.stop_at(self.plan.slot.ends, 0),
        }
    }

    /// Executes what the pool holds now; `now` tells the time since the Unix epoch.
    pub(crate) fn pass(&mut self, now: &dyn Fn() -> Duration) -> Result<Pass, ProducerError> {
        let looked = now();
        let mut best = self.pool.best_after(&self.plan.progress);
        let mut next = best.next();
        if next.is_none() {
            let idle = now().saturating_sub(looked);
            return Ok(Pass::Exhausted { idle });
        }
        let mut begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin(self.plan.slot.opens, looked)?,
        };
        let before = begun.builder.len();
        let (mut gas_used, mut empty) = (begun.builder.gas_used(), begun.builder.is_empty());
        let mut session = begun.builder.resume();
        let mut done = false;
        while let Some(transaction) = next.take().or_else(|| best.next()) {
            let sender = transaction.sender();
            if self.refused.contains(&sender) {
                best.skip_sender(sender);
                continue;
            }
            let started = now();
            let deadline = self
                .pace
                .stop_at(begun.release_at, gas_used)
                .max(begun.at_least_until);
            done = started >= deadline
                || session.gas_left() < LEAST_GAS
                || self.wanted.strong_count() == 0;
            if done {
                break;
            }
            // One that may run past the deadline is left for the next block, where it comes early
            // and, being the first, may take what it needs.
            let gas = transaction.transaction().gas_limit();
            let early = empty && started < begun.at_least_until;
            if !early && started + self.pace.execute.expect(gas) > deadline {
                best.skip_sender(sender);
                continue;
            }
            let executed = session.execute(transaction.transaction().clone());
            self.executing += now().saturating_sub(started);
            match executed {
                Ok(used) => {
                    gas_used += used;
                    empty = false;
                    self.plan.progress.took(&transaction);
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
                Err(BuildError::Fatal(error)) => return Err(ExecutionError::from(error).into()),
            }
        }
        drop(session);
        let idle = if begun.builder.len() == before {
            now().saturating_sub(looked)
        } else {
            Duration::ZERO
        };
        if !empty {
            self.begun = Some(begun);
        }
        Ok(if done {
            Pass::Done
        } else {
            Pass::Exhausted { idle }
        })
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use alloy_primitives::U256;
    use wattline_chain::test_utils::{Signers, TestGenesis, transfer};
    use wattline_evm::PermissionError;
    use wattline_pool::PoolConfig;
    use wattline_primitives::SealedHeader;

    use super::*;
    use crate::ProducerConfig;

    #[test]
    fn execution_stops_in_time_for_the_slot() {
        let (signers, accounts) = (Signers::new(1), Signers::named("account", 1));
        let dir = tempfile::tempdir().unwrap();
        let genesis = TestGenesis::new(signers.addresses()).fund(accounts.addresses());
        let chain = genesis.open(&dir);
        let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
        let pool = Pool::open(PoolConfig::default(), None, storage, evm).unwrap();
        for nonce in 0..1_000 {
            let payment = transfer(accounts.key(0), nonce, Address::repeat_byte(0x77), 1);
            pool.add(payment.into_inner()).unwrap();
        }
        let key = signers.key(0).clone().into();
        let producer = Producer::new(chain.clone(), pool, key, ProducerConfig::default());
        let wanted = Arc::new(());
        let work = |parent: SealedHeader| {
            let plan = producer.plan(parent).unwrap();
            Work::new(&producer, plan, &wanted)
        };
        let count = |work: &Work| work.begun.as_ref().unwrap().builder.len();
        // By this clock two milliseconds pass with every transaction.
        let clock = Cell::new(1_000_000);
        let now = || Duration::from_millis(clock.replace(clock.get() + 1));

        // The first block starts late and has an eighth of the period.
        let mut first = work((*chain.head()).clone());
        assert!(matches!(first.pass(&now).unwrap(), Pass::Done));
        assert!((50..=63).contains(&count(&first)), "{}", count(&first));
        let first = first.finish(&now, &|after| after.signers.clone()).unwrap();
        assert_eq!(first.release_at, Duration::from_millis(1_000_000));
        *producer.pace.lock() = first.pace;
        let first = chain.adopt(first.block).unwrap();

        // The next has what is left of its period but for the end, whether that comes before the
        // pool is looked through or only before what is left there could be executed.
        let mut second = work(first.block.clone_sealed_header());
        second.pass(&now).unwrap();
        let left = 1_001_000 - clock.get();
        assert!((10..100).contains(&left), "{left} ms left");
        assert!(count(&second) > 350, "{}", count(&second));

        // Nobody works on what nobody wants.
        let mut third = work(first.block.clone_sealed_header());
        drop(wanted);
        assert!(matches!(third.pass(&now).unwrap(), Pass::Done));
        assert!(third.begun.is_none());
    }

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
