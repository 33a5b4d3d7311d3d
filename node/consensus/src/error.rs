use alloy_primitives::B256;
use wattline_chain::ChainError;
use wattline_storage::StorageError;

use crate::{CommitteeError, StoreError};

/// Why this node can take part in the agreement no longer. Nothing that another node does leads to
/// one.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    /// A block that is final is another one than the stored one.
    #[error(
        "block {number} is stored as {stored:?} and agreed on as {agreed}: expected one hash; do \
         not let this node go on before the cause is found"
    )]
    Diverged {
        /// Its number.
        number: u64,
        /// The hash in the database.
        stored: Option<B256>,
        /// The hash that the committee signed.
        agreed: B256,
    },
    /// The database is older than the agreement's own storage: one was restored without the other.
    #[error(
        "the agreement's own storage has seen block {processed} stored, and the database ends with \
         block {head}: expected both of one time; remove the agreement's directory, and confirm \
         with --consensus.rejoin"
    )]
    OlderDatabase {
        /// The last block that was stored, by the agreement.
        processed: u64,
        /// The last block that is stored.
        head: u64,
    },
    /// A final block cannot be executed or stored.
    #[error("a final block is not taken in: {0}")]
    Chain(#[from] ChainError),
    /// As [`Chain`](Self::Chain).
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored evidence cannot be read.
    #[error("the stored evidence {index} is damaged: {reason}")]
    Evidence {
        /// Its number.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The database fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There is no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// A part of the agreement ended.
    #[error("{0} of the agreement ended")]
    Ended(&'static str),
    /// The runtime is ending.
    #[error(transparent)]
    Runtime(#[from] commonware_runtime::Error),
    /// The network is gone.
    #[error("the network ended: {0}")]
    Network(#[from] commonware_p2p::utils::mux::Error),
}
