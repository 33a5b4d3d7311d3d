//! Blocks found invalid by executing them, remembered so that nobody makes this node do it twice.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::B256;
use schnellru::{ByLength, LruMap};
use wattline_primitives::RecoveredBlock;

/// How many invalid blocks are remembered.
const REMEMBERED: u32 = 1024;

/// How many invalid blocks are kept whole, for people to look at.
const KEPT: usize = 10;

/// A block that was executed and found invalid.
#[derive(Clone, Debug)]
pub struct RefusedBlock {
    /// The block.
    pub block: RecoveredBlock,
    /// What is wrong with it.
    pub reason: String,
}

/// The invalid blocks met most recently.
#[derive(Debug, Default)]
pub(crate) struct RefusedBlocks(VecDeque<Arc<RefusedBlock>>);

impl RefusedBlocks {
    pub(crate) fn push(&mut self, block: RefusedBlock) {
        if self.0.len() >= KEPT {
            self.0.pop_back();
        }
        self.0.push_front(Arc::new(block));
    }

    pub(crate) fn all(&self) -> Vec<Arc<RefusedBlock>> {
        self.0.iter().cloned().collect()
    }
}

/// Hash and fault of the invalid blocks met most recently.
pub(crate) struct BadBlocks {
    reasons: LruMap<B256, String, ByLength>,
}

impl BadBlocks {
    pub(crate) fn new() -> Self {
        Self {
            reasons: LruMap::new(ByLength::new(REMEMBERED)),
        }
    }

    pub(crate) fn insert(&mut self, hash: B256, reason: String) {
        self.reasons.insert(hash, reason);
    }

    /// What was wrong with the block of `hash`, if it is known to be invalid.
    pub(crate) fn reason(&mut self, hash: &B256) -> Option<String> {
        self.reasons.get(hash).cloned()
    }
}
