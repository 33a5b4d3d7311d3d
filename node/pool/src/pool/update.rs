//! How the pool follows the chain.

use std::sync::{Arc, atomic};

use alloy_consensus::{BlockHeader as _, Transaction as _};
use alloy_primitives::Address;
use tracing::{error, warn};
use wattline_primitives::{BlockWithReceipts, SealedHeader};

use super::{Pool, admission::Admission};
use crate::{error::PoolError, journal::record, metrics, sender::SenderQueue};

impl Pool {
    pub(super) fn update(&self, head: &SealedHeader, committed: &[Arc<BlockWithReceipts>]) {
        let mut admission = self.0.admission.lock();
        self.0
            .head_gas_limit
            .store(head.gas_limit(), atomic::Ordering::Relaxed);
        self.note_served(committed);
        if let Err(error) = self.check_senders(&mut admission) {
            // The next head brings another try; until then a builder may get transactions that
            // do not apply, and skips them.
            error!(%error, "waiting transactions could not be checked against the new head");
        }
        self.expire(&mut admission);
        self.announce();
        self.compact_if_grown(&mut admission);
        self.report_status(&admission);
        self.0.head.send_replace(head.hash());
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
        let mut senders: Vec<Address> = {
            let waiting = self.0.waiting.read();
            waiting.senders().map(|(sender, _)| *sender).collect()
        };
        // What becomes executable is announced in an order that a simulation can repeat.
        senders.sort_unstable();
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

    /// Rewrites the journal with what a restart would need: what waits, in the order of arrival.
    pub(super) fn compact(&self, admission: &mut Admission) {
        let Some(journal) = &mut admission.journal else {
            return;
        };
        let mut waiting: Vec<_> = self.0.waiting.read().iter().cloned().collect();
        waiting.sort_unstable_by_key(|transaction| transaction.arrival);
        let records = waiting.iter().map(|transaction| {
            let mut record = Vec::new();
            record::encode_added(&mut record, transaction.signed(), transaction.arrived_at);
            record
        });
        if let Err(error) = journal.compact(records) {
            metrics::journal_error();
            warn!(%error, "the pool's journal could not be compacted and goes on growing");
        }
    }
}
