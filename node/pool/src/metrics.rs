//! What an operator sees of the pool.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::{error::PoolError, pool::PoolStatus};

/// Gives the metrics their descriptions.
pub(crate) fn describe() {
    describe_gauge!(
        "wattline_pool_pending",
        "Transactions that the next block could take"
    );
    describe_gauge!(
        "wattline_pool_queued",
        "Transactions that wait for a nonce, funds or permission"
    );
    describe_gauge!(
        "wattline_pool_bytes",
        "Bytes of the encoded transactions in the pool"
    );
    describe_gauge!("wattline_pool_journal_bytes", "Bytes of the pool's journal");
    describe_histogram!(
        "wattline_pool_recover_seconds",
        Unit::Seconds,
        "Time to recover the senders of a batch and check its form"
    );
    describe_histogram!(
        "wattline_pool_admit_seconds",
        Unit::Seconds,
        "Time to check a batch against the state and have the disk confirm the journal"
    );
    describe_histogram!(
        "wattline_pool_update_seconds",
        Unit::Seconds,
        "Time to follow the chain to a new head"
    );
    describe_counter!("wattline_pool_added_total", "Transactions accepted");
    describe_counter!(
        "wattline_pool_refused_total",
        "Transactions refused, by reason"
    );
    describe_counter!(
        "wattline_pool_removed_total",
        "Transactions thrown out, by reason"
    );
    describe_counter!(
        "wattline_pool_journal_errors_total",
        "Failed writes to the journal"
    );
}

pub(crate) fn status(status: PoolStatus, journal_bytes: u64) {
    gauge!("wattline_pool_pending").set(status.pending as f64);
    gauge!("wattline_pool_queued").set(status.queued as f64);
    gauge!("wattline_pool_bytes").set(status.bytes as f64);
    gauge!("wattline_pool_journal_bytes").set(journal_bytes as f64);
}

pub(crate) fn recovered(took: Duration) {
    histogram!("wattline_pool_recover_seconds").record(took.as_secs_f64());
}

pub(crate) fn admitted(took: Duration) {
    histogram!("wattline_pool_admit_seconds").record(took.as_secs_f64());
}

pub(crate) fn updated(took: Duration) {
    histogram!("wattline_pool_update_seconds").record(took.as_secs_f64());
}

pub(crate) fn added(count: usize) {
    counter!("wattline_pool_added_total").increment(count as u64);
}

pub(crate) fn refused(error: &PoolError) {
    counter!("wattline_pool_refused_total", "reason" => error.reason()).increment(1);
}

pub(crate) fn removed(reason: &'static str, count: usize) {
    counter!("wattline_pool_removed_total", "reason" => reason).increment(count as u64);
}

pub(crate) fn journal_error() {
    counter!("wattline_pool_journal_errors_total").increment(1);
}
