//! Executing a call on the state of a block, without leaving a trace.

use alloy_consensus::Transaction as _;
use alloy_eips::BlockId;
use alloy_evm::{
    Evm as _, EvmEnv,
    eth::EthEvmContext,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use revm::{
    Database as _, DatabaseCommit as _, DatabaseRef, Inspector,
    context::{
        BlockEnv, TxEnv,
        result::{EVMError, ExecutionResult, ResultAndState},
    },
    database::CacheDB,
    inspector::NoOpInspector,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode, EvmState},
};
use wattline_evm::EvmConfig;
use wattline_primitives::{SealedHeader, TransactionSigned};
use wattline_storage::{Reader, StorageError};

use crate::{
    RpcError,
    execution::{
        replay::{BlockState, storage_error},
        watchdog::Watchdog,
        workers::Stop,
    },
    shared::{
        backend::Backend,
        block_id,
        error::{CallError, insufficient_funds},
        state::ChainState,
    },
};

/// Why a blob transaction is not executed.
const NO_BLOBS: &str = "blob transactions (EIP-4844) are refused on this chain";

/// What a call may pretend to be different from the block it runs on.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) state: Option<StateOverride>,
    pub(crate) block: Option<BlockOverrides>,
}

impl Overrides {
    /// Whether nothing is different.
    pub(crate) const fn is_empty(&self) -> bool {
        self.state.is_none() && self.block.is_none()
    }
}

/// The state that a call sees and changes.
pub(crate) type CallState = CacheDB<BaseState>;
/// What an inspector of a call gets to see.
pub(crate) type CallContext<'a> = EthEvmContext<&'a mut CallState>;

/// The state that calls stand on.
#[derive(Debug)]
pub(crate) enum BaseState {
    /// That after a block.
    After(ChainState),
    /// That within a block.
    Within(Box<BlockState>),
}

