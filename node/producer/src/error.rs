use alloy_primitives::Address;
use wattline_chain::ChainError;
use wattline_clique::SealError;
use wattline_evm::ExecutionError;
use wattline_storage::StorageError;

/// Why a producer had to stop. A transaction that fails, a head that changes, a signer that is
/// not authorised (yet) are none of these: production goes on.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The chain did not take the block, or could not be read.
    #[error("the chain refused the block built here: {0}")]
    Chain(#[from] ChainError),
    /// The block could not be built.
    #[error("cannot build the next block: {0}")]
    Build(#[from] ExecutionError),
    /// The key could not sign.
    #[error("cannot seal the next block: {0}")]
    Seal(#[from] SealError<alloy_signer::Error>),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A thread of the producer ended before its work.
    #[error("a worker of the producer ended early: {0}")]
    Worker(#[from] tokio::task::JoinError),
    /// Chain and producer wait for each other's updates no longer.
    #[error("the chain's updates ended while blocks were still to be produced")]
    UpdatesEnded,
}

impl ProducerError {
    /// Whether the block could not be stored because the disk or the database is full.
    pub(crate) fn is_out_of_space(&self) -> bool {
        match self {
            Self::Storage(error) | Self::Chain(ChainError::Storage(error)) => {
                error.is_out_of_space()
            }
            _ => false,
        }
    }
}

/// Why a proposal was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// Without its only signer a chain has ended.
    #[error(
        "account {0} is the chain's only signer: without it nobody could seal a block ever again; \
         propose another signer first, and this one once the other is voted in"
    )]
    OnlySigner(Address),
    /// The signers could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
