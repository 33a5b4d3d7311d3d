use crate::{BodyError, PermissionError};
use alloy_evm::{
    InvalidTxError,
    block::{BlockExecutionError, BlockValidationError},
};
use alloy_primitives::{B256, Bloom};
use revm::context_interface::result::InvalidTransaction;
use std::{any::Any, error::Error};

/// Why a transaction cannot be in a block on this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A rule of the EVM: nonce, balance, gas, fees, chain id, form.
    #[error(transparent)]
    Evm(#[from] InvalidTransaction),
    /// The sender lacks permission.
    #[error(transparent)]
    Permission(#[from] PermissionError),
    /// A blob transaction.
    #[error("blob transactions (type 3) are not accepted on this chain: it has no blob data layer")]
    Blob,
    /// The transaction alone is larger than any block.
    #[error("transaction of {size} bytes: expected at most {limit}, the room in a block")]
    Oversized {
        /// Its encoded size in bytes.
        size: usize,
        /// The bytes a block has for transactions.
        limit: usize,
    },
}

impl InvalidTxError for TransactionError {
    fn as_invalid_tx_err(&self) -> Option<&InvalidTransaction> {
        match self {
            Self::Evm(error) => Some(error),
            _ => None,
        }
    }
}

/// A failure of this node, not of the block: the state cannot be read, or the EVM broke down.
#[derive(Debug, thiserror::Error)]
#[error("execution failed: {0}")]
pub struct FatalError(#[source] pub Box<dyn Error + Send + Sync>);

/// Why a block is not what its header says.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The body does not match the header.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A transaction of the block may not be in it.
    #[error("transaction {index} ({hash}) is invalid: {error}")]
    Transaction {
        /// Its place in the block, from zero.
        index: usize,
        /// Its hash.
        hash: B256,
        /// The rule it breaks.
        error: TransactionError,
    },
    /// A transaction does not fit into the gas that the block has left.
    #[error(
        "transaction {index} ({hash}) has gas limit {gas_limit}: expected at most {available}, what the block has left"
    )]
    GasExhausted {
        /// Its place in the block, from zero.
        index: usize,
        /// Its hash.
        hash: B256,
        /// Its gas limit.
        gas_limit: u64,
        /// The block's remaining gas.
        available: u64,
    },
    /// The header's gas used is wrong.
    #[error("gas used {got}: expected {expected}, as executed")]
    GasUsed {
        /// What the header says.
        got: u64,
        /// What execution gave.
        expected: u64,
    },
    /// The header's receipts root is wrong.
    #[error("receipts root {got}: expected {expected}, as executed")]
    ReceiptsRoot {
        /// What the header says.
        got: B256,
        /// What execution gave.
        expected: B256,
    },
    /// The header's logs bloom is wrong.
    #[error("logs bloom {got}: expected {expected}, as executed")]
    LogsBloom {
        /// What the header says.
        got: Box<Bloom>,
        /// What execution gave.
        expected: Box<Bloom>,
    },
    /// The header's requests hash is wrong.
    #[error("requests hash {got:?}: expected {expected}, that of no requests")]
    RequestsHash {
        /// What the header says.
        got: Option<B256>,
        /// The hash of the empty list.
        expected: B256,
    },
    /// The header counts blob gas.
    #[error(
        "blob gas used {got:?} and excess {excess:?}: expected zero for both, there are no blobs"
    )]
    BlobGas {
        /// The header's blob gas used.
        got: Option<u64>,
        /// The header's excess blob gas.
        excess: Option<u64>,
    },
    /// This node failed; the block may well be valid.
    #[error(transparent)]
    Fatal(#[from] FatalError),
}

impl ExecutionError {
    /// Whether the block itself is at fault, so that no node can accept it.
    pub const fn is_invalid_block(&self) -> bool {
        !matches!(self, Self::Fatal(_))
    }
}

/// Why a transaction was not put into the block being built. Except after [`Self::Fatal`] the
/// builder stands as it was and takes further transactions.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The transaction breaks a rule: leave it out, of this block at least.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// The block has no room for it; a smaller one may still fit.
    #[error(
        "the block is full: the transaction needs {gas} gas and {size} bytes, {gas_left} gas and {size_left} bytes are left"
    )]
    Full {
        /// The transaction's gas limit.
        gas: u64,
        /// The block's remaining gas.
        gas_left: u64,
        /// The transaction's encoded size in bytes.
        size: usize,
        /// The block's remaining bytes.
        size_left: usize,
    },
    /// This node failed: give up this block.
    #[error(transparent)]
    Fatal(#[from] FatalError),
}

/// What alloy-evm's error about one transaction comes down to.
pub(crate) enum TransactionFailure {
    Invalid(TransactionError),
    GasExhausted { gas_limit: u64, available: u64 },
    Fatal(FatalError),
}

impl From<BlockExecutionError> for TransactionFailure {
    fn from(error: BlockExecutionError) -> Self {
        match error {
            BlockExecutionError::Validation(BlockValidationError::InvalidTx { error, .. }) => {
                Self::from_invalid(error)
            }
            BlockExecutionError::Validation(
                BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                    transaction_gas_limit: gas_limit,
                    block_available_gas: available,
                },
            ) => Self::GasExhausted {
                gas_limit,
                available,
            },
            // What else alloy-evm calls validation can only stem from the state not being readable.
            other => Self::Fatal(FatalError(Box::new(other))),
        }
    }
}

impl TransactionFailure {
    fn from_invalid(error: Box<dyn InvalidTxError>) -> Self {
        if let Some(invalid) = error.as_invalid_tx_err() {
            return Self::Invalid(invalid.clone().into());
        }
        let message = error.to_string();
        let any: Box<dyn Any> = error;
        match any.downcast::<TransactionError>() {
            Ok(error) => Self::Invalid(*error),
            Err(_) => Self::Fatal(FatalError(message.into())),
        }
    }
}
