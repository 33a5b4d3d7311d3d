//! How a restart brings back what the journal holds.

use std::{collections::BTreeMap, path::PathBuf, sync::atomic, time::Duration};

use alloy_consensus::BlockHeader as _;
use alloy_primitives::B256;
use tracing::{info, warn};
use wattline_primitives::TransactionSigned;

use super::{
    Pool,
    admission::{Admission, on_all_cores},
};
use crate::{
    error::PoolError,
    journal::{Entry, Journal, JournalDamage},
    transaction::PooledTransaction,
    waiting::Acceptance,
};

/// How many transactions are recovered at a time.
const BATCH: usize = 1_024;

/// What a journal held when the pool was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Transactions that wait again.
    pub restored: usize,
    /// Transactions whose nonce is used up, because a block holds them or others in their place.
    pub used_up: usize,
    /// Transactions that had been thrown out.
    pub removed: usize,
    /// Transactions that are no longer acceptable, counted by [`PoolError::reason`].
    pub refused: BTreeMap<&'static str, usize>,
    /// What of the file could not be read as records.
    pub damage: JournalDamage,
    /// Why the file could not be read to its end, if so.
    pub read_error: Option<String>,
    /// Where a copy of the damaged journal was kept, if more than its end was damaged.
    pub damaged_copy: Option<PathBuf>,
}

/// A record to apply, in the journal's order, its sender recovered.
enum Step {
    Add(Box<Result<PooledTransaction, PoolError>>),
    Remove(B256),
}

impl Pool {
    pub(super) fn replay(&self) -> Result<ReplayReport, PoolError> {
        let mut admission = self.0.admission.lock();
        self.read_head()?;
        // Nothing is written while the old records are read.
        let Some(journal) = admission.journal.take() else {
            return Ok(ReplayReport::default());
        };
        let mut report = self.replay_records(&mut admission, &journal)?;
        let now = (self.0.clock)();
        self.0.waiting.write().renew_without_rights(now);
        let damaged = report.damage.is_corrupt() || report.read_error.is_some();
        if damaged {
            report.damaged_copy = match journal.keep_copy() {
                Ok(copy) => Some(copy),
                Err(error) => {
                    warn!(%error, "the damaged journal could not be copied");
                    None
                }
            };
        }
        admission.journal = Some(journal);
        if !damaged || report.damaged_copy.is_some() {
            self.compact(&mut admission);
        }
        self.report_status(&admission);
        log(&report);
        Ok(report)
    }

    /// Learns the head.
    fn read_head(&self) -> Result<(), PoolError> {
        let reader = self.0.storage.reader()?;
        let head = reader.head()?;
        self.0.head.send_replace(head.hash);
        if let Some(header) = reader.header(head.number)? {
            self.0
                .head_gas_limit
                .store(header.gas_limit(), atomic::Ordering::Relaxed);
        }
        Ok(())
    }

    fn replay_records(
        &self,
        admission: &mut Admission,
        journal: &Journal,
    ) -> Result<ReplayReport, PoolError> {
        let mut report = ReplayReport::default();
        let mut reader = match journal.reader() {
            Ok(reader) => reader,
            Err(error) => {
                report.read_error = Some(error.to_string());
                return Ok(report);
            }
        };
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            match reader.next_entry() {
                // Behind damage a "record" may be what some transaction's calldata holds. One more
                // transaction is checked like any other; a removal would be believed.
                Ok(Some(Entry::Removed { .. })) if reader.damage().is_corrupt() => continue,
                Ok(Some(entry)) => batch.push(entry),
                Ok(None) => break,
                Err(error) => {
                    report.read_error = Some(error.to_string());
                    break;
                }
            }
            if batch.len() == BATCH {
                self.apply(admission, std::mem::take(&mut batch), &mut report)?;
            }
        }
        self.apply(admission, batch, &mut report)?;
        report.restored = self.0.waiting.read().len();
        report.damage = reader.damage();
        Ok(report)
    }

    fn apply(
        &self,
        admission: &mut Admission,
        batch: Vec<Entry>,
        report: &mut ReplayReport,
    ) -> Result<(), PoolError> {
        let steps = on_all_cores(batch, |entry| match entry {
            Entry::Added {
                arrived_at,
                transaction,
            } => Step::Add(Box::new(self.prepare_at(*transaction, arrived_at))),
            Entry::Removed { hash } => Step::Remove(hash),
        });
        let mut added = Vec::new();
        for step in steps {
            match step {
                Step::Add(prepared) => added.push(*prepared),
                Step::Remove(hash) => {
                    self.restore(admission, std::mem::take(&mut added), report)?;
                    report.removed += usize::from(self.0.waiting.write().remove(&hash).is_some());
                }
            }
        }
        self.restore(admission, added, report)
    }

    fn prepare_at(
        &self,
        transaction: TransactionSigned,
        arrived_at: Duration,
    ) -> Result<PooledTransaction, PoolError> {
        // Known ones are not refused here: a removal before this record may not be applied yet.
        let validator = &self.0.validator;
        let prepared = validator.prepare(transaction, self.head_gas_limit())?;
        Ok(PooledTransaction {
            arrived_at,
            ..validator.with_authorities(prepared)
        })
    }

    fn restore(
        &self,
        admission: &mut Admission,
        added: Vec<Result<PooledTransaction, PoolError>>,
        report: &mut ReplayReport,
    ) -> Result<(), PoolError> {
        if added.is_empty() {
            return Ok(());
        }
        for outcome in self.admit(admission, added, Acceptance::Again) {
            match outcome {
                // One that left without a record and came again is there twice.
                Ok(_) | Err(PoolError::AlreadyKnown) => {}
                Err(PoolError::NonceTooLow { .. }) => report.used_up += 1,
                // The journal is untouched yet: better not to start than to lose what it holds.
                Err(error) if error.is_internal() => return Err(error),
                Err(error) => *report.refused.entry(error.reason()).or_default() += 1,
            }
        }
        Ok(())
    }
}

fn log(report: &ReplayReport) {
    info!(
        restored = report.restored,
        used_up = report.used_up,
        removed = report.removed,
        "waiting transactions brought back from the journal"
    );
    if !report.refused.is_empty() {
        warn!(refused = ?report.refused, "journaled transactions that are no longer acceptable were dropped");
    }
    if let Some(error) = &report.read_error {
        warn!(%error, copy = ?report.damaged_copy, "the journal could not be read to its end; what came before is back");
    }
    if report.damage != JournalDamage::default() {
        warn!(damage = %report.damage, copy = ?report.damaged_copy, "the journal was damaged; every readable record of it is back");
    }
}
