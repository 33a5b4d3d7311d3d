//! What an operator sees of the pool.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::{error::PoolError, pool::PoolStatus};

/// Gives the metrics their descriptions.
pub(crate) fn describe() {
    describe_gauge!(
        "wattline_pool_pending",
        "Transactions that the next block could take"
    );
    describe_gauge!(
        "wattline_pool_queued",
        "Transactions that wait for a nonce or for funds"
    );
    describe_gauge!(
        "wattline_pool_bytes",
        "Bytes of the encoded transactions in the pool"
    );
    describe_gauge!("wattline_pool_journal_bytes", "Bytes of the pool's journal");
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
