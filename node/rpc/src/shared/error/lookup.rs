//! What a client asks for and the chain does not have.

use alloy_primitives::Address;

/// What a client asks for and the chain does not have.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No block has this number.
    #[error("header not found")]
    HeaderNotFound,
    /// No block has this hash.
    #[error("header for hash not found")]
    HeaderForHashNotFound,
    /// As `HeaderNotFound`, in the words of the `clique` namespace and of `eth_getLogs`.
    #[error("unknown block")]
    UnknownBlock,
    /// No transaction of the chain has this hash.
    #[error("transaction not found")]
    TransactionNotFound,
    /// The state has no such account.
    #[error("account {0} doesn't exist")]
    AccountNotFound(Address),
}