impl DatabaseRef for BaseState {
    type Error = StorageError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StorageError> {
        match self {
            Self::After(state) => state.basic_ref(address),
            Self::Within(state) => state.basic_ref(address).map_err(storage_error),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StorageError> {
        match self {
            Self::After(state) => state.code_by_hash_ref(code_hash),
            Self::Within(state) => state.code_by_hash_ref(code_hash).map_err(storage_error),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StorageError> {
        match self {
            Self::After(state) => state.storage_ref(address, index),
            Self::Within(state) => state.storage_ref(address, index).map_err(storage_error),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StorageError> {
        match self {
            Self::After(state) => state.block_hash_ref(number),
            Self::Within(state) => state.block_hash_ref(number).map_err(storage_error),
        }
    }
}

/// The state after a block and the environment in which calls run on it.
pub(crate) struct CallExecutor {
    evm: EvmConfig,
    env: EvmEnv,
    db: CallState,
    moved_precompiles: Vec<(Address, Address)>,
    stop: Stop,
}

impl CallExecutor {
    /// # Errors
    ///
    /// Those of [`block_id::header`], and [`RpcError::InvalidParams`] for overrides that
    /// contradict themselves.
    pub(crate) fn new(
        backend: &Backend,
        reader: &Reader,
        block: Option<BlockId>,
        overrides: Overrides,
        stop: Stop,
    ) -> Result<Self, RpcError> {
        let (header, state) =
            block_id::header_and_state(backend, reader, block.unwrap_or_default())?;
        Self::on(backend, &header, BaseState::After(state), overrides, stop)
    }

    /// The same within a block: on the state that some of its transactions left.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] for overrides that contradict themselves.
    pub(crate) fn on(
        backend: &Backend,
        header: &SealedHeader,
        base: BaseState,
        overrides: Overrides,
        stop: Stop,
    ) -> Result<Self, RpcError> {
        let mut db = CacheDB::new(base);
        let signer = backend.caches().signer(header);
        let evm = backend.chain().evm().clone();
        let mut env = evm.call_env(header, signer);
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
    /// [`RpcError::InvalidParams`] for contradicting fields, [`RpcError::Call`] if the
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
            return Err(RpcError::InvalidParams(NO_BLOBS.to_owned()));
        }
        request.gas = Some(gas);
        let mut tx = request
            .try_into_tx_env(&self.env)
            .map_err(|error| RpcError::InvalidParams(error.to_string()))?;
        if tx.gas_price > 0 {
            let balance = self.balance(tx.caller)?;
            let Some(available) = balance.checked_sub(tx.value) else {
                let message = insufficient_funds(tx.caller, balance, tx.value);
                return Err(RpcError::Call(CallError::Invalid { message, gas }));
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
    /// [`RpcError::Call`] if it cannot start, [`RpcError::Call`] if it was stopped.
    pub(crate) fn run(&mut self, tx: TxEnv) -> Result<ExecutionResult, RpcError> {
        Ok(self.watch(tx, NoOpInspector)?.result)
    }

    /// As [`Self::inspect`], for inspectors that do not end by themselves when time is up.
    ///
    /// # Errors
    ///
    /// [`RpcError::Call`] if it cannot start, [`RpcError::Call`] if it was stopped.
    pub(crate) fn watch<I>(&mut self, tx: TxEnv, inspector: I) -> Result<ResultAndState, RpcError>
    where
        I: for<'a> Inspector<CallContext<'a>>,
    {
        let mut watchdog = Watchdog::new(self.stop.clone());
        let outcome = self.inspect(tx, (&mut watchdog, inspector));
        if watchdog.stopped() {
            return Err(self.stop.error());
        }
        outcome
    }

    /// Executes a call while `inspector` watches. What it changes is in the outcome only.
    ///
    /// # Errors
    ///
    /// [`RpcError::Call`] if it cannot start.
    pub(crate) fn inspect<I>(&mut self, tx: TxEnv, inspector: I) -> Result<ResultAndState, RpcError>
    where
        I: for<'a> Inspector<CallContext<'a>>,
    {
        if !self.stop.inline() {
            self.stop.check()?;
        }
        let (from, gas) = (tx.caller, tx.gas_limit);
        let mut evm = self
            .evm
            .evm_with_inspector(&mut self.db, self.env.clone(), inspector);
        evm.precompiles_mut()
            .move_precompiles(self.moved_precompiles.iter().copied())
            .map_err(|error| RpcError::InvalidParams(error.to_string()))?;
        evm.transact(tx).map_err(|error| match error {
            EVMError::Transaction(invalid) => RpcError::Call(CallError::new(&invalid, from, gas)),
            EVMError::Database(error) => RpcError::Storage(error),
            EVMError::Header(error) => RpcError::InvalidParams(error.to_string()),
            other => RpcError::Internal(other.to_string()),
        })
    }

    /// Changes fields of the block for the calls to come; returns the block as it was.
    pub(crate) fn override_block(&mut self, overrides: BlockOverrides) -> BlockEnv {
        let before = self.env.block_env.clone();
        apply_block_overrides(overrides, &mut self.db, &mut self.env.block_env);
        before
    }

    /// Takes the block back to what it was.
    pub(crate) fn restore_block(&mut self, block: BlockEnv) {
        self.env.block_env = block;
    }

    /// Applies the rules of a block to what comes, a transaction of `sender`, as far as a call is
    /// free of them.
    ///
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] for transactions that the chain does not take,
    /// [`RpcError::Call`] for senders that it does not let send this one.
    pub(crate) fn apply_rules(
        &mut self,
        tx: &TransactionSigned,
        sender: Address,
    ) -> Result<(), RpcError> {
        if tx.is_eip4844() {
            return Err(RpcError::InvalidParams(NO_BLOBS.to_owned()));
        }
        let allowed = self.evm.check_permission(&self.db, sender, tx.is_create());
        allowed.map_err(|error| {
            RpcError::Call(CallError::Invalid {
                message: error.to_string(),
                gas: tx.gas_limit(),
            })
        })?;
        let cap = self.transaction_gas_limit();
        let cfg = &mut self.env.cfg_env;
        cfg.disable_nonce_check = false;
        cfg.disable_balance_check = false;
        cfg.disable_base_fee = false;
        cfg.disable_block_gas_limit = false;
        cfg.disable_eip3607 = false;
        cfg.tx_gas_limit_cap = Some(cap);
        Ok(())
    }

    /// Lets the calls to come see what a call changed.
    pub(crate) fn commit(&mut self, changes: EvmState) {
        self.db.commit(changes);
    }

    /// The state that the next call sees.
    pub(crate) const fn state(&mut self) -> &mut CallState {
        &mut self.db
    }

    /// The environment of calls.
    pub(crate) const fn env(&self) -> &EvmEnv {
        &self.env
    }
}
