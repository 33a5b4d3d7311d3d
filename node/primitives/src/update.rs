//! What subscribers learn of the chain.

use std::sync::Arc;

use crate::{BlockWithReceipts, SealedHeader};

/// What one commit added to the chain.
#[derive(Clone, Debug)]
pub struct CanonicalUpdate {
    /// Blocks that became final, oldest first. Never empty.
    pub committed: Vec<Arc<BlockWithReceipts>>,
    head: SealedHeader,
}

impl CanonicalUpdate {
    /// An update whose new head is `head`, the last of `committed`.
    pub const fn new(committed: Vec<Arc<BlockWithReceipts>>, head: SealedHeader) -> Self {
        Self { committed, head }
    }

    /// The header of the new head, which is the last committed block.
    pub const fn head(&self) -> &SealedHeader {
        &self.head
    }
}
