//! Every error that a client can get.
//!
//! Wallets and libraries tell errors apart by code and by the first words of the message, so both
//! are geth's wherever geth has the same error.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Panic, PanicKind, Revert, SolError};
use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{CALL_EXECUTION_FAILED_CODE, INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE},
};
use revm::context::result::{HaltReason, InvalidTransaction, OutOfGasError};
use wattline_chain::ChainError;
use wattline_pool::PoolError;
use wattline_producer::ProposalError;
use wattline_storage::StorageError;

/// The code of a reverted execution; `data` holds what the contract returned.
pub const EXECUTION_REVERTED_CODE: i32 = 3;
/// The code of a transaction that was taken in but not included in time (EIP-7966).
pub const NOT_INCLUDED_CODE: i32 = 4;
/// The code of a transaction that was taken in but cannot execute yet (EIP-7966).
pub const NOT_READY_CODE: i32 = 5;
/// The code of a request beyond one of the node's limits (EIP-1474).
pub const LIMIT_EXCEEDED_CODE: i32 = -32005;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No canonical block has this number.
    #[error("header not found")]
    HeaderNotFound,
    /// No block has this hash.
    #[error("header for hash not found")]
    HeaderForHashNotFound,
    /// The block is known, but the chain has gone another way.
    #[error("hash is not currently canonical")]
    NotCanonical,
    /// As `HeaderNotFound`, in the words of the `clique` namespace and of `eth_getLogs`.
    #[error("unknown block")]
    UnknownBlock,
    /// No transaction of the chain has this hash.
    #[error("transaction not found")]
    TransactionNotFound,
    /// The state has no such account.
    #[error("account {0} doesn't exist")]
    AccountNotFound(Address),
    /// The genesis block executes nothing.
    #[error("genesis is not traceable")]
    GenesisNotTraceable,
    /// The state on which a block executes is not there.
    #[error("parent {0} not found: only blocks whose parent is on the chain can be executed")]
    ParentNotFound(B256),
    /// A block has fewer transactions.
    #[error("transaction index {index} out of range for block {block}")]
    TransactionOutOfRange {
        /// The index.
        index: usize,
        /// Hash of the block.
        block: B256,
    },
    /// A block that a client brought does not execute.
    #[error("the block does not execute: {0}")]
    InvalidBlock(String),
    /// No such filter, or nobody has polled it for too long, or it does not give what was asked.
    #[error("filter not found")]
    FilterNotFound,
    /// A parameter is of the right type, but its value is not usable.
    #[error("{0}")]
    InvalidParams(String),
    /// The transaction bytes do not decode.
    #[error("failed to decode signed transaction: {0}")]
    DecodeTransaction(String),
    /// The contract reverted.
    #[error("{}", revert_message(.0))]
    Reverted(Bytes),
    /// The execution ended in an exception.
    #[error("{}", halt_message(.0))]
    Halted(HaltReason),
    /// The execution cannot start.
    #[error("err: {message} (supplied gas {gas})")]
    InvalidCall {
        /// What is wrong with the call.
        message: String,
        /// The gas it was given.
        gas: u64,
    },
    /// Less gas than is due before anything executes.
    #[error("err: {what}: have {have}, want {want} (supplied gas {have})")]
    TooLittleGas {
        /// Which rule asks for more, in geth's words.
        what: &'static str,
        /// The gas it was given.
        have: u64,
        /// The gas it needs.
        want: u64,
    },
    /// Blocks that cannot be simulated, with a code that says why.
    #[error("{message}")]
    Simulation {
        /// One of the codes that `eth_simulateV1` has for itself.
        code: i32,
        /// What is wrong.
        message: String,
    },
    /// The transaction does not succeed with all the gas that it may use.
    #[error("gas required exceeds allowance ({0})")]
    GasRequiredExceedsAllowance(u64),
    /// The execution or the search took too long.
    #[error("execution aborted (timeout = {}s)", .0.as_secs_f32())]
    Timeout(Duration),
    /// More than this node gives to one request.
    #[error("{0}")]
    LimitExceeded(String),
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
    /// The node has no key of this account.
    #[error("unknown account {address}: {}", no_key(*.development))]
    UnknownAccount {
        /// The account.
        address: Address,
        /// Whether the node has keys of others.
        development: bool,
    },
    /// The pool refused the transaction.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// This node has no signer.
    #[error("this node seals no blocks: start it with --signer to vote")]
    NoSigner,
    /// The vote would end the chain, or the signers could not be read.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// A seal that recovers to no address.
    #[error("the block has no valid seal: {0}")]
    Seal(String),
    /// The chain could not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database could not answer.
    #[error("cannot read the database: {0}")]
    Storage(#[from] StorageError),
    /// A fault of this node.
    #[error("internal error: {0}")]
    Internal(String),
}

