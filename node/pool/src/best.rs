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

use alloy_primitives::Address;

use crate::transaction::PooledTransaction;

/// The executable transactions at one moment, in the order in which a block should take them. A
/// sender's transactions come in the order of their nonces, without a gap.
#[derive(Debug)]
pub struct BestTransactions {
    heads: BinaryHeap<Head>,
    senders: HashMap<Address, Rest>,
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
    /// From each sender's executable transactions, by nonce, and the number of the last block
    /// that held one of its transactions.
    pub(crate) fn new(
        senders: impl Iterator<Item = (Address, u64, Vec<Arc<PooledTransaction>>)>,
    ) -> Self {
        let mut best = Self {
            heads: BinaryHeap::new(),
            senders: HashMap::new(),
        };
        for (sender, last_served, transactions) in senders {
            let rest = Rest {
                transactions: transactions.into_iter(),
                last_served,
                taken: 0,
            };
            best.senders.insert(sender, rest);
            best.advance(sender);
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
