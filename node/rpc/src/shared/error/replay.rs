//! Why a block cannot be executed again.

use alloy_primitives::B256;

/// Why a block cannot be executed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The genesis block executes nothing.
    #[error("genesis is not traceable")]
    Genesis,
    /// The state on which a block executes is not there.
    #[error("parent {0} not found: only blocks whose parent is on the chain can be executed")]
    ParentNotFound(B256),
    /// A block has fewer transactions.
    #[error("transaction index {index} out of range for block {block}")]
    TransactionOutOfRange {
        /// The index.
        index: usize,
        /// Hash of the block.
        block: B256,
    },
    /// A block that a client brought does not execute.
    #[error("the block does not execute: {0}")]
    InvalidBlock(String),
}
