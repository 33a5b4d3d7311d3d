//! Transactions that filters may ask for and that cannot be read any more: bounded.

use std::collections::VecDeque;

use alloy_primitives::B256;

/// Hashes of transactions in the order in which they arrived, each with its place in that order.
#[derive(Debug)]
pub(super) struct Arrivals {
    hashes: VecDeque<B256>,
    capacity: usize,
    /// The place of the next.
    end: u64,
}

impl Arrivals {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            hashes: VecDeque::new(),
            capacity,
            end: 0,
        }
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Adds one, at the cost of the oldest.
    pub(super) fn push(&mut self, hash: B256) {
        self.end += 1;
        self.hashes.push_back(hash);
        if self.hashes.len() > self.capacity {
            self.hashes.pop_front();
        }
    }

    /// Those at or after a place that are still known, with the place after each.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = (B256, u64)> + '_ {
        let first = self.end - self.hashes.len() as u64;
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let hashes = self.hashes.iter().enumerate().skip(skipped);
        hashes.map(move |(index, hash)| (*hash, first + index as u64 + 1))
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.hashes = VecDeque::new();
    }
}
