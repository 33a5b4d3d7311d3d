//! How a transaction gets in and out: one change at a time, each in the journal.

use std::{fmt, sync::Arc};

use alloy_primitives::B256;
use rayon::prelude::*;
use tracing::{debug, error, warn};

use super::Pool;
use crate::{
    error::PoolError,
    journal::{Journal, record},
    metrics,
    transaction::{Origin, PooledTransaction},
    waiting::Acceptance,
};

/// At how many heads a builder may fail at a transaction that looks executable. More than one,
/// because a builder may work on a head that is not the pool's any more, or not yet.
const MAX_REPORTS: usize = 3;

/// What only one change at a time may touch.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) journal: Option<Journal>,
    next_arrival: u64,
}

impl Admission {
    pub(super) const fn new(journal: Option<Journal>) -> Self {
        Self {
            journal,
            next_arrival: 0,
        }
    }

    /// Writes records that only tidy up: without them a restart brings back what was thrown out,
    /// and then checks it like any other, so a failure is reported and not fatal, and the disk is
    /// not waited for.
    fn note(&mut self, records: &[u8]) {
        if let Some(journal) = &mut self.journal
            && !records.is_empty()
            && let Err(error) = journal.append_unsynced(records)
        {
            metrics::journal_error();
            warn!(%error, "the pool's journal could not be told about removed transactions");
        }
    }
}

/// Maps on all cores, keeping the order; a single item is not worth the hand-over.
pub(super) fn on_all_cores<T: Send, R: Send>(
    mut items: Vec<T>,
    map: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    match items.len() {
        0 | 1 => items.pop().map(map).into_iter().collect(),
        _ => items.into_par_iter().map(map).collect(),
    }
}

impl Pool {
    /// Checks prepared transactions against the state, puts them in, and writes them to the
    /// journal, waiting for the disk if a client waits for that. All of them stay out if the
    /// journal cannot be written.
    pub(super) fn admit(
        &self,
        admission: &mut Admission,
        prepared: Vec<Result<PooledTransaction, PoolError>>,
        acceptance: Acceptance,
    ) -> Vec<Result<B256, PoolError>> {
        let mut records = Vec::new();
        let mut done = Vec::new();
        let mut acknowledges = false;
        let state = self.0.storage.state().map_err(PoolError::from);
        let mut outcomes: Vec<_> = prepared
            .into_iter()
            .enumerate()
            .map(|(index, prepared)| {
                let transaction = prepared?;
                let state = state.as_ref().map_err(Clone::clone)?;
                let account = self
                    .0
                    .validator
                    .check_state(state, &transaction, acceptance)?;
                let arrival = admission.next_arrival;
                let transaction = Arc::new(PooledTransaction {
                    arrival,
                    ..transaction
                });
                let inserted = self
                    .0
                    .waiting
                    .write()
                    .insert(&transaction, account, acceptance)?;
                admission.next_arrival += 1;
                acknowledges |= transaction.origin == Origin::Local;
                let hash = transaction.hash();
                record::encode_added(&mut records, transaction.signed(), transaction.arrived_at);
                for evicted in &inserted.evicted {
                    record::encode_removed(&mut records, &evicted.transaction.hash());
                }
                done.push((index, hash, inserted));
                Ok(hash)
            })
            .collect();

        let written = match &mut admission.journal {
            Some(journal) if acknowledges => journal.append(&records),
            // The node that acknowledged them answers for them.
            Some(journal) if !records.is_empty() => journal.append_unsynced(&records),
            _ => Ok(()),
        };
        match written {
            Ok(()) => {
                let replaced = done
                    .iter()
                    .filter(|(.., inserted)| inserted.replaced.is_some());
                metrics::removed("replaced", replaced.count());
                metrics::removed(
                    "evicted",
                    done.iter().map(|(.., done)| done.evicted.len()).sum(),
                );
            }
            Err(error) => {
                error!(%error, "the pool's journal could not be written: free space on its disk");
                metrics::journal_error();
                let error = PoolError::JournalWrite(Arc::new(error));
                let mut waiting = self.0.waiting.write();
                for (index, hash, inserted) in done.into_iter().rev() {
                    waiting.undo(&hash, inserted);
                    if let Some(outcome) = outcomes.get_mut(index) {
                        *outcome = Err(error.clone());
                    }
                }
            }
        }
        self.announce();
        metrics::added(outcomes.iter().filter(|outcome| outcome.is_ok()).count());
        outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .for_each(metrics::refused);
        self.compact_if_grown(admission);
        self.report_status(admission);
        outcomes
    }

    /// Takes transactions out for good.
    pub(super) fn discard(
        &self,
        admission: &mut Admission,
        hashes: impl IntoIterator<Item = B256>,
        reason: &'static str,
    ) {
        let mut records = Vec::new();
        let mut count = 0;
        for hash in hashes {
            if self.0.waiting.write().remove(&hash).is_some() {
                record::encode_removed(&mut records, &hash);
                count += 1;
            }
        }
        if count > 0 {
            debug!(count, reason, "transactions thrown out");
            metrics::removed(reason, count);
            admission.note(&records);
        }
    }

    pub(super) fn note_invalid(&self, hash: &B256, reason: &dyn fmt::Display) {
        let mut admission = self.0.admission.lock();
        match self.judge_invalid(hash) {
            Ok(true) => {
                warn!(%hash, %reason, "a transaction that never applies is thrown out");
                self.discard(&mut admission, [*hash], "invalid");
            }
            Ok(false) => debug!(%hash, %reason, "a transaction that did not apply waits"),
            Err(error) => error!(%error, "a transaction that did not apply cannot be checked"),
        }
        self.announce();
        self.report_status(&admission);
    }

    /// Looks at the head's state why a transaction may not have applied. True if that does not
    /// explain it, and a builder has failed at it too often.
    fn judge_invalid(&self, hash: &B256) -> Result<bool, PoolError> {
        let Some(transaction) = self.get(hash) else {
            return Ok(false);
        };
        let state = self.0.storage.state()?;
        let (account, _) = self.0.validator.account(&state, transaction.sender())?;
        let now = (self.0.clock)();
        let mut waiting = self.0.waiting.write();
        let stale = waiting.set_account(transaction.sender(), account, now);
        metrics::removed("nonce_used", stale.len());
        Ok(waiting.is_executable(&transaction)
            && waiting.count_invalid(hash, state.block()) >= MAX_REPORTS)
    }

    /// Tells subscribers what has become executable. Nobody listening is no failure.
    pub(super) fn announce(&self) {
        let executable = self.0.waiting.write().take_newly_executable();
        for transaction in executable {
            let _ = self.0.executable.send(transaction);
        }
    }

    pub(super) fn report_status(&self, admission: &Admission) {
        metrics::status(
            self.status(),
            admission.journal.as_ref().map_or(0, Journal::len),
        );
    }
}
