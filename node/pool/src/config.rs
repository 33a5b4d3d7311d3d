//! Limits and choices of the operator.

use std::time::Duration;

/// The largest transaction that the pool takes, in bytes of its EIP-2718 encoding. The same as
/// geth's, so that a tool finds the limit it expects.
pub const MAX_TRANSACTION_BYTES: usize = 128 * 1024;

/// Limits and choices of a pool. The defaults suit a consortium chain with free gas and blocks
/// of one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Most transactions in the pool, executable or not.
    pub max_transactions: usize,
    /// Most bytes of encoded transactions in the pool.
    pub max_bytes: usize,
    /// Most transactions of one sender.
    pub max_sender_transactions: usize,
    /// Most bytes of encoded transactions of one sender.
    pub max_sender_bytes: usize,
    /// Most transactions of a sender that has delegated its account (EIP-7702) or is about to.
    ///
    /// Anybody may move the funds or the nonce of such an account through its code, which makes
    /// all its waiting transactions invalid at once, so that only a few are worth keeping.
    pub max_delegated_sender_transactions: usize,
    /// By how much, in percent, a replacement must raise both fees of the transaction it
    /// replaces. A replacement must always be strictly higher, also where the percentage of the
    /// old fee is nothing: with free gas, one wei replaces zero.
    pub replacement_bump_percent: u64,
    /// The lowest tip, in wei per unit of gas, with which a transaction is accepted.
    pub min_tip: u128,
    /// How long the transactions of a sender may wait without being executable (a nonce gap, too
    /// little balance, a permission that was taken) after that sender was last active in the pool
    /// or lost the permission.
    pub queued_lifetime: Duration,
    /// How many newly executable transactions a subscriber may be behind before it loses the
    /// oldest.
    pub subscription_capacity: usize,
    /// How many bytes the journal may grow beyond twice its size after it was last compacted.
    pub journal_slack_bytes: u64,
    /// Whether each acceptance waits until the disk has the journal, so that an accepted
    /// transaction survives the death of the machine. Without it, it survives that of the process
    /// only. Transactions that arrive while the disk is at work share the next wait.
    pub journal_fsync: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_transactions: 131_072,
            max_bytes: 128 * 1024 * 1024,
            max_sender_transactions: 1_024,
            max_sender_bytes: 8 * 1024 * 1024,
            max_delegated_sender_transactions: 4,
            replacement_bump_percent: 10,
            min_tip: 0,
            queued_lifetime: Duration::from_secs(3 * 60 * 60),
            subscription_capacity: 4_096,
            journal_slack_bytes: 4 * 1024 * 1024,
            journal_fsync: true,
        }
    }
}
