//! Blocks that are only imagined, on top of one that the chain has.

mod plan;

use alloy_consensus::{
    BlockBody, EMPTY_OMMER_ROOT_HASH, Header, Transaction as _, TxReceipt as _,
    constants::EMPTY_WITHDRAWALS, proofs::calculate_transaction_root,
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_evm::{
    Evm as _, EvmEnv,
    block::SystemCaller,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    precompiles::PrecompilesMap,
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, B256, Bloom};
use alloy_rpc_types_eth::{
    Log, TransactionRequest,
    simulate::{SimBlock, SimCallResult, SimulateError, SimulatedBlock},
    state::StateOverride,
};
use revm::{
    Database as _, DatabaseCommit as _,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult, ResultAndState},
    },
    context_interface::{block::BlobExcessGasAndPrice, either::Either},
    database::{State, WrapDatabaseRef, states::bundle_state::BundleRetention},
    database_interface::bal::EvmDatabaseError,
    inspector::NoOpInspector,
};
use revm_inspectors::transfer::{TRANSFER_LOG_EMITTER, TransferInspector};
use wattline_evm::{NextBlock, WattlineEvm};
use wattline_primitives::{
    Block, Millis, Receipt, RecoveredBlock, SealedBlock, SealedHeader, TransactionSigned,
};
use wattline_storage::{Reader, StateReader, StorageError};

use crate::{
    RpcError,
    execution::{watchdog::Watchdog, workers::Stop},
    shared::{
        backend::Backend,
        convert::{self, RpcBlock},
        error::{CallError, SimulationError},
    },
};
pub(crate) use plan::MAX_BLOCKS;

type SimulatedState = State<WrapDatabaseRef<StateReader>>;
type Inspectors<'a> = (&'a mut Watchdog, Either<TransferInspector, NoOpInspector>);
type SimulatedEvm<'a, 'b> = WattlineEvm<&'a mut SimulatedState, Inspectors<'b>>;

/// How a client wants blocks simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulateOptions {
    /// Log what native value moves, as a token would.
    pub(crate) trace_transfers: bool,
    /// Check what a block would: nonces, fees, permissions.
    pub(crate) validation: bool,
    /// Whole transactions instead of hashes.
    pub(crate) full: bool,
}

/// A chain in the making that nobody else sees.
pub(crate) struct BlockSimulator {
    backend: Backend,
    options: SimulateOptions,
    stop: Stop,
    base: SealedHeader,
    /// `COINBASE` unless a client says otherwise: who sealed the base.
    signer: Address,
    permissions: StateReader,
    state: SimulatedState,
    /// Precompiles that earlier blocks moved, block by block.
    moved: Vec<Vec<(Address, Address)>>,
    /// Gas that all calls together may still use.
    gas: u64,
}

/// What the calls of one block came to.
#[derive(Default)]
struct ExecutedCalls {
    gas_used: u64,
    transactions: Vec<TransactionSigned>,
    senders: Vec<Address>,
    receipts: Vec<Receipt>,
    calls: Vec<SimCallResult>,
}

impl BlockSimulator {
    /// # Errors
    ///
    /// [`RpcError::Storage`].
    pub(crate) fn new(
        backend: &Backend,
        reader: &Reader,
        base: SealedHeader,
        options: SimulateOptions,
        stop: Stop,
    ) -> Result<Self, RpcError> {
        let state = reader.state_at(base.number)?;
        Ok(Self {
            backend: backend.clone(),
            options,
            stop,
            signer: backend.caches().signer(&base),
            permissions: state.clone(),
            state: State::builder()
                .with_database_ref(state)
                .with_bundle_update()
                .build(),
            base,
            moved: Vec::new(),
            gas: backend.limits().call_gas,
        })
    }

