//! What the chain measures of itself.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use wattline_primitives::SealedHeader;

const EXECUTE_SECONDS: &str = "wattline_chain_execute_seconds";
const FINALIZE_SECONDS: &str = "wattline_chain_finalize_seconds";
const NOTIFY_SECONDS: &str = "wattline_chain_notify_seconds";
const HEAD_NUMBER: &str = "wattline_chain_head_number";
const HEAD_TIMESTAMP: &str = "wattline_chain_head_timestamp_seconds";
const GAS_USED: &str = "wattline_chain_gas_used_total";
const TRANSACTIONS: &str = "wattline_chain_transactions_total";
const BAD_BLOCKS: &str = "wattline_chain_bad_blocks_total";
const UNSTORED_BLOCKS: &str = "wattline_chain_unstored_blocks";

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    describe_histogram!(
        EXECUTE_SECONDS,
        Unit::Seconds,
        "time to check and execute a block that another node made"
    );
    describe_histogram!(
        FINALIZE_SECONDS,
        Unit::Seconds,
        "time to store blocks that became final and to tell of them"
    );
    describe_histogram!(
        NOTIFY_SECONDS,
        Unit::Seconds,
        "time to tell the node's parts of stored blocks"
    );
    describe_gauge!(HEAD_NUMBER, "number of the last final block");
    describe_gauge!(
        HEAD_TIMESTAMP,
        Unit::Seconds,
        "timestamp of the last final block"
    );
    describe_counter!(GAS_USED, "gas used by blocks that became final");
    describe_counter!(TRANSACTIONS, "transactions in blocks that became final");
    describe_counter!(BAD_BLOCKS, "blocks whose execution showed them invalid");
    describe_gauge!(
        UNSTORED_BLOCKS,
        "executed blocks that are kept in memory because they are not final"
    );
}

pub(crate) fn executed(took: Duration) {
    histogram!(EXECUTE_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn finalized(took: Duration) {
    histogram!(FINALIZE_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn notified(took: Duration) {
    histogram!(NOTIFY_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn committed(gas_used: u64, transactions: usize) {
    counter!(GAS_USED).increment(gas_used);
    counter!(TRANSACTIONS).increment(transactions as u64);
}

pub(crate) fn head(header: &SealedHeader) {
    gauge!(HEAD_NUMBER).set(header.number as f64);
    gauge!(HEAD_TIMESTAMP).set(header.timestamp as f64);
}

pub(crate) fn bad_block() {
    counter!(BAD_BLOCKS).increment(1);
}

pub(crate) fn unstored(blocks: usize) {
    gauge!(UNSTORED_BLOCKS).set(blocks as f64);
}
