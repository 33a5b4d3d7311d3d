//! Why a block was not taken, or the chain could not be opened.

use alloy_primitives::B256;
use wattline_clique::CliqueError;
use wattline_evm::{BodyError, ExecutionError};
use wattline_storage::StorageError;

/// Everything that can go wrong on the way of a block into the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The block's parent is not stored here. Not the block's fault: its ancestors must come first.
    #[error(
        "block {number} ({hash}) cannot be placed: its parent {parent} is unknown here, import its ancestors first"
    )]
    UnknownParent {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The parent that is missing.
        parent: B256,
    },
    /// The block was found invalid before, and is not executed again.
    #[error("block {hash} was found invalid before: {reason}")]
    KnownBad {
        /// Hash of the block.
        hash: B256,
        /// What was wrong with it.
        reason: String,
    },
    /// An ancestor of the block is invalid, so the block is too.
    #[error("block {hash} descends from the invalid block {ancestor}: {reason}")]
    BadAncestor {
        /// Hash of the block.
        hash: B256,
        /// Hash of the invalid ancestor.
        ancestor: B256,
        /// What was wrong with the ancestor.
        reason: String,
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
    /// The block is too far in the future to wait for it: the signer's clock or this node's is
    /// wrong.
    #[error(
        "block {number} ({hash}) is from the future: {source}; check the clocks of this node and of the signer"
    )]
    FutureBlock {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// Its time and the latest acceptable one.
        source: CliqueError,
    },
    /// Too many blocks of the future wait already.
    #[error(
        "block {hash} is from the future and {limit} such blocks wait already; send it again when it is due"
    )]
    WaitingFull {
        /// Hash of the block.
        hash: B256,
        /// How many may wait.
        limit: usize,
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
    /// A block sealed here no longer extends the head: another block was faster.
    #[error("block on {parent} comes too late: the head is {head} now; build on that")]
    NotOnHead {
        /// The parent the block was built on.
        parent: B256,
        /// The head now.
        head: B256,
    },
    /// No block of this hash is stored.
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
    /// An ancestor of a stored side block is not stored.
    #[error("the side branch of block {hash} is broken: its ancestor {missing} is not stored")]
    BrokenBranch {
        /// Head of the side branch.
        hash: B256,
        /// The block that should be stored.
        missing: B256,
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
    /// block may yet be good: its parent is missing, its time has not come, this node failed.
    pub const fn is_invalid_block(&self) -> bool {
        match self {
            Self::KnownBad { .. }
            | Self::BadAncestor { .. }
            | Self::Header { .. }
            | Self::Body { .. }
            | Self::Signature { .. }
            | Self::StateRoot { .. } => true,
            Self::Execution { source, .. } => source.is_invalid_block(),
            Self::UnknownParent { .. }
            | Self::FutureBlock { .. }
            | Self::WaitingFull { .. }
            | Self::NotOnHead { .. }
            | Self::UnknownBlock(_)
            | Self::DamagedSnapshot { .. }
            | Self::EncodeSnapshot { .. }
            | Self::BrokenBranch { .. }
            | Self::GenesisMismatch { .. }
            | Self::Storage(_) => false,
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
