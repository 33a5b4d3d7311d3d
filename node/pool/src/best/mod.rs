//! The order in which a block takes the waiting transactions.
//!
//! The highest effective tip goes first. Where gas is free all tips are equal, and whoever sends
//! the most would fill every block, so senders with the same tip take turns: who has had the
//! fewest transactions taken from this iterator goes next, among those the sender whose last
//! transaction in a block is the longest ago, and among those the transaction that came first.
//! The last block counts, not only this one, because a sender with a few very large transactions
//! could otherwise open, and fill, every block.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    vec,
};

use alloy_consensus::Transaction as _;
use alloy_primitives::Address;
use wattline_primitives::RecoveredBlock;

use crate::transaction::PooledTransaction;

/// The executable transactions at one moment, in the order in which a block should take them. A
/// sender's transactions come in the order of their nonces, without a gap.
#[derive(Debug)]
pub struct BestTransactions {
    heads: BinaryHeap<Head>,
    senders: HashMap<Address, Rest>,
}

/// How far a block, and the ancestors under it that are not stored yet, have come with each
/// sender.
#[derive(Clone, Debug, Default)]
pub struct Progress(HashMap<Address, Taken>);

/// What was taken from one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The nonce after the last that was taken; 0 if none was.
    pub(crate) next_nonce: u64,
    /// How many transactions the block itself has taken.
    pub(crate) count: u64,
    /// The number of the last unstored ancestor that took one.
    pub(crate) served: u64,
}

impl Progress {
    /// The progress of an empty block on ancestors that are not stored yet, whose transactions
    /// therefore still wait in the pool: they are not offered again, and their senders have had
    /// their turn.
    pub fn after<'a>(ancestors: impl IntoIterator<Item = &'a RecoveredBlock>) -> Self {
        let mut progress = Self::default();
        for block in ancestors {
            for transaction in block.transactions_recovered() {
                let taken = progress.0.entry(transaction.signer()).or_default();
                let next = transaction.nonce().saturating_add(1);
                taken.next_nonce = taken.next_nonce.max(next);
                taken.served = taken.served.max(block.number);
            }
        }
        progress
    }

    /// Notes that the block has taken a transaction.
    pub fn took(&mut self, transaction: &PooledTransaction) {
        let taken = self.0.entry(transaction.sender()).or_default();
        taken.next_nonce = transaction.nonce().saturating_add(1);
        taken.count += 1;
    }

    /// What was taken from a sender.
    pub(crate) fn of(&self, sender: &Address) -> Taken {
        self.0.get(sender).copied().unwrap_or_default()
    }
}

/// What a sender offers.
pub(crate) struct Candidate {
    pub(crate) sender: Address,
    /// The number of the last block that held one of its transactions.
    pub(crate) last_served: u64,
    /// How many of its transactions the block has taken already.
    pub(crate) taken: u64,
    /// By nonce, without a gap.
    pub(crate) transactions: Vec<Arc<PooledTransaction>>,
}

/// What a sender has left behind the transaction that is in the heap.
#[derive(Debug)]
struct Rest {
    transactions: vec::IntoIter<Arc<PooledTransaction>>,
    last_served: u64,
    taken: u64,
}

/// A sender's next transaction and its place.
#[derive(Debug)]
struct Head {
    place: (u128, Reverse<u64>, Reverse<u64>, Reverse<u64>),
    transaction: Arc<PooledTransaction>,
}

impl Head {
    fn new(transaction: Arc<PooledTransaction>, rest: &Rest) -> Self {
        let place = (
            transaction.tip,
            Reverse(rest.taken),
            Reverse(rest.last_served),
            Reverse(transaction.arrival),
        );
        Self { place, transaction }
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        // Arrivals are unique within a pool, so the order is total.
        self.place.cmp(&other.place)
    }
}

impl BestTransactions {
    /// From what each sender offers.
    pub(crate) fn new(candidates: impl Iterator<Item = Candidate>) -> Self {
        let mut best = Self {
            heads: BinaryHeap::new(),
            senders: HashMap::new(),
        };
        for candidate in candidates {
            let rest = Rest {
                transactions: candidate.transactions.into_iter(),
                last_served: candidate.last_served,
                taken: candidate.taken,
            };
            best.senders.insert(candidate.sender, rest);
            best.advance(candidate.sender);
        }
        best
    }

    /// Leaves out all further transactions of a sender. For a builder that found that the one it
    /// got does not apply or fit: those behind it cannot either.
    pub fn skip_sender(&mut self, sender: Address) {
        self.senders.remove(&sender);
    }

    fn advance(&mut self, sender: Address) {
        let Some(rest) = self.senders.get_mut(&sender) else {
            return;
        };
        match rest.transactions.next() {
            Some(transaction) => self.heads.push(Head::new(transaction, rest)),
            None => {
                self.senders.remove(&sender);
            }
        }
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<PooledTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let transaction = self.heads.pop()?.transaction;
            let sender = transaction.sender();
            if let Some(rest) = self.senders.get_mut(&sender) {
                rest.taken += 1;
                self.advance(sender);
                return Some(transaction);
            }
        }
    }
}

#[cfg(test)]
mod tests;
