//! What a producer measures of itself.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const SEALED: &str = "wattline_producer_blocks_sealed_total";
const IN_TURN: &str = "wattline_producer_blocks_in_turn_total";
const SKIPPED: &str = "wattline_producer_transactions_skipped_total";
const EXECUTE_SECONDS: &str = "wattline_producer_execute_seconds";
const FINISH_SECONDS: &str = "wattline_producer_finish_seconds";
const STATE_ROOT_SECONDS: &str = "wattline_producer_state_root_seconds";
const LATE_SECONDS: &str = "wattline_producer_late_seconds";
const GAS: &str = "wattline_producer_block_gas";
const TRANSACTIONS: &str = "wattline_producer_block_transactions";

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    describe_counter!(SEALED, "blocks sealed here");
    describe_counter!(IN_TURN, "blocks sealed here in turn");
    describe_counter!(
        SKIPPED,
        "transactions that did not apply and were left out of a block"
    );
    describe_histogram!(
        EXECUTE_SECONDS,
        Unit::Seconds,
        "time spent executing a block's transactions"
    );
    describe_histogram!(
        FINISH_SECONDS,
        Unit::Seconds,
        "time from the last transaction to the seal"
    );
    describe_histogram!(
        STATE_ROOT_SECONDS,
        Unit::Seconds,
        "of that, time for the state root, beside the roots of transactions and receipts"
    );
    describe_histogram!(
        LATE_SECONDS,
        Unit::Seconds,
        "how long after its own time a block went out"
    );
    describe_histogram!(GAS, "gas used by blocks sealed here");
    describe_histogram!(TRANSACTIONS, "transactions in blocks sealed here");
}

/// What there is to say of one sealed block.
pub(crate) struct Sealed {
    pub(crate) in_turn: bool,
    pub(crate) gas: u64,
    pub(crate) transactions: usize,
    pub(crate) execute: Duration,
    pub(crate) finish: Duration,
    pub(crate) late: Duration,
}

pub(crate) fn sealed(block: &Sealed) {
    counter!(SEALED).increment(1);
    counter!(IN_TURN).increment(u64::from(block.in_turn));
    histogram!(EXECUTE_SECONDS).record(block.execute.as_secs_f64());
    histogram!(FINISH_SECONDS).record(block.finish.as_secs_f64());
    histogram!(LATE_SECONDS).record(block.late.as_secs_f64());
    histogram!(GAS).record(block.gas as f64);
    histogram!(TRANSACTIONS).record(block.transactions as f64);
}

pub(crate) fn state_root(took: Duration) {
    histogram!(STATE_ROOT_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn skipped() {
    counter!(SKIPPED).increment(1);
}
