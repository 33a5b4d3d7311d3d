//! How the pool follows the chain.

use std::{
    collections::HashSet,
    sync::{Arc, atomic},
    time::Duration,
};

use alloy_consensus::{BlockHeader as _, Transaction as _};
use alloy_primitives::{Address, B256};
use tracing::{error, warn};
use wattline_primitives::{BlockWithReceipts, SealedHeader};

use super::{Pool, admission::Admission};
use crate::{
    error::PoolError, journal::record, metrics, sender::SenderQueue,
    transaction::PooledTransaction, waiting::Origin,
};

impl Pool {
    pub(super) fn update(
        &self,
        head: &SealedHeader,
        committed: &[Arc<BlockWithReceipts>],
        reverted: &[Arc<BlockWithReceipts>],
    ) {
        let mut admission = self.0.admission.lock();
        self.0
            .head_gas_limit
            .store(head.gas_limit(), atomic::Ordering::Relaxed);
        self.keep_recent(&mut admission, committed, reverted);
        self.note_served(committed);
        if let Err(error) = self.check_senders(&mut admission) {
            // The next head brings another try; until then a builder may get transactions that
            // do not apply, and skips them.
            error!(%error, "waiting transactions could not be checked against the new head");
        }
        self.restore_reverted(&mut admission, committed, reverted);
        self.expire(&mut admission);
        self.announce();
        self.compact_if_grown(&mut admission);
        self.report_status(&admission);
        self.0.head.send_replace(head.hash());
    }

    /// Keeps the newest blocks for the journal.
    fn keep_recent(
        &self,
        admission: &mut Admission,
        committed: &[Arc<BlockWithReceipts>],
        reverted: &[Arc<BlockWithReceipts>],
    ) {
        // Reverted transactions come back by themselves, so their blocks need not be kept.
        let gone: HashSet<_> = reverted.iter().map(|block| block.block.hash()).collect();
        admission
            .recent
            .retain(|block| !gone.contains(&block.block.hash()));
        admission.recent.extend(committed.iter().cloned());
        let surplus = admission
            .recent
            .len()
            .saturating_sub(self.0.config.journal_blocks);
        admission.recent.drain(..surplus);
    }

    fn note_served(&self, committed: &[Arc<BlockWithReceipts>]) {
        let now = (self.0.clock)();
        let mut waiting = self.0.waiting.write();
        for block in committed {
            for sender in block.block.senders() {
                waiting.served(sender, block.block.number(), now);
            }
        }
    }

    /// Compares every sender with the state at the head. Every one and not only those of the new
    /// blocks, because a contract can move funds to or from, and an operator can change the
    /// permission of, an account that sent nothing. What a sender may no longer send waits, because
    /// an operator may give the permission back.
    fn check_senders(&self, admission: &mut Admission) -> Result<(), PoolError> {
        let state = self.0.storage.state()?;
        let senders: Vec<Address> = {
            let waiting = self.0.waiting.read();
            waiting.senders().map(|(sender, _)| *sender).collect()
        };
        let (cap, now) = (
            self.0.validator.gas_cap(self.head_gas_limit()),
            (self.0.clock)(),
        );
        let mut too_large = Vec::new();
        for sender in senders {
            let (account, _) = self.0.validator.account(&state, sender)?;
            let mut waiting = self.0.waiting.write();
            let stale = waiting.set_account(sender, account, now);
            let left = waiting.sender(&sender).into_iter();
            too_large.extend(
                left.flat_map(SenderQueue::iter)
                    .filter(|transaction| transaction.transaction.gas_limit() > cap)
                    .map(|transaction| transaction.hash()),
            );
            drop(waiting);
            // Their nonces are used up, which a restart sees from the state.
            metrics::removed("nonce_used", stale.len());
        }
        self.discard(admission, too_large, "exceeds_gas_cap");
        Ok(())
    }

    /// Takes in again what was in a block that is no longer canonical and is in none now.
    fn restore_reverted(
        &self,
        admission: &mut Admission,
        committed: &[Arc<BlockWithReceipts>],
        reverted: &[Arc<BlockWithReceipts>],
    ) {
        if reverted.is_empty() {
            return;
        }
        let mined: HashSet<B256> = committed
            .iter()
            .flat_map(|block| &block.block.body().transactions)
            .map(|transaction| *transaction.tx_hash())
            .collect();
        let gas_limit = self.head_gas_limit();
        let now = (self.0.clock)();
        let prepared: Vec<_> = reverted
            .iter()
            .flat_map(|block| block.block.transactions_recovered())
            .filter(|transaction| !mined.contains(transaction.tx_hash()))
            .map(|transaction| {
                let prepared = self
                    .0
                    .validator
                    .prepare_recovered(transaction.cloned(), gas_limit)?;
                Ok(PooledTransaction {
                    arrived_at: now,
                    ..prepared
                })
            })
            .collect();
        for error in self
            .admit(admission, prepared, Origin::Restored)
            .into_iter()
            .filter_map(Result::err)
        {
            warn!(%error, "a transaction of a reverted block could not be taken in again");
        }
    }

    fn expire(&self, admission: &mut Admission) {
        let now = (self.0.clock)();
        let expired = self
            .0
            .waiting
            .read()
            .expired(now.saturating_sub(self.0.config.queued_lifetime));
        self.discard(admission, expired.waiting, "expired");
        self.discard(admission, expired.without_rights, "permission");
    }

    pub(super) fn compact_if_grown(&self, admission: &mut Admission) {
        let Some(journal) = &admission.journal else {
            return;
        };
        if journal.wants_compaction(self.0.config.journal_slack_bytes) {
            self.compact(admission);
        }
    }

    /// Rewrites the journal with what a restart would need: what waits, in the order of arrival,
    /// and before it what the newest blocks hold.
    pub(super) fn compact(&self, admission: &mut Admission) {
        let Some(journal) = &mut admission.journal else {
            return;
        };
        let mut waiting: Vec<_> = self.0.waiting.read().iter().cloned().collect();
        waiting.sort_unstable_by_key(|transaction| transaction.arrival);
        let mined = admission.recent.iter().flat_map(|block| {
            let sealed_at = Duration::from_secs(block.block.timestamp());
            block
                .block
                .body()
                .transactions
                .iter()
                .map(move |transaction| (transaction, sealed_at))
        });
        let waiting = waiting
            .iter()
            .map(|transaction| (transaction.signed(), transaction.arrived_at));
        let records = mined.chain(waiting).map(|(transaction, arrived_at)| {
            let mut record = Vec::new();
            record::encode_added(&mut record, transaction, arrived_at);
            record
        });
        if let Err(error) = journal.compact(records) {
            metrics::journal_error();
            warn!(%error, "the pool's journal could not be compacted and goes on growing");
        }
    }
}
