//! The transactions of one sender, by nonce.

use std::{
    collections::{BTreeMap, btree_map},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::U256;

use crate::transaction::PooledTransaction;

/// What the state at the head says about a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderAccount {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    /// Whether the account carries an EIP-7702 delegation.
    pub(crate) delegated: bool,
}

/// What the pool remembers about a sender beside its transactions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SenderStanding {
    pub(crate) account: SenderAccount,
    /// When a transaction of this sender last came or went into a block, since the Unix epoch.
    pub(crate) last_active: Duration,
    /// The number of the last block that held a transaction of this sender.
    pub(crate) last_served: u64,
}

/// The transactions of one sender. The first `executable` of them could go into the next block
/// one after the other: their nonces follow the account's without a gap and the balance covers
/// them all. The rest wait.
#[derive(Debug, Default)]
pub(crate) struct SenderQueue {
    pub(crate) standing: SenderStanding,
    transactions: BTreeMap<u64, Arc<PooledTransaction>>,
    executable: usize,
    executable_cost: U256,
    bytes: usize,
}

impl SenderQueue {
    pub(crate) fn new(standing: SenderStanding) -> Self {
        Self {
            standing,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.transactions.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn executable_len(&self) -> usize {
        self.executable
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Arc<PooledTransaction>> {
        self.transactions.get(&nonce)
    }

    pub(crate) fn iter(&self) -> btree_map::Values<'_, u64, Arc<PooledTransaction>> {
        self.transactions.values()
    }

    pub(crate) fn executable(&self) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        self.iter().take(self.executable)
    }

    pub(crate) fn queued(&self) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        self.iter().skip(self.executable)
    }

    /// The transaction with the highest nonce: the only one that can go without leaving a gap.
    pub(crate) fn tail(&self) -> Option<&Arc<PooledTransaction>> {
        self.transactions
            .last_key_value()
            .map(|(_, transaction)| transaction)
    }

    /// The first nonce that no executable transaction has.
    pub(crate) const fn next_nonce(&self) -> u64 {
        // The executable nonces are consecutive and below 2^64 - 1 (EIP-2681).
        self.standing
            .account
            .nonce
            .saturating_add(self.executable as u64)
    }

    /// What the executable transactions may cost together, without the one at `nonce`.
    pub(crate) fn executable_cost_without(&self, nonce: u64) -> U256 {
        match self.transactions.get(&nonce) {
            Some(transaction) if nonce < self.next_nonce() => {
                self.executable_cost.saturating_sub(transaction.cost)
            }
            _ => self.executable_cost,
        }
    }

    /// Puts a transaction in, returning the one that had its nonce.
    pub(crate) fn insert(
        &mut self,
        transaction: Arc<PooledTransaction>,
    ) -> Option<Arc<PooledTransaction>> {
        self.bytes += transaction.size;
        let replaced = self.transactions.insert(transaction.nonce(), transaction);
        if let Some(replaced) = &replaced {
            self.bytes -= replaced.size;
        }
        self.recount();
        replaced
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PooledTransaction>> {
        let removed = self.transactions.remove(&nonce)?;
        self.bytes -= removed.size;
        self.recount();
        Some(removed)
    }

    /// Takes over what the state says and drops the transactions whose nonce is used up.
    pub(crate) fn set_account(&mut self, account: SenderAccount) -> Vec<Arc<PooledTransaction>> {
        self.standing.account = account;
        let rest = self.transactions.split_off(&account.nonce);
        let stale = std::mem::replace(&mut self.transactions, rest);
        self.bytes -= stale
            .values()
            .map(|transaction| transaction.size)
            .sum::<usize>();
        self.recount();
        stale.into_values().collect()
    }

    /// Finds the executable prefix anew. Linear in the sender's transactions, which are few by
    /// limit.
    fn recount(&mut self) {
        let mut nonce = self.standing.account.nonce;
        let mut cost = U256::ZERO;
        let mut executable = 0;
        for (found, transaction) in &self.transactions {
            let Some(total) = cost.checked_add(transaction.cost) else {
                break;
            };
            if *found != nonce || total > self.standing.account.balance {
                break;
            }
            cost = total;
            executable += 1;
            nonce = nonce.saturating_add(1);
        }
        self.executable = executable;
        self.executable_cost = cost;
    }
}
