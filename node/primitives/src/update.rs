//! What subscribers learn of every change of the canonical chain.

use std::sync::Arc;

use crate::{BlockWithReceipts, SealedHeader};

/// One committed change of the canonical chain: blocks that left it and blocks that joined it.
#[derive(Clone, Debug)]
pub struct CanonicalUpdate {
    /// Blocks that are no longer canonical, oldest first. Empty unless the chain reorganised.
    pub reverted: Vec<Arc<BlockWithReceipts>>,
    /// Blocks that became canonical, oldest first. Never empty.
    pub committed: Vec<Arc<BlockWithReceipts>>,
    head: SealedHeader,
}

impl CanonicalUpdate {
    /// An update whose new head is `head`, the last of `committed`.
    pub const fn new(
        reverted: Vec<Arc<BlockWithReceipts>>,
        committed: Vec<Arc<BlockWithReceipts>>,
        head: SealedHeader,
    ) -> Self {
        Self {
            reverted,
            committed,
            head,
        }
    }

    /// The header of the new head, which is the last committed block.
    pub const fn head(&self) -> &SealedHeader {
        &self.head
    }
}