impl RpcError {
    /// The JSON-RPC error code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) | Self::DecodeTransaction(_) => INVALID_PARAMS_CODE,
            Self::Reverted(_) => EXECUTION_REVERTED_CODE,
            Self::LimitExceeded(_) => LIMIT_EXCEEDED_CODE,
            Self::Simulation { code, .. } => *code,
            Self::NotIncluded { .. } => NOT_INCLUDED_CODE,
            Self::NotReady(_) => NOT_READY_CODE,
            Self::Storage(_) | Self::Internal(_) => INTERNAL_ERROR_CODE,
            Self::Pool(error) if error.is_internal() => INTERNAL_ERROR_CODE,
            _ => CALL_EXECUTION_FAILED_CODE,
        }
    }

    /// An error in the words that geth has for a call which cannot start.
    pub(crate) fn invalid_call(error: &InvalidTransaction, from: Address, gas: u64) -> Self {
        let message = match error {
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                insufficient_funds(from, **balance, **fee)
            }
            InvalidTransaction::CallGasCostMoreThanGasLimit {
                initial_gas,
                gas_limit,
            } => {
                return Self::TooLittleGas {
                    what: "intrinsic gas too low",
                    have: *gas_limit,
                    want: *initial_gas,
                };
            }
            InvalidTransaction::GasFloorMoreThanGasLimit {
                gas_floor,
                gas_limit,
            } => {
                return Self::TooLittleGas {
                    what: "insufficient gas for floor data gas cost",
                    have: *gas_limit,
                    want: *gas_floor,
                };
            }
            InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
                "max priority fee per gas higher than max fee per gas".to_owned()
            }
            InvalidTransaction::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
            other => other.to_string(),
        };
        Self::InvalidCall { message, gas }
    }
}

/// What to do where the node does not sign.
const fn no_key(development: bool) -> &'static str {
    if development {
        "this node signs for the accounts of eth_accounts only"
    } else {
        "this node holds no keys; sign in a wallet and send with eth_sendRawTransaction"
    }
}

/// geth's message for a sender who cannot pay.
pub(crate) fn insufficient_funds(from: Address, have: U256, want: U256) -> String {
    format!("insufficient funds for gas * price + value: address {from} have {have} want {want}")
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let code = error.code();
        if code == INTERNAL_ERROR_CODE {
            tracing::error!(%error, "request failed");
        }
        let message = error.to_string();
        match error {
            RpcError::Reverted(data) => Self::owned(code, message, Some(data)),
            RpcError::NotIncluded { hash, .. } | RpcError::NotReady(hash) => {
                Self::owned(code, message, Some(hash))
            }
            _ => Self::owned(code, message, None::<()>),
        }
    }
}

/// `execution reverted`, with the reason if the contract gave one that is text or a panic code.
fn revert_message(data: &Bytes) -> String {
    const PREFIX: &str = "execution reverted";
    if let Ok(revert) = Revert::abi_decode(data) {
        format!("{PREFIX}: {}", revert.reason)
    } else if let Ok(panic) = Panic::abi_decode(data) {
        match panic.kind() {
            Some(kind) => format!("{PREFIX}: {}", panic_message(kind)),
            None => format!("{PREFIX}: unknown panic code: {:#x}", panic.code),
        }
    } else {
        PREFIX.to_owned()
    }
}

/// The words that tools match for Solidity's panic codes.
const fn panic_message(kind: PanicKind) -> &'static str {
    match kind {
        PanicKind::Generic => "generic panic",
        PanicKind::Assert => "assert(false)",
        PanicKind::UnderOverflow => "arithmetic underflow or overflow",
        PanicKind::DivisionByZero => "division or modulo by zero",
        PanicKind::EnumConversionError => "enum overflow",
        PanicKind::StorageEncodingError => "invalid encoded storage byte array accessed",
        PanicKind::EmptyArrayPop => "out-of-bounds array access; popping on an empty array",
        PanicKind::ArrayOutOfBounds => "out-of-bounds access of an array or bytesN",
        PanicKind::ResourceError => "out of memory",
        PanicKind::InvalidInternalFunction => "uninitialized function",
        _ => "unknown panic code",
    }
}

fn halt_message(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(OutOfGasError::InvalidOperand) => "gas uint64 overflow".to_owned(),
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound => "invalid opcode".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::OutOfOffset => "return data out of bounds".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => {
            "invalid code: must not begin with 0xef".to_owned()
        }
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::StateChangeDuringStaticCall => "write protection".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => other.to_string(),
    }
}
