//! One waiting transaction and what the pool knows about it.

use std::time::Duration;

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use wattline_primitives::{RecoveredTransaction, TransactionSigned};

/// Who brought a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node, or its journal: this node answers for it.
    Local,
    /// A peer, which passed it on.
    Remote,
}

/// A transaction that waits, with what the pool worked out once when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledTransaction {
    pub(crate) transaction: RecoveredTransaction,
    pub(crate) size: usize,
    pub(crate) cost: U256,
    pub(crate) tip: u128,
    pub(crate) authorities: Vec<Address>,
    pub(crate) arrival: u64,
    pub(crate) arrived_at: Duration,
    pub(crate) origin: Origin,
}

impl PooledTransaction {
    /// The transaction with its sender.
    pub const fn transaction(&self) -> &RecoveredTransaction {
        &self.transaction
    }

    /// The signed transaction.
    pub const fn signed(&self) -> &TransactionSigned {
        self.transaction.inner()
    }

    /// Its hash.
    pub fn hash(&self) -> B256 {
        *self.transaction.tx_hash()
    }

    /// The recovered sender.
    pub const fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// Bytes of its EIP-2718 encoding.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The most it may take from its sender: gas limit × highest fee + value, in wei.
    pub const fn cost(&self) -> U256 {
        self.cost
    }

    /// What the signer of its block gets per unit of gas at the chain's base fee, in wei.
    pub const fn effective_tip(&self) -> u128 {
        self.tip
    }

    /// The accounts whose code its authorizations (EIP-7702) set.
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    /// Its place in the order of arrival at this pool.
    pub const fn arrival(&self) -> u64 {
        self.arrival
    }

    /// When it came, as time since the Unix epoch.
    pub const fn arrived_at(&self) -> Duration {
        self.arrived_at
    }

    /// Who brought it.
    pub const fn origin(&self) -> Origin {
        self.origin
    }
}