    /// Builds the blocks, those included that fill gaps between their numbers.
    ///
    /// # Errors
    ///
    /// [`RpcError::CallExecutor`] and the like for the first thing that is wrong with any block.
    pub(crate) fn run(
        mut self,
        blocks: Vec<SimBlock>,
    ) -> Result<Vec<SimulatedBlock<RpcBlock>>, RpcError> {
        // Among simulated blocks each has a second of its own.
        let period = self.backend.chain().spec().period().as_secs().max(1);
        let blocks = plan::plan(&self.base, period, blocks)?;
        let mut parent = self.base.clone();
        let mut simulated = Vec::with_capacity(blocks.len());
        for block in blocks {
            self.stop.check()?;
            let (header, block) = self.block(&parent, block)?;
            self.state.block_hashes.insert(header.number, header.hash());
            simulated.push(block);
            parent = header;
        }
        Ok(simulated)
    }

    fn block(
        &mut self,
        parent: &SealedHeader,
        block: SimBlock,
    ) -> Result<(SealedHeader, SimulatedBlock<RpcBlock>), RpcError> {
        let (env, mut header) = self.environment(parent, &block);
        self.override_state(block.state_overrides.unwrap_or_default())?;
        let outcome = self.execute(&env, &header, block.calls)?;

        self.state.merge_transitions(BundleRetention::PlainState);
        header.gas_used = outcome.gas_used;
        header.transactions_root = calculate_transaction_root(&outcome.transactions);
        header.receipts_root = Receipt::calculate_receipt_root_no_memo(&outcome.receipts);
        header.logs_bloom = outcome
            .receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        header.state_root = self.state_root()?;
        let body = BlockBody {
            transactions: outcome.transactions,
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        };
        let sealed = SealedBlock::seal_slow(Block { header, body });
        let block = RecoveredBlock::new_sealed(sealed, outcome.senders);
        let mut calls = outcome.calls;
        for log in calls.iter_mut().flat_map(|call| &mut call.logs) {
            log.block_hash = Some(block.hash());
        }
        let inner = convert::block(&block, self.options.full);
        Ok((block.clone_sealed_header(), SimulatedBlock { inner, calls }))
    }

