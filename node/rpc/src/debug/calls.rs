//! Tracing calls that are not on the chain.

use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Bundle, StateContext, TransactionIndex, TransactionRequest};
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethTrace};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm_inspectors::tracing::{DebugInspector, TransactionContext};
use wattline_storage::Reader;

use super::options::{self, Tracing};
use crate::{
    RpcError,
    execution::{
        call::{BaseState, CallExecutor, Overrides},
        replay::BlockReplay,
        tracer::Bounded,
        workers::Stop,
    },
    shared::{
        backend::Backend,
        block_id,
        bounded_json::{Json, JsonBudget},
        error::LookupError,
    },
};

#[rpc(server, namespace = "debug")]
trait Calls {
    #[method(name = "traceCall")]
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Json>;

    #[method(name = "traceCallMany")]
    async fn trace_call_many(
        &self,
        bundles: Vec<Bundle>,
        at: Option<StateContext>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Vec<Vec<Json>>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    CallsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl CallsServer for Handler {
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Json> {
        let options = options.unwrap_or_default();
        let tracing = Tracing::new(Some(options.tracing_options))?;
        let overrides = Overrides {
            state: options.state_overrides,
            block: options.block_overrides,
        };
        let index = options.tx_index.map(position);
        let backend = self.0.clone();
        let trace = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = backend.chain().storage().reader()?;
            let block = block.unwrap_or_default();
            let mut executor = executor(&backend, &reader, block, index, overrides, &stop)?;
            let trace = trace_call(&backend, &mut executor, request, &tracing, &stop, 0)?;
            JsonBudget::new(backend.limits().trace_bytes).serialize(&trace)
        });
        Ok(trace.await?)
    }

    async fn trace_call_many(
        &self,
        bundles: Vec<Bundle>,
        at: Option<StateContext>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Vec<Vec<Json>>> {
        let options = options.unwrap_or_default();
        let tracing = Tracing::new(Some(options.tracing_options))?;
        let limit = self.0.limits().trace_requests;
        let calls: usize = bundles.iter().map(|bundle| bundle.transactions.len()).sum();
        if calls > limit || bundles.len() > limit {
            return Err(RpcError::LimitExceeded(format!(
                "{} calls: expected at most {limit} in one request",
                calls.max(bundles.len())
            ))
            .into());
        }
        let state = options.state_overrides;
        let block_overrides = options.block_overrides;
        let at = at.unwrap_or_default();
        let index = match at.transaction_index {
            Some(TransactionIndex::Index(index)) => Some(index),
            Some(TransactionIndex::All) | None => None,
        };
        let backend = self.0.clone();
        let traces = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = backend.chain().storage().reader()?;
            let block = at.block_number.unwrap_or_default();
            let overrides = Overrides {
                state,
                block: block_overrides,
            };
            let mut executor = executor(&backend, &reader, block, index, overrides, &stop)?;
            let mut budget = JsonBudget::new(backend.limits().trace_bytes);
            let mut answer = Vec::new();
            for bundle in bundles {
                let before = executor.override_block(bundle.block_override.unwrap_or_default());
                let mut traces = Vec::new();
                for (place, request) in bundle.transactions.into_iter().enumerate() {
                    let trace =
                        trace_call(&backend, &mut executor, request, &tracing, &stop, place)?;
                    traces.push(budget.serialize(&trace)?);
                }
                executor.restore_block(before);
                answer.push(traces);
            }
            Ok(answer)
        });
        Ok(traces.await?)
    }
}

fn position(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The state after a block, or before one of its transactions.
fn executor(
    backend: &Backend,
    reader: &Reader,
    block: BlockId,
    index: Option<usize>,
    overrides: Overrides,
    stop: &Stop,
) -> Result<CallExecutor, RpcError> {
    let Some(index) = index else {
        return CallExecutor::new(backend, reader, Some(block), overrides, stop.clone());
    };
    let header = block_id::header(backend, reader, block)?;
    let block = reader
        .block(header.number)?
        .ok_or(LookupError::HeaderNotFound)?;
    let mut replay: BlockReplay<Bounded<DebugInspector>> =
        BlockReplay::new(backend, reader, block, stop.clone())?;
    replay.skip_to(index)?;
    let base = BaseState::Within(Box::new(replay.into_state()?));
    CallExecutor::on(backend, &header, base, overrides, stop.clone())
}

/// Executes a call under a tracer; the calls to come see what it changed.
fn trace_call(
    backend: &Backend,
    executor: &mut CallExecutor,
    request: TransactionRequest,
    tracing: &Tracing,
    stop: &Stop,
    index: usize,
) -> Result<GethTrace, RpcError> {
    let cap = backend.limits().call_gas;
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = executor.transaction(request, gas)?;
    let mut tracer = tracing.tracer(backend.limits(), stop)?;
    let outcome = executor.inspect(tx.clone(), &mut tracer)?;
    let block = executor.env().block_env.clone();
    let place = TransactionContext {
        tx_index: Some(index),
        ..TransactionContext::default()
    };
    let trace = options::result(
        tracer,
        place,
        &tx,
        &block,
        &outcome,
        executor.state(),
        std::convert::identity,
    )?;
    executor.commit(outcome.state);
    Ok(trace)
}
