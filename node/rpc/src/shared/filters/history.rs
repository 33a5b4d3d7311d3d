//! What filters may want to know of the past and cannot read any more: bounded.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use alloy_primitives::B256;
use wattline_primitives::BlockWithReceipts;

/// Most blocks that left the chain and are still known.
const MAX_BLOCKS: usize = 1024;
/// Most transactions and logs in them.
const MAX_ITEMS: usize = 200_000;

/// Blocks that left the chain, with their receipts.
#[derive(Debug, Default)]
pub(super) struct Reverted {
    blocks: HashMap<B256, Arc<BlockWithReceipts>>,
    order: VecDeque<B256>,
    items: usize,
}

impl Reverted {
    pub(super) fn get(&self, hash: &B256) -> Option<&Arc<BlockWithReceipts>> {
        self.blocks.get(hash)
    }

    /// Keeps a block, at the cost of the oldest. One larger than all that may be kept is not.
    pub(super) fn keep(&mut self, block: Arc<BlockWithReceipts>) {
        let hash = block.block.hash();
        self.items += items(&block);
        if let Some(known) = self.blocks.insert(hash, block) {
            self.items -= items(&known);
        } else {
            self.order.push_back(hash);
        }
        while self.order.len() > MAX_BLOCKS || self.items > MAX_ITEMS {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(dropped) = self.blocks.remove(&oldest) {
                self.items -= items(&dropped);
            }
        }
    }
}

fn items(block: &BlockWithReceipts) -> usize {
    let logs = block.receipts.iter().map(|receipt| receipt.logs.len());
    block.receipts.len() + logs.sum::<usize>()
}

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
