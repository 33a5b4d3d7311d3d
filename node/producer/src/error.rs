use alloy_primitives::Address;
use wattline_chain::ChainError;
use wattline_clique::{CliqueError, SealError};
use wattline_evm::ExecutionError;
use wattline_storage::StorageError;

/// Why this signer seals nothing on a block. Nothing is wrong with the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The account is no signer after that block.
    #[error("the account is not among the chain's signers; blocks are sealed once it is voted in")]
    NotASigner,
    /// The account sealed so recently that it may not seal the next block.
    #[error("the account sealed one of the latest blocks; others come first")]
    SignedRecently,
    /// Too many blocks stand on the last final one.
    #[error("{0} blocks wait to become final, and no more may")]
    TooDeep(usize),
}

/// Why there is no block. A transaction that fails is no such reason: the block is built without
/// it.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// It is not this signer's to seal a block there.
    #[error("nothing is sealed here: {0}")]
    Declined(#[from] Declined),
    /// The parent is not (any more) the last final block or one above it, or the chain could not
    /// be read.
    #[error("cannot build on that block: {0}")]
    Chain(#[from] ChainError),
    /// The block could not be built.
    #[error("cannot build the next block: {0}")]
    Build(#[from] ExecutionError),
    /// The key could not sign.
    #[error("cannot seal the next block: {0}")]
    Seal(#[from] SealError<alloy_signer::Error>),
    /// The block built here breaks a rule.
    #[error("the block built here breaks a rule: {0}")]
    Header(#[from] CliqueError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime ended before the work was done.
    #[error("the producer was interrupted: {0}")]
    Interrupted(#[from] commonware_runtime::Error),
    /// The pool ended before the node.
    #[error("the pool follows the chain no longer")]
    PoolEnded,
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
