//! What is not on the chain: calls, and transactions before they are sent.

use alloy_consensus::transaction::SignerRecoverable as _;
use alloy_eips::{BlockId, eip2718::Decodable2718 as _};
use alloy_primitives::{Bytes, map::HashSet};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::context::TxEnv;
use wattline_primitives::TransactionSigned;

use super::results::{results, tracer};
use crate::{
    RpcError,
    execution::{
        call::{CallExecutor, Overrides},
        workers::Stop,
    },
    shared::{
        backend::Backend,
        bounded_json::{Json, JsonBudget},
        error::SubmitError,
    },
};

#[rpc(server, namespace = "trace")]
trait Calls {
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Json>;

    #[method(name = "callMany")]
    async fn call_many(
        &self,
        calls: Vec<(TransactionRequest, HashSet<TraceType>)>,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<Json>>;

    #[method(name = "rawTransaction")]
    async fn raw_transaction(
        &self,
        transaction: Bytes,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
    ) -> RpcResult<Json>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    CallsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl CallsServer for Handler {
    async fn call(
        &self,
        request: TransactionRequest,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Json> {
        let overrides = Overrides {
            state: state_overrides,
            block: block_overrides.map(|block| *block),
        };
        let traced = self.simulate(block, overrides, move |backend, mut executor, stop| {
            let results = trace_call(backend, &mut executor, request, &types, stop)?;
            JsonBudget::new(backend.limits().trace_bytes).serialize(&results)
        });
        Ok(traced.await?)
    }

    async fn call_many(
        &self,
        calls: Vec<(TransactionRequest, HashSet<TraceType>)>,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<Json>> {
        let limit = self.0.limits().trace_requests;
        if calls.len() > limit {
            return Err(RpcError::LimitExceeded(format!(
                "{} calls: expected at most {limit} in one request",
                calls.len()
            ))
            .into());
        }
        let traced = self.simulate(
            block,
            Overrides::default(),
            move |backend, mut state, stop| {
                let mut budget = JsonBudget::new(backend.limits().trace_bytes);
                calls
                    .into_iter()
                    .map(|(request, types)| {
                        budget.serialize(&trace_call(backend, &mut state, request, &types, stop)?)
                    })
                    .collect()
            },
        );
        Ok(traced.await?)
    }

    async fn raw_transaction(
        &self,
        transaction: Bytes,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
    ) -> RpcResult<Json> {
        let transaction = TransactionSigned::decode_2718_exact(&transaction)
            .map_err(|error| RpcError::Submit(SubmitError::Decode(error.to_string())))?;
        let traced = self.simulate(
            block,
            Overrides::default(),
            move |backend, mut executor, stop| {
                let sender = transaction
                    .recover_signer()
                    .map_err(|error| RpcError::Submit(SubmitError::Decode(error.to_string())))?;
                executor.apply_rules(&transaction, sender)?;
                let tx = alloy_evm::FromRecoveredTx::from_recovered_tx(&transaction, sender);
                let results = trace(backend, &mut executor, tx, &types, stop)?;
                JsonBudget::new(backend.limits().trace_bytes).serialize(&results)
            },
        );
        Ok(traced.await?)
    }
}

impl Handler {
    async fn simulate<T: Send + 'static>(
        &self,
        block: Option<BlockId>,
        overrides: Overrides,
        work: impl FnOnce(&Backend, CallExecutor, &Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let backend = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = backend.chain().storage().reader()?;
            let executor = CallExecutor::new(&backend, &reader, block, overrides, stop.clone())?;
            work(&backend, executor, &stop)
        });
        traced.await
    }
}

fn trace_call(
    backend: &Backend,
    executor: &mut CallExecutor,
    request: TransactionRequest,
    types: &HashSet<TraceType>,
    stop: &Stop,
) -> Result<TraceResults, RpcError> {
    let cap = backend.limits().call_gas;
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = executor.transaction(request, gas)?;
    trace(backend, executor, tx, types, stop)
}

/// Executes under a tracer; what comes after sees what it changed.
fn trace(
    backend: &Backend,
    executor: &mut CallExecutor,
    tx: TxEnv,
    types: &HashSet<TraceType>,
    stop: &Stop,
) -> Result<TraceResults, RpcError> {
    let mut tracer = tracer(types, backend.limits(), stop);
    let outcome = executor.inspect(tx, &mut tracer)?;
    let results = results(tracer, types, &outcome, executor.state(), RpcError::from)?;
    executor.commit(outcome.state);
    Ok(results)
}
