//! Executing a call on the state of a block, without leaving a trace.

use alloy_consensus::BlockHeader as _;
use alloy_eips::BlockId;
use alloy_evm::{
    Evm as _, EvmEnv,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use revm::{
    Database as _, Inspector,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult},
    },
    database::CacheDB,
    interpreter::{CallInputs, CallOutcome, Interpreter, interpreter::EthInterpreter},
    primitives::KECCAK_EMPTY,
};
use wattline_clique::recover_signer;
use wattline_evm::EvmConfig;
use wattline_storage::{Reader, StateReader};

use crate::{RpcError, block_id, error::insufficient_funds, node::Node, workers::Stop};

/// What a call may pretend to be different from the block it runs on.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) state: Option<StateOverride>,
    pub(crate) block: Option<BlockOverrides>,
}

/// The state after a block and the environment in which calls run on it.
pub(crate) struct Simulation {
    evm: EvmConfig,
    env: EvmEnv,
    db: CacheDB<StateReader>,
    moved_precompiles: Vec<(Address, Address)>,
    stop: Stop,
}

impl Simulation {
    /// # Errors
    ///
    /// Those of [`block_id::header`], and [`RpcError::InvalidParams`] for overrides that
    /// contradict themselves.
    pub(crate) fn new(
        node: &Node,
        reader: &Reader,
        block: Option<BlockId>,
        overrides: Overrides,
        stop: Stop,
    ) -> Result<Self, RpcError> {
        let header = block_id::header(reader, block.unwrap_or_default())?;
        let mut db = CacheDB::new(reader.state_at(header.number())?);
        // The genesis block has no seal.
        let signer = recover_signer(&header).unwrap_or(header.beneficiary());
        let evm = node.chain().evm().clone();
        let mut env = evm.call_env(&header, signer);
        env.cfg_env.disable_balance_check = false;
        if let Some(overrides) = overrides.block {
            apply_block_overrides(overrides, &mut db, &mut env.block_env);
        }
        let state = overrides.state.unwrap_or_default();
        let moved_precompiles = state
            .iter()
            .filter_map(|(address, account)| Some((*address, account.move_precompile_to?)))
            .collect();
        apply_state_overrides(state, &mut db).map_err(|error| match error {
            StateOverrideError::Database(error) => RpcError::Storage(error),
            invalid => RpcError::InvalidParams(format!("invalid state override: {invalid}")),
        })?;
        Ok(Self {
            evm,
            env,
            db,
            moved_precompiles,
            stop,
        })
    }

    /// Gas limit of the block, in which a transaction like the call would have to fit.
    pub(crate) fn block_gas_limit(&self) -> u64 {
        self.env.block_env.gas_limit
    }

    /// The most gas that the chain allows one transaction.
    pub(crate) fn transaction_gas_limit(&self) -> u64 {
        self.evm.transaction_gas_limit_cap(self.block_gas_limit())
    }

    /// The call with `gas` as its limit, or less if its sender can pay for less at the price it
    /// offers.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] for contradicting fields, [`RpcError::InvalidCall`] if the
    /// sender has not even the value that it sends at a price.
    pub(crate) fn transaction(
        &mut self,
        mut request: TransactionRequest,
        gas: u64,
    ) -> Result<TxEnv, RpcError> {
        let chain_id = self.env.cfg_env.chain_id;
        if let Some(found) = request.chain_id.filter(|found| *found != chain_id) {
            return Err(RpcError::InvalidParams(format!(
                "chainId does not match node's (have={found}, want={chain_id})"
            )));
        }
        if request.has_eip4844_fields() {
            return Err(RpcError::InvalidParams(
                "blob transactions (EIP-4844) are refused on this chain".to_owned(),
            ));
        }
        request.gas = Some(gas);
        let mut tx = request
            .try_into_tx_env(&self.env)
            .map_err(|error| RpcError::InvalidParams(error.to_string()))?;
        if tx.gas_price > 0 {
            let balance = self.balance(tx.caller)?;
            let Some(available) = balance.checked_sub(tx.value) else {
                let message = insufficient_funds(tx.caller, balance, tx.value);
                return Err(RpcError::InvalidCall { message, gas });
            };
            let affordable = available / U256::from(tx.gas_price);
            tx.gas_limit = tx.gas_limit.min(affordable.saturating_to());
        }
        Ok(tx)
    }

    fn balance(&mut self, address: Address) -> Result<U256, RpcError> {
        Ok(self
            .db
            .basic(address)?
            .map(|account| account.balance)
            .unwrap_or_default())
    }

    /// Whether the account has code.
    ///
    /// # Errors
    ///
    /// [`RpcError::Storage`].
    pub(crate) fn has_code(&mut self, address: Address) -> Result<bool, RpcError> {
        Ok(self
            .db
            .basic(address)?
            .is_some_and(|account| account.code_hash != KECCAK_EMPTY))
    }

    /// Executes a call. What it changes is forgotten.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidCall`] if it cannot start, [`RpcError::Timeout`] if it was stopped.
    pub(crate) fn run(&mut self, tx: TxEnv) -> Result<ExecutionResult, RpcError> {
        self.stop.check()?;
        let (from, gas) = (tx.caller, tx.gas_limit);
        let mut watchdog = Watchdog {
            stop: self.stop.clone(),
            steps: 0,
            stopped: false,
        };
        let mut evm = self
            .evm
            .evm_with_inspector(&mut self.db, self.env.clone(), &mut watchdog);
        evm.precompiles_mut()
            .move_precompiles(self.moved_precompiles.iter().copied())
            .map_err(|error| RpcError::InvalidParams(error.to_string()))?;
        let result = evm.transact(tx);
        drop(evm);
        if watchdog.stopped {
            return Err(self.stop.error());
        }
        match result {
            Ok(outcome) => Ok(outcome.result),
            Err(EVMError::Transaction(invalid)) => Err(RpcError::invalid_call(&invalid, from, gas)),
            Err(EVMError::Database(error)) => Err(RpcError::Storage(error)),
            Err(EVMError::Header(error)) => Err(RpcError::InvalidParams(error.to_string())),
            Err(other) => Err(RpcError::Internal(other.to_string())),
        }
    }
}

/// Ends an execution whose time is up.
#[derive(Debug)]
struct Watchdog {
    stop: Stop,
    steps: u32,
    stopped: bool,
}

impl Watchdog {
    /// Steps between two looks at the clock, some tens of microseconds apart.
    const INTERVAL: u32 = 4096;

    fn look(&mut self) {
        self.stopped = self.stopped || self.stop.requested();
    }
}

impl<CTX> Inspector<CTX, EthInterpreter> for Watchdog {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(Self::INTERVAL) {
            self.look();
        }
        if self.stopped {
            interpreter.halt_oog();
        }
    }

    // A precompile can take long in a single step.
    fn call(&mut self, _: &mut CTX, _: &mut CallInputs) -> Option<CallOutcome> {
        self.look();
        None
    }
}
