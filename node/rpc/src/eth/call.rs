//! Calls and gas estimates.

use alloy_eips::BlockId;
use alloy_primitives::{Bytes, TxKind, U64};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::context::{TxEnv, result::ExecutionResult};

use crate::{
    RpcError,
    node::Node,
    simulation::{Overrides, Simulation},
    workers::Stop,
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
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    CallServer::into_rpc(Handler(node))
}

struct Handler(Node);

impl Handler {
    async fn simulate<T: Send + 'static>(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        overrides: Overrides,
        work: fn(Simulation, TransactionRequest, u64) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let node = self.0.clone();
        let workers = self.0.workers();
        workers
            .call(move |stop| simulate(&node, request, block, overrides, stop, work))
            .await
    }

    /// Tries a call right here; `None` if it has to have a thread for calls.
    async fn try_call(
        &self,
        request: &TransactionRequest,
        block: Option<BlockId>,
    ) -> Option<Result<Bytes, RpcError>> {
        let workers = self.0.workers();
        let stop = workers.moment()?;
        // A batch of calls lets others have the thread from time to time.
        tokio::task::consume_budget().await;
        let overrides = Overrides::default();
        match simulate(&self.0, request.clone(), block, overrides, stop, call) {
            Err(RpcError::Timeout(_)) => {
                workers.overran();
                None
            }
            done => Some(done),
        }
    }
}

fn simulate<T>(
    node: &Node,
    request: TransactionRequest,
    block: Option<BlockId>,
    overrides: Overrides,
    stop: Stop,
    work: fn(Simulation, TransactionRequest, u64) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let reader = node.chain().storage().reader()?;
    let simulation = Simulation::new(node, &reader, block, overrides, stop)?;
    work(simulation, request, node.limits().call_gas)
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
    mut simulation: Simulation,
    request: TransactionRequest,
    cap: u64,
) -> Result<Bytes, RpcError> {
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = simulation.transaction(request, gas)?;
    succeeded(simulation.run(tx)?)
}

/// What a call that succeeded returned.
///
/// # Errors
///
/// [`RpcError::Reverted`] and [`RpcError::Halted`].
pub(super) fn succeeded(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::Halted(reason)),
    }
}

/// The gas limit with which the transaction succeeds, found by halving the range between what it
/// used with all the gas it may have, and that. (A transaction can need more than it uses: only
/// 63/64 of the gas reaches an inner call, and refunds come at the end.)
///
/// # Errors
///
/// [`RpcError::GasRequiredExceedsAllowance`], and why it fails with any gas.
pub(super) fn estimate(
    mut simulation: Simulation,
    request: TransactionRequest,
    cap: u64,
) -> Result<u64, RpcError> {
    let highest = request
        .gas
        .filter(|gas| *gas >= TRANSFER_GAS)
        .unwrap_or_else(|| simulation.block_gas_limit())
        .min(simulation.transaction_gas_limit())
        .min(cap);
    let tx = simulation.transaction(request, highest)?;
    let highest = tx.gas_limit;
    if is_transfer(&mut simulation, &tx)?
        && highest >= TRANSFER_GAS
        && run_with(&mut simulation, &tx, TRANSFER_GAS)?.is_some_and(|result| result.is_success())
    {
        return Ok(TRANSFER_GAS);
    }

    let used = match simulation.run(tx.clone()) {
        Ok(result) => {
            if matches!(&result, ExecutionResult::Halt { .. }) && out_of_gas(&result) {
                return Err(RpcError::GasRequiredExceedsAllowance(highest));
            }
            let gas = *result.gas();
            succeeded(result)?;
            gas
        }
        Err(RpcError::TooLittleGas { .. }) => {
            return Err(RpcError::GasRequiredExceedsAllowance(highest));
        }
        Err(error) => return Err(error),
    };

    let (mut low, mut high) = (used.tx_gas_used().saturating_sub(1), highest);
    let spent = used.total_gas_spent().max(used.floor_gas());
    let likely = spent.saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
    if likely < high {
        narrow(&mut simulation, &tx, likely, &mut low, &mut high)?;
    }
    while low + 1 < high {
        if (high - low).saturating_mul(1000) < high.saturating_mul(ESTIMATE_TOLERANCE) {
            break;
        }
        // Most transactions need little more than they use, so do not go far above that at once.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(low + 1));
        narrow(&mut simulation, &tx, middle, &mut low, &mut high)?;
    }
    Ok(high)
}

fn narrow(
    simulation: &mut Simulation,
    tx: &TxEnv,
    gas: u64,
    low: &mut u64,
    high: &mut u64,
) -> Result<(), RpcError> {
    match run_with(simulation, tx, gas)? {
        Some(result) if result.is_success() => *high = gas,
        _ => *low = gas,
    }
    Ok(())
}

/// Runs with another gas limit; `None` if that is too little to start.
fn run_with(
    simulation: &mut Simulation,
    tx: &TxEnv,
    gas: u64,
) -> Result<Option<ExecutionResult>, RpcError> {
    match simulation.run(TxEnv {
        gas_limit: gas,
        ..tx.clone()
    }) {
        Ok(result) => Ok(Some(result)),
        Err(RpcError::TooLittleGas { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_transfer(simulation: &mut Simulation, tx: &TxEnv) -> Result<bool, RpcError> {
    match tx.kind {
        TxKind::Call(to) if tx.data.is_empty() && tx.authorization_list.is_empty() => {
            Ok(!simulation.has_code(to)?)
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
