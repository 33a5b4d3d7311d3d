//! Why a transaction was not taken in, or has no receipt yet.

use std::time::Duration;

use alloy_primitives::B256;
use wattline_pool::PoolError;

/// Why a transaction was not taken in, or has no receipt yet.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The transaction bytes do not decode.
    #[error("failed to decode signed transaction: {0}")]
    Decode(String),
    /// The transaction waits in the pool for longer than the client wants to (EIP-7966).
    #[error(
        "the transaction was taken in but is not in a block after {}s: ask for its receipt later",
        .after.as_secs_f32()
    )]
    NotIncluded {
        /// The transaction.
        hash: B256,
        /// How long it was waited for.
        after: Duration,
    },
    /// The transaction waits for others before it, or for funds (EIP-7966).
    #[error(
        "the transaction was taken in but cannot execute yet: send those with the nonces before it, \
         or fund its sender"
    )]
    NotReady(B256),
    /// The pool refused the transaction.
    #[error(transparent)]
    Pool(#[from] PoolError),
}
