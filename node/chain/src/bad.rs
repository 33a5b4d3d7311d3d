//! Blocks found invalid by executing them, remembered so that nobody makes this node do it twice.

use alloy_primitives::B256;
use schnellru::{ByLength, LruMap};

/// How many invalid blocks are remembered.
const REMEMBERED: u32 = 1024;

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
