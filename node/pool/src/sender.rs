//! The transactions of one sender, by nonce.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map},
    sync::Arc,
    time::Duration,
};

use alloy_consensus::Transaction as _;
use alloy_primitives::U256;

use crate::transaction::PooledTransaction;

/// What the chain's permission rule lets a sender do, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SenderRights {
    /// Nothing.
    #[default]
    None,
    /// Send transactions, but create no contracts with them.
    Transact,
    /// Send any transaction.
    Deploy,
}

impl SenderRights {
    /// Whether the sender may send this.
    pub(crate) fn cover(self, transaction: &PooledTransaction) -> bool {
        let required = if transaction.transaction.is_create() {
            Self::Deploy
        } else {
            Self::Transact
        };
        self >= required
    }
}

/// What the state at the head says about a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderAccount {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    /// Whether the account carries an EIP-7702 delegation.
    pub(crate) delegated: bool,
    pub(crate) rights: SenderRights,
}

/// What the pool remembers about a sender beside its transactions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SenderStanding {
    pub(crate) account: SenderAccount,
    /// When a transaction of this sender last came or went into a block, or the sender lost a right
    /// and its transactions began to wait for that, since the Unix epoch.
    pub(crate) last_active: Duration,
    /// The number of the last block that held a transaction of this sender.
    pub(crate) last_served: u64,
}

/// The transactions of one sender. The first `executable` of them could go into the next block
/// one after the other: their nonces follow the account's without a gap, the balance covers them
/// all, and the sender may send them. The rest wait.
#[derive(Debug, Default)]
pub(crate) struct SenderQueue {
    pub(crate) standing: SenderStanding,
    transactions: BTreeMap<u64, Arc<PooledTransaction>>,
    /// How many of the transactions offer each tip.
    tips: BTreeMap<u128, usize>,
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

    /// The executable transactions from a nonce on.
    pub(crate) fn executable_from(
        &self,
        nonce: u64,
    ) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        let end = self.next_nonce().max(nonce);
        self.transactions.range(nonce..end).map(|(_, found)| found)
    }

    /// What a block can take that has come to a nonce of this sender: the rest of the executable
    /// ones. Where unstored blocks have taken more than those, which this pool may never have had,
    /// what follows without a gap; whether the sender can pay for that, the builder finds out.
    pub(crate) fn offered_from(&self, nonce: u64) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        let (account, frontier) = (self.standing.account, self.next_nonce());
        let first = nonce.max(account.nonce);
        self.transactions
            .range(first..)
            .zip(first..)
            .take_while(move |((found, transaction), expected)| {
                *found == expected
                    && if first > frontier {
                        account.rights.cover(transaction)
                    } else {
                        *expected < frontier
                    }
            })
            .map(|((_, transaction), _)| transaction)
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

    /// The lowest tip that any of them offers.
    pub(crate) fn lowest_tip(&self) -> Option<u128> {
        self.tips.first_key_value().map(|(tip, _)| *tip)
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
        *self.tips.entry(transaction.tip).or_default() += 1;
        let (nonce, frontier) = (transaction.nonce(), self.next_nonce());
        let replaced = self.transactions.insert(nonce, transaction);
        if let Some(replaced) = &replaced {
            self.uncount(replaced);
        }
        match nonce.cmp(&frontier) {
            Ordering::Less => self.recount(),
            Ordering::Equal => self.extend(),
            Ordering::Greater => {}
        }
        replaced
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PooledTransaction>> {
        let frontier = self.next_nonce();
        let removed = self.transactions.remove(&nonce)?;
        self.uncount(&removed);
        if nonce < frontier {
            self.recount();
        }
        Some(removed)
    }

    /// Whether transactions wait for a right that the sender does not have.
    pub(crate) fn lacks_rights(&self) -> bool {
        let rights = self.standing.account.rights;
        self.iter().any(|transaction| !rights.cover(transaction))
    }

    /// Takes over what the state says at the time `now` and drops the transactions whose nonce is
    /// used up.
    pub(crate) fn set_account(
        &mut self,
        account: SenderAccount,
        now: Duration,
    ) -> Vec<Arc<PooledTransaction>> {
        if account == self.standing.account {
            return Vec::new();
        }
        if account.rights < self.standing.account.rights {
            self.standing.last_active = self.standing.last_active.max(now);
        }
        self.standing.account = account;
        let rest = self.transactions.split_off(&account.nonce);
        let stale = std::mem::replace(&mut self.transactions, rest);
        for transaction in stale.values() {
            self.uncount(transaction);
        }
        self.recount();
        stale.into_values().collect()
    }

    /// Counts a transaction no longer.
    fn uncount(&mut self, transaction: &PooledTransaction) {
        self.bytes -= transaction.size;
        if let btree_map::Entry::Occupied(mut count) = self.tips.entry(transaction.tip) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Finds the executable prefix anew. Linear in the sender's transactions, which are few by
    /// limit.
    fn recount(&mut self) {
        self.executable = 0;
        self.executable_cost = U256::ZERO;
        self.extend();
    }

    /// Adds to the executable prefix what follows it. Linear in what it adds, so that a sender's
    /// transactions cost the same however many of them wait.
    fn extend(&mut self) {
        let mut nonce = self.next_nonce();
        let (mut executable, mut cost) = (self.executable, self.executable_cost);
        for (found, transaction) in self.transactions.range(nonce..) {
            let Some(total) = cost.checked_add(transaction.cost) else {
                break;
            };
            let account = &self.standing.account;
            if *found != nonce || total > account.balance || !account.rights.cover(transaction) {
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
