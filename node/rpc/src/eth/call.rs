//! Calls and gas estimates.

use alloy_eips::BlockId;
use alloy_primitives::{Bytes, TxKind, U64};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::context::{TxEnv, result::ExecutionResult};

use crate::{
    RpcError,
    execution::{
        call::{CallExecutor, Overrides},
        workers::Stop,
    },
    shared::{backend::Backend, error::CallError},
};

/// Gas of a transaction that only moves value.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a value-bearing call lends to the called contract.
const CALL_STIPEND: u64 = 2_300;
/// An estimate may exceed the least sufficient gas by this part of itself, in thousandths.
const ESTIMATE_TOLERANCE: u64 = 15;

#[rpc(server, namespace = "eth")]
trait Call {
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes>;

    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U64>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    CallServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

impl Handler {
    async fn simulate<T: Send + 'static>(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Overrides,
        work: fn(CallExecutor, TransactionRequest, u64) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let backend = self.0.clone();
        let workers = self.0.workers();
        workers
            .call(move |stop| simulate(&backend, request, block, overrides, stop, work))
            .await
    }

    /// Tries a call right here; `None` if it has to have a thread for calls.
    async fn try_call(
        &self,
        request: &TransactionRequest,
        block: Option<BlockId>,
    ) -> Option<Result<Bytes, RpcError>> {
        let workers = self.0.workers();
        let stop = workers.try_inline()?;
        // A batch of calls lets others have the thread from time to time.
        tokio::task::consume_budget().await;
        let overrides = Overrides::default();
        match simulate(&self.0, request.clone(), block, overrides, stop, call) {
            Err(RpcError::Call(CallError::Timeout(_))) => {
                workers.inline_overran();
                None
            }
            done => Some(done),
        }
    }
}

fn simulate<T>(
    backend: &Backend,
    request: TransactionRequest,
    block: Option<BlockId>,
    overrides: Overrides,
    stop: Stop,
    work: fn(CallExecutor, TransactionRequest, u64) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let reader = backend.chain().storage().reader()?;
    let executor = CallExecutor::new(backend, &reader, block, overrides, stop)?;
    work(executor, request, backend.limits().call_gas)
}

#[async_trait]
impl CallServer for Handler {
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes> {
        let overrides = Overrides {
            state: state_overrides,
            block: block_overrides.map(|b| *b),
        };
        if overrides.is_empty()
            && let Some(done) = self.try_call(&request, block).await
        {
            return Ok(done?);
        }
        Ok(self.simulate(request, block, overrides, call).await?)
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U64> {
        let overrides = Overrides {
            state: state_overrides,
            block: block_overrides.map(|b| *b),
        };
        let gas = self.simulate(request, block, overrides, estimate).await?;
        Ok(U64::from(gas))
    }
}

fn call(
    mut executor: CallExecutor,
    request: TransactionRequest,
    cap: u64,
) -> Result<Bytes, RpcError> {
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = executor.transaction(request, gas)?;
    succeeded(executor.run(tx)?)
}

/// What a call that succeeded returned.
///
/// # Errors
///
/// [`RpcError::Call`] and [`RpcError::Call`].
pub(super) fn succeeded(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError::Call(CallError::Reverted(output))),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::Call(CallError::Halted(reason))),
    }
}

/// The gas limit with which the transaction succeeds, found by halving the range between what it
/// used with all the gas it may have, and that. (A transaction can need more than it uses: only
/// 63/64 of the gas reaches an inner call, and refunds come at the end.)
///
/// # Errors
///
/// [`RpcError::Call`], and why it fails with any gas.
pub(super) fn estimate(
    mut executor: CallExecutor,
    request: TransactionRequest,
    cap: u64,
) -> Result<u64, RpcError> {
    let highest = request
        .gas
        .filter(|gas| *gas >= TRANSFER_GAS)
        .unwrap_or_else(|| executor.block_gas_limit())
        .min(executor.transaction_gas_limit())
        .min(cap);
    let tx = executor.transaction(request, highest)?;
    let highest = tx.gas_limit;
    if is_transfer(&mut executor, &tx)?
        && highest >= TRANSFER_GAS
        && run_with(&mut executor, &tx, TRANSFER_GAS)?.is_some_and(|result| result.is_success())
    {
        return Ok(TRANSFER_GAS);
    }

    let used = match executor.run(tx.clone()) {
        Ok(result) => {
            if matches!(&result, ExecutionResult::Halt { .. }) && out_of_gas(&result) {
                return Err(RpcError::Call(CallError::GasRequiredExceedsAllowance(
                    highest,
                )));
            }
            let gas = *result.gas();
            succeeded(result)?;
            gas
        }
        Err(RpcError::Call(CallError::TooLittleGas { .. })) => {
            return Err(RpcError::Call(CallError::GasRequiredExceedsAllowance(
                highest,
            )));
        }
        Err(error) => return Err(error),
    };

    let (mut low, mut high) = (used.tx_gas_used().saturating_sub(1), highest);
    let spent = used.total_gas_spent().max(used.floor_gas());
    let likely = spent.saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
    if likely < high {
        narrow(&mut executor, &tx, likely, &mut low, &mut high)?;
    }
    while low + 1 < high {
        if (high - low).saturating_mul(1000) < high.saturating_mul(ESTIMATE_TOLERANCE) {
            break;
        }
        // Most transactions need little more than they use, so do not go far above that at once.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(low + 1));
        narrow(&mut executor, &tx, middle, &mut low, &mut high)?;
    }
    Ok(high)
}

fn narrow(
    executor: &mut CallExecutor,
    tx: &TxEnv,
    gas: u64,
    low: &mut u64,
    high: &mut u64,
) -> Result<(), RpcError> {
    match run_with(executor, tx, gas)? {
        Some(result) if result.is_success() => *high = gas,
        _ => *low = gas,
    }
    Ok(())
}

/// Runs with another gas limit; `None` if that is too little to start.
fn run_with(
    executor: &mut CallExecutor,
    tx: &TxEnv,
    gas: u64,
) -> Result<Option<ExecutionResult>, RpcError> {
    match executor.run(TxEnv {
        gas_limit: gas,
        ..tx.clone()
    }) {
        Ok(result) => Ok(Some(result)),
        Err(RpcError::Call(CallError::TooLittleGas { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_transfer(executor: &mut CallExecutor, tx: &TxEnv) -> Result<bool, RpcError> {
    match tx.kind {
        TxKind::Call(to) if tx.data.is_empty() && tx.authorization_list.is_empty() => {
            Ok(!executor.has_code(to)?)
        }
        _ => Ok(false),
    }
}

const fn out_of_gas(result: &ExecutionResult) -> bool {
    use revm::context::result::HaltReason;
    matches!(
        result,
        ExecutionResult::Halt {
            reason: HaltReason::OutOfGas(_),
            ..
        }
    )
}
