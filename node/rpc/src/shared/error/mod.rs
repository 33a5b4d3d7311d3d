//! Every error that a client can get, one enum per concern.
//!
//! Wallets and libraries tell errors apart by code and by the first words of the message, so both
//! are geth's wherever geth has the same error. Codes are given in one place: [`RpcError::code`].

mod call;
mod filter;
mod lookup;
mod replay;
mod signer;
mod simulation;
mod submit;

use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{CALL_EXECUTION_FAILED_CODE, INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE},
};
use wattline_chain::ChainError;
use wattline_rpc_server::LIMIT_EXCEEDED_CODE;
use wattline_storage::StorageError;

pub use call::CallError;
pub(crate) use call::insufficient_funds;
pub use filter::FilterError;
pub use lookup::LookupError;
pub use replay::ReplayError;
pub use signer::SignerError;
pub use simulation::SimulationError;
pub use submit::SubmitError;

/// The code of a reverted execution; `data` holds what the contract returned.
pub const EXECUTION_REVERTED_CODE: i32 = 3;
/// The code of a transaction that was taken in but not included in time (EIP-7966).
pub const NOT_INCLUDED_CODE: i32 = 4;
/// The code of a transaction that was taken in but cannot execute yet (EIP-7966).
pub const NOT_READY_CODE: i32 = 5;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// A parameter is of the right type, but its value is not usable.
    #[error("{0}")]
    InvalidParams(String),
    /// More than this node gives to one request.
    #[error("{0}")]
    LimitExceeded(String),
    /// Something that the chain does not have.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A call without a result.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Blocks that cannot be simulated.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// A block that cannot be executed again.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A filter that cannot be polled.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A transaction that was not taken in, or has no receipt yet.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// What the node cannot sign, seal or vote on.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The chain could not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The state that was asked for is not kept any more.
    #[error(transparent)]
    StatePruned(StorageError),
    /// The database could not answer.
    #[error("cannot read the database: {0}")]
    Storage(StorageError),
    /// A fault of this node.
    #[error("internal error: {0}")]
    Internal(String),
}

impl RpcError {
    /// The JSON-RPC error code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) | Self::Submit(SubmitError::Decode(_)) => INVALID_PARAMS_CODE,
            Self::LimitExceeded(_) => LIMIT_EXCEEDED_CODE,
            Self::Call(CallError::Reverted(_)) => EXECUTION_REVERTED_CODE,
            Self::Simulation(error) => error.code(),
            Self::Submit(SubmitError::NotIncluded { .. }) => NOT_INCLUDED_CODE,
            Self::Submit(SubmitError::NotReady(_)) => NOT_READY_CODE,
            Self::Submit(SubmitError::Pool(error)) if error.is_internal() => INTERNAL_ERROR_CODE,
            Self::Storage(_) | Self::Internal(_) => INTERNAL_ERROR_CODE,
            Self::Lookup(_)
            | Self::Call(_)
            | Self::Replay(_)
            | Self::Filter(_)
            | Self::Submit(_)
            | Self::Signer(_)
            | Self::Chain(_)
            | Self::StatePruned(_) => CALL_EXECUTION_FAILED_CODE,
        }
    }
}

impl From<StorageError> for RpcError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::StatePruned { .. } => Self::StatePruned(error),
            error => Self::Storage(error),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let code = error.code();
        if code == INTERNAL_ERROR_CODE {
            tracing::error!(%error, "request failed");
        }
        let message = error.to_string();
        match error {
            RpcError::Call(CallError::Reverted(data)) => Self::owned(code, message, Some(data)),
            RpcError::Submit(
                SubmitError::NotIncluded { hash, .. } | SubmitError::NotReady(hash),
            ) => Self::owned(code, message, Some(hash)),
            _ => Self::owned(code, message, None::<()>),
        }
    }
}
