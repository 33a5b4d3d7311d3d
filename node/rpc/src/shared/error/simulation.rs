//! Errors of simulated blocks, which have codes of their own.

use alloy_evm::rpc::{CallFeesError, EthTxEnvError};
use alloy_primitives::{Address, U256};
use jsonrpsee::types::error::INVALID_PARAMS_CODE;
use revm::context::result::InvalidTransaction;

use super::call::insufficient_funds;
use crate::execution::blocks::MAX_BLOCKS;

/// Why a simulation cannot be carried out. What goes wrong within a call is part of its result.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A block does not come after the one before it.
    #[error("block numbers must be in order: {found} <= {parent}")]
    BlockNumber {
        /// Its number.
        found: U256,
        /// The number before.
        parent: u64,
    },
    /// A block is not later than the one before it.
    #[error("block timestamps must be in order: {found} <= {parent}")]
    BlockTime {
        /// Its timestamp.
        found: u64,
        /// The timestamp before.
        parent: u64,
    },
    /// More blocks than are simulated at once.
    #[error("too many blocks: at most {MAX_BLOCKS}, those included that fill gaps")]
    TooManyBlocks,
    /// A call does not fit into its block.
    #[error("block gas limit reached: gas {gas}, remaining {remaining}")]
    BlockGasLimit {
        /// Gas limit of the call.
        gas: u64,
        /// Gas that the block has left.
        remaining: u64,
    },
    /// All calls together use more gas than one request may.
    #[error("the calls have used all the gas that one request may use: simulate less")]
    GasExhausted,
    /// A precompile is moved to where it is.
    #[error("MovePrecompileToAddress of {0} refers to itself")]
    MovesToItself(Address),
    /// Two precompiles are moved to one place.
    #[error("several MovePrecompileToAddress refer to {0}")]
    MovesToOne(Address),
    /// A call cannot be a transaction of its block.
    #[error("{message}")]
    Transaction {
        /// The code of the reason.
        code: i32,
        /// The reason.
        message: String,
    },
}

impl SimulationError {
    /// One of the codes that `eth_simulateV1` has for itself.
    pub const fn code(&self) -> i32 {
        match self {
            Self::BlockNumber { .. } => -38020,
            Self::BlockTime { .. } => -38021,
            Self::MovesToItself(_) => -38022,
            Self::MovesToOne(_) => -38023,
            Self::BlockGasLimit { .. } => -38015,
            Self::TooManyBlocks | Self::GasExhausted => -38026,
            Self::Transaction { code, .. } => *code,
        }
    }

    /// What is wrong with the fields of a call.
    pub(crate) fn of_request(error: &EthTxEnvError, from: Address) -> Self {
        match error {
            EthTxEnvError::CallFees(CallFeesError::FeeCapTooLow) => Self::below_base_fee(from),
            other => Self::Transaction {
                code: INVALID_PARAMS_CODE,
                message: other.to_string(),
            },
        }
    }

    fn below_base_fee(from: Address) -> Self {
        Self::Transaction {
            code: -38012,
            message: format!("max fee per gas less than block base fee: address {from}"),
        }
    }

    /// Why a call cannot be a transaction of its block.
    pub(crate) fn of(error: &InvalidTransaction, from: Address, gas: u64) -> Self {
        let (code, message) = match error {
            InvalidTransaction::NonceTooLow { tx, state } => (
                -38010,
                format!("nonce too low: address {from}, tx: {tx} state: {state}"),
            ),
            InvalidTransaction::NonceTooHigh { tx, state } => (
                -38011,
                format!("nonce too high: address {from}, tx: {tx} state: {state}"),
            ),
            InvalidTransaction::GasPriceLessThanBasefee => return Self::below_base_fee(from),
            InvalidTransaction::CallGasCostMoreThanGasLimit {
                initial_gas: want, ..
            } => (
                -38013,
                format!("intrinsic gas too low: have {gas}, want {want}"),
            ),
            InvalidTransaction::GasFloorMoreThanGasLimit {
                gas_floor: want, ..
            } => (
                -38013,
                format!("insufficient gas for floor data gas cost: have {gas}, want {want}"),
            ),
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                (-38014, insufficient_funds(from, **balance, **fee))
            }
            InvalidTransaction::OverflowPaymentInTransaction => (
                -38014,
                format!("insufficient funds for gas * price + value: address {from}"),
            ),
            InvalidTransaction::CallerGasLimitMoreThanBlock
            | InvalidTransaction::TxGasLimitGreaterThanCap { .. } => (-38015, error.to_string()),
            InvalidTransaction::CreateInitCodeSizeLimit => {
                (-38025, "max initcode size exceeded".to_owned())
            }
            InvalidTransaction::PriorityFeeGreaterThanMaxFee => (
                INVALID_PARAMS_CODE,
                "max priority fee per gas higher than max fee per gas".to_owned(),
            ),
            other => (INVALID_PARAMS_CODE, other.to_string()),
        };
        Self::Transaction { code, message }
    }
}
