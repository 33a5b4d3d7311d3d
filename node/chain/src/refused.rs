//! Blocks found invalid by executing them, kept for people to look at.

use std::{collections::VecDeque, sync::Arc};

use wattline_primitives::RecoveredBlock;

/// How many invalid blocks are kept.
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
    /// Keeps a block, once however often it comes.
    pub(crate) fn push(&mut self, refused: RefusedBlock) {
        let hash = refused.block.hash();
        self.0.retain(|known| known.block.hash() != hash);
        self.0.truncate(KEPT - 1);
        self.0.push_front(Arc::new(refused));
    }

    pub(crate) fn all(&self) -> Vec<Arc<RefusedBlock>> {
        self.0.iter().cloned().collect()
    }
}
