//! How readings are sent: the settings of the submitter.

use serde::Deserialize;

/// How readings are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Submission {
    /// The most readings in one transaction.
    pub batch: usize,
    /// The most transactions under way at once.
    pub in_flight: usize,
    /// How many blocks a transaction's block must have on top of it before its readings leave the
    /// outbox.
    pub confirmations: u64,
    /// Milliseconds between looks at the chain while something is under way.
    pub poll_ms: u64,
    /// Seconds after which a transaction that is in no block is sent again; the wait doubles each
    /// time.
    pub resend_seconds: u64,
    /// The longest wait between two tries while the node is out of reach, in seconds.
    pub retry_seconds: u64,
    /// Gas offered for each reading, on top of `gas_base`.
    pub gas_per_reading: u64,
    /// Gas offered for each transaction.
    pub gas_base: u64,
    /// What is offered to the block's signer for each gas, in wei.
    pub priority_fee: u128,
    /// How often a reading is sent that the chain does not take yet (its meter is not registered,
    /// its time has not come) before it counts as refused.
    pub attempts: u32,
}

impl Default for Submission {
    fn default() -> Self {
        Self {
            batch: 100,
            in_flight: 4,
            confirmations: 4,
            poll_ms: 500,
            resend_seconds: 10,
            retry_seconds: 30,
            gas_per_reading: 120_000,
            gas_base: 100_000,
            priority_fee: 0,
            attempts: 12,
        }
    }
}
