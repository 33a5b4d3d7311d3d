//! What the chain measures of itself.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use wattline_primitives::SealedHeader;

const IMPORT_SECONDS: &str = "wattline_chain_import_seconds";
const NOTIFY_SECONDS: &str = "wattline_chain_notify_seconds";
const HEAD_NUMBER: &str = "wattline_chain_head_number";
const HEAD_TIMESTAMP: &str = "wattline_chain_head_timestamp_seconds";
const GAS_USED: &str = "wattline_chain_gas_used_total";
const TRANSACTIONS: &str = "wattline_chain_transactions_total";
const REORGS: &str = "wattline_chain_reorgs_total";
const REVERTED: &str = "wattline_chain_reverted_blocks_total";
const BAD_BLOCKS: &str = "wattline_chain_bad_blocks_total";
const SIDE_BLOCKS: &str = "wattline_chain_side_blocks";
const WAITING_BLOCKS: &str = "wattline_chain_waiting_blocks";

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    describe_histogram!(
        IMPORT_SECONDS,
        Unit::Seconds,
        "time from a block's arrival to its commit"
    );
    describe_histogram!(
        NOTIFY_SECONDS,
        Unit::Seconds,
        "time to tell the node's parts of a committed block"
    );
    describe_gauge!(HEAD_NUMBER, "number of the canonical head");
    describe_gauge!(
        HEAD_TIMESTAMP,
        Unit::Seconds,
        "timestamp of the canonical head"
    );
    describe_counter!(GAS_USED, "gas used by blocks that became canonical");
    describe_counter!(TRANSACTIONS, "transactions in blocks that became canonical");
    describe_counter!(REORGS, "reorganisations of the canonical chain");
    describe_counter!(
        REVERTED,
        "blocks that a reorganisation took off the canonical chain"
    );
    describe_counter!(BAD_BLOCKS, "blocks whose execution showed them invalid");
    describe_gauge!(SIDE_BLOCKS, "blocks stored beside the canonical chain");
    describe_gauge!(
        WAITING_BLOCKS,
        "blocks of the future that wait for their time"
    );
}

pub(crate) fn imported(took: Duration) {
    histogram!(IMPORT_SECONDS).record(took.as_secs_f64());
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

pub(crate) fn reorganised(reverted: usize) {
    counter!(REORGS).increment(1);
    counter!(REVERTED).increment(reverted as u64);
}

pub(crate) fn bad_block() {
    counter!(BAD_BLOCKS).increment(1);
}

pub(crate) fn side_blocks(count: usize) {
    gauge!(SIDE_BLOCKS).set(count as f64);
}

pub(crate) fn waiting_blocks(count: usize) {
    gauge!(WAITING_BLOCKS).set(count as f64);
}
