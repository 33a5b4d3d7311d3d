//! Why a block was not taken, or the chain could not be opened.

use alloy_primitives::B256;
use wattline_clique::CliqueError;
use wattline_evm::{BodyError, ExecutionError};
use wattline_storage::StorageError;

/// Everything that can go wrong on the way of a block into the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The block's parent is neither final nor executed here. Not the block's fault: its ancestors
    /// must come first.
    #[error(
        "block {number} ({hash}) cannot be placed: its parent {parent} is unknown here, execute its ancestors first"
    )]
    UnknownParent {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The parent that is missing.
        parent: B256,
    },
    /// The block is final, so there is nothing to execute any more.
    #[error("block {number} ({hash}) is final already")]
    AlreadyFinal {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
    },
    /// Another block on the same parent is final.
    #[error(
        "block {number} ({hash}) contradicts the final chain: another block on its parent {parent} is final"
    )]
    Contradiction {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The parent, which is final and not the last such block.
        parent: B256,
    },
    /// Too many blocks stand on the last final one already. Not the block's fault: one of its
    /// ancestors must become final first.
    #[error(
        "block {number} ({hash}) stands too far above the last final block: at most {limit} may"
    )]
    TooDeep {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// How deep blocks may stand.
        limit: usize,
    },
    /// The header breaks a rule of proof of authority.
    #[error("block {number} ({hash}) has an invalid header: {source}")]
    Header {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The broken rule.
        source: CliqueError,
    },
    /// The body is not the one that the header commits to, or not one of this chain. Says nothing
    /// of the block of that hash: whoever relayed it may have changed the body.
    #[error("block {number} ({hash}) came with an invalid body: {source}")]
    Body {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The broken rule.
        source: BodyError,
    },
    /// A transaction's signature does not recover to a sender.
    #[error("a transaction of block {hash} has an invalid signature: {reason}")]
    Signature {
        /// Hash of the block.
        hash: B256,
        /// Why the signature is invalid.
        reason: String,
    },
    /// The block could not be executed, or its execution differs from its header.
    #[error("block {number} ({hash}) does not execute as its header says: {source}")]
    Execution {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// What went wrong.
        source: Box<ExecutionError>,
    },
    /// The state after the block is not the header's.
    #[error("state root after block {number} ({hash}) is {got}, the header says {expected}")]
    StateRoot {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// Root of the state as executed.
        got: B256,
        /// Root in the header.
        expected: B256,
    },
    /// The block of this hash is neither final nor executed here, or, where the state after it is
    /// wanted, older than the last final block.
    #[error("unknown block {0}")]
    UnknownBlock(B256),
    /// A stored voting snapshot does not decode.
    #[error(
        "stored voting snapshot of block {hash} does not decode: {source}; the database is damaged, import the chain anew"
    )]
    DamagedSnapshot {
        /// The block the snapshot belongs to.
        hash: B256,
        /// Where decoding failed.
        source: serde_json::Error,
    },
    /// A voting snapshot does not encode.
    #[error("voting snapshot of block {hash} does not encode: {source}")]
    EncodeSnapshot {
        /// The block the snapshot belongs to.
        hash: B256,
        /// Where encoding failed.
        source: serde_json::Error,
    },
    /// The database belongs to another genesis block.
    #[error("the database starts at genesis block {found}, the chain configuration at {expected}")]
    GenesisMismatch {
        /// Genesis hash in the database.
        found: B256,
        /// Genesis hash of the configuration.
        expected: B256,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ChainError {
    /// Whether what was sent breaks a rule, so that who sent it was wrong to. `false` when the
    /// block may yet be good: its parent is missing, or this node failed.
    pub const fn is_invalid_block(&self) -> bool {
        match self {
            Self::Contradiction { .. } | Self::Header { .. } | Self::Body { .. } => true,
            _ => self.is_bad_block(),
        }
    }

    /// Whether the block of this hash is invalid whoever sends it: what its header commits to
    /// breaks a rule that only execution shows.
    pub(crate) const fn is_bad_block(&self) -> bool {
        match self {
            Self::Signature { .. } | Self::StateRoot { .. } => true,
            Self::Execution { source, .. } => source.is_invalid_block(),
            _ => false,
        }
    }
}
