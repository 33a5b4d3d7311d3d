//! Why a call has no result.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{Panic, PanicKind, Revert, SolError};
use revm::context::result::{HaltReason, InvalidTransaction, OutOfGasError};

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The contract reverted.
    #[error("{}", revert_message(.0))]
    Reverted(Bytes),
    /// The execution ended in an exception.
    #[error("{}", halt_message(.0))]
    Halted(HaltReason),
    /// The execution cannot start.
    #[error("err: {message} (supplied gas {gas})")]
    Invalid {
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
    /// The transaction does not succeed with all the gas that it may use.
    #[error("gas required exceeds allowance ({0})")]
    GasRequiredExceedsAllowance(u64),
    /// The execution or the search took too long.
    #[error("execution aborted (timeout = {}s)", .0.as_secs_f32())]
    Timeout(Duration),
}

impl CallError {
    /// An error in the words that geth has for a call which cannot start.
    pub(crate) fn new(error: &InvalidTransaction, from: Address, gas: u64) -> Self {
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
        Self::Invalid { message, gas }
    }
}

/// geth's message for a sender who cannot pay.
pub(crate) fn insufficient_funds(from: Address, have: U256, want: U256) -> String {
    format!("insufficient funds for gas * price + value: address {from} have {have} want {want}")
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
