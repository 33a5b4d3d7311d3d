use alloy_primitives::B256;
use wattline_chain::ChainError;
use wattline_evm::ConsortiumError;
use wattline_storage::StorageError;

/// Why there is no committee of an epoch.
#[derive(Debug, thiserror::Error)]
pub enum CommitteeError {
    /// No signer has a node.
    #[error(
        "no signer has a node key in the Consortium contract after block {number}: expected at \
         least one; the next epoch would have no committee"
    )]
    Empty {
        /// The last block before the epoch.
        number: u64,
    },
    /// The stored committee is damaged.
    #[error("the stored committee of epoch {epoch} cannot be read: {reason}")]
    Damaged {
        /// The epoch.
        epoch: u64,
        /// What is wrong.
        reason: alloy_rlp::Error,
    },
    /// Bytes that are no ed25519 public key.
    #[error("{0} is no ed25519 public key")]
    Key(B256),
    /// Several signers without a contract that says which node is whose.
    #[error(
        "the chain has {signers} signers and no `config.wattline.consortium`: expected that \
         contract, which says which node is whose, or a single signer"
    )]
    NoConsortium {
        /// How many signers there are.
        signers: usize,
    },
    /// The blocks before the epoch are not stored yet, or more than them.
    #[error("the committee of epoch {epoch} follows from block {expected}: the head is {head}")]
    NotAtHead {
        /// The epoch.
        epoch: u64,
        /// The last block before it.
        expected: u64,
        /// The stored head.
        head: u64,
    },
    /// The blocks before the epoch are not stored yet.
    #[error("the committee of epoch {epoch} is not known yet")]
    Unknown {
        /// The epoch.
        epoch: u64,
    },
    /// The database fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The Consortium contract cannot be read.
    #[error(transparent)]
    Consortium(#[from] ConsortiumError),
    /// The voting snapshot cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