    /// The environment of a block, and its header as far as it is known before execution.
    fn environment(&mut self, parent: &SealedHeader, block: &SimBlock) -> (EvmEnv, Header) {
        let overrides = block.block_overrides.clone().unwrap_or_default();
        let evm = self.backend.chain().evm();
        let next = NextBlock {
            time: Millis::from_secs(overrides.time.unwrap_or(parent.timestamp)),
            gas_limit: parent.gas_limit,
            signer: self.signer,
        };
        let mut env = evm.next_evm_env(parent, &next);
        if !self.options.validation {
            env.cfg_env.disable_nonce_check = true;
            env.cfg_env.disable_base_fee = true;
            env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
            env.block_env.basefee = 0;
        }
        // Anybody's code can be given to a sender, so this would stop too much.
        env.cfg_env.disable_eip3607 = true;
        let difficulty = overrides.difficulty.unwrap_or(parent.difficulty);
        apply_block_overrides(overrides, &mut self.state, &mut env.block_env);
        let excess_blob_gas = env.block_env.blob_excess_gas_and_price.map_or(
            0,
            |BlobExcessGasAndPrice {
                 excess_blob_gas, ..
             }| { excess_blob_gas },
        );
        let header = Header {
            parent_hash: parent.hash(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: env.block_env.beneficiary,
            difficulty,
            number: env.block_env.number.saturating_to(),
            gas_limit: env.block_env.gas_limit,
            timestamp: env.block_env.timestamp.saturating_to(),
            mix_hash: env.block_env.prevrandao.unwrap_or_default(),
            base_fee_per_gas: Some(env.block_env.basefee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(excess_blob_gas),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        (env, header)
    }

    /// Changes accounts before a block, and notes which precompiles move.
    fn override_state(&mut self, overrides: StateOverride) -> Result<(), RpcError> {
        let moves: Vec<_> = overrides
            .iter()
            .filter_map(|(address, account)| Some((*address, account.move_precompile_to?)))
            .collect();
        plan::check_moves(&moves)?;
        if !moves.is_empty() {
            self.moved.push(moves);
        }
        apply_state_overrides(overrides, &mut self.state).map_err(|error| match error {
            StateOverrideError::Database(error) => unreadable(error),
            invalid => RpcError::InvalidParams(format!("invalid state override: {invalid}")),
        })
    }

    /// Carries out what a block begins with, and its calls.
    fn execute(
        &mut self,
        env: &EvmEnv,
        header: &Header,
        calls: Vec<TransactionRequest>,
    ) -> Result<ExecutedCalls, RpcError> {
        let config = self.backend.chain().evm().clone();
        let spec = self.backend.chain().spec().clone();
        let mut watchdog = Watchdog::new(self.stop.clone());
        let transfers = if self.options.trace_transfers {
            Either::Left(TransferInspector::new(false).with_logs(true))
        } else {
            Either::Right(NoOpInspector)
        };
        let mut evm =
            config.evm_with_inspector(&mut self.state, env.clone(), (&mut watchdog, transfers));
        SystemCaller::new(spec)
            .apply_pre_execution_changes(header, &mut evm)
            .map_err(|error| RpcError::Internal(error.to_string()))?;
        move_precompiles(evm.precompiles_mut(), &self.moved)?;

        let mut block = ExecutedCalls::default();
        for request in calls {
            self.stop.check()?;
            let nonce = account_nonce(&mut evm, request.from.unwrap_or_default())?;
            let (request, tx) = complete(request, nonce, env, &block, self.gas)?;
            let (sender, limit) = (tx.caller, tx.gas_limit);
            if self.options.validation {
                config
                    .check_permission(&self.permissions, sender, request.is_create())
                    .map_err(|error| {
                        RpcError::Call(CallError::Invalid {
                            message: error.to_string(),
                            gas: limit,
                        })
                    })?;
            }
            let result = evm.transact(tx);
            if evm.inspector().0.stopped() {
                return Err(self.stop.error());
            }
            let ResultAndState { result, state } =
                result.map_err(|error| failed(error, sender, limit))?;
            evm.db_mut().commit(state);
            self.gas = self.gas.saturating_sub(result.tx_gas_used());
            block.add(request, sender, result, header);
        }
        Ok(block)
    }

    /// The state root after the blocks so far. It can be computed on the head only; a block that
    /// stands on an older one has none.
    fn state_root(&self) -> Result<B256, RpcError> {
        let storage = self.backend.chain().storage();
        match storage.state_root(self.base.num_hash(), &self.state.bundle_state) {
            Ok((root, _)) => Ok(root),
            Err(StorageError::NotHead { .. }) => Ok(B256::ZERO),
            Err(error) => Err(error.into()),
        }
    }
}

impl ExecutedCalls {
    fn add(
        &mut self,
        request: TransactionSigned,
        sender: Address,
        result: ExecutionResult,
        header: &Header,
    ) {
        let gas = *result.gas();
        let logs = result.logs().to_vec();
        let index = self.transactions.len() as u64;
        let first = self.calls.iter().map(|call| call.logs.len() as u64).sum();
        self.gas_used = self.gas_used.saturating_add(gas.tx_gas_used());
        self.receipts.push(Receipt {
            tx_type: request.tx_type(),
            success: result.is_success(),
            cumulative_gas_used: self.gas_used,
            // What stands for a transfer is no log of the chain.
            logs: logs
                .iter()
                .filter(|log| log.address != TRANSFER_LOG_EMITTER)
                .cloned()
                .collect(),
        });
        let logs = (first..).zip(logs).map(|(log_index, inner): (u64, _)| Log {
            inner,
            block_hash: None,
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(*request.tx_hash()),
            transaction_index: Some(index),
            log_index: Some(log_index),
            removed: false,
        });
        let logs = logs.collect();
        let status = result.is_success();
        let (return_data, error) = match result {
            ExecutionResult::Success { output, .. } => (output.into_data(), None),
            ExecutionResult::Revert { output, .. } => {
                let error = SimulateError {
                    code: SimulateError::EXECUTION_REVERTED_CODE,
                    message: CallError::Reverted(output.clone()).to_string(),
                    data: Some(output.clone()),
                };
                (output, Some(error))
            }
            ExecutionResult::Halt { reason, .. } => {
                let error = SimulateError {
                    code: SimulateError::VM_EXECUTION_ERROR_CODE,
                    message: CallError::Halted(reason).to_string(),
                    data: None,
                };
                (Default::default(), Some(error))
            }
        };
        self.calls.push(SimCallResult {
            return_data,
            logs,
            gas_used: gas.tx_gas_used(),
            max_used_gas: Some(gas.total_gas_spent().max(gas.floor_gas())),
            status,
            error,
        });
        self.transactions.push(request);
        self.senders.push(sender);
    }
}

/// The call with what the client left out, as a transaction and as the EVM takes it.
fn complete(
    mut request: TransactionRequest,
    nonce: u64,
    env: &EvmEnv,
    block: &ExecutedCalls,
    budget: u64,
) -> Result<(TransactionSigned, TxEnv), RpcError> {
    let chain_id = env.cfg_env.chain_id;
    let found = *request.chain_id.get_or_insert(chain_id);
    if found != chain_id {
        return Err(RpcError::InvalidParams(format!(
            "chainId does not match node's (have={found}, want={chain_id})"
        )));
    }
    if request.has_eip4844_fields() {
        return Err(RpcError::InvalidParams(
            "blob transactions (EIP-4844) are refused on this chain".to_owned(),
        ));
    }
    let limit = env.block_env.gas_limit;
    let remaining = limit.saturating_sub(block.gas_used);
    let cap = env.cfg_env.tx_gas_limit_cap.unwrap_or(u64::MAX);
    let gas = request.gas.unwrap_or_else(|| remaining.min(cap));
    if gas > remaining {
        return Err(SimulationError::BlockGasLimit { gas, remaining }.into());
    }
    if budget == 0 {
        return Err(SimulationError::GasExhausted.into());
    }
    request.gas = Some(gas.min(budget));
    request.nonce.get_or_insert(nonce);
    request.from.get_or_insert(Address::ZERO);
    if request.gas_price.is_none() {
        request.max_fee_per_gas.get_or_insert(0);
        request.max_priority_fee_per_gas.get_or_insert(0);
    }
    if request.to.is_none() {
        request.to = Some(alloy_primitives::TxKind::Create);
    }
    let tx = request
        .clone()
        .try_into_tx_env(env)
        .map_err(|error| SimulationError::of_request(&error, request.from.unwrap_or_default()))?;
    request.normalize_input();
    let transaction = request
        .build_typed_simulate_transaction()
        .map_err(|error| RpcError::InvalidParams(error.to_string()))?;
    Ok((transaction, tx))
}

fn account_nonce(evm: &mut SimulatedEvm<'_, '_>, address: Address) -> Result<u64, RpcError> {
    let account = evm.db_mut().basic(address).map_err(unreadable)?;
    Ok(account.map(|account| account.nonce).unwrap_or_default())
}

fn move_precompiles(
    precompiles: &mut PrecompilesMap,
    moved: &[Vec<(Address, Address)>],
) -> Result<(), RpcError> {
    moved
        .iter()
        .try_for_each(|moves| precompiles.move_precompiles(moves.iter().copied()))
        .map_err(|error| RpcError::InvalidParams(error.to_string()))
}

fn failed(error: EVMError<EvmDatabaseError<StorageError>>, sender: Address, gas: u64) -> RpcError {
    match error {
        EVMError::Transaction(invalid) => SimulationError::of(&invalid, sender, gas).into(),
        EVMError::Database(error) => unreadable(error),
        EVMError::Header(error) => RpcError::InvalidParams(error.to_string()),
        other => RpcError::Internal(other.to_string()),
    }
}

fn unreadable(error: EvmDatabaseError<StorageError>) -> RpcError {
    match error {
        EvmDatabaseError::Database(error) => RpcError::Storage(error),
        other => RpcError::Internal(other.to_string()),
    }
}
