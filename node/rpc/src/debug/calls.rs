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
    answer::{Json, Room},
    block_id,
    node::Node,
    replay::Replay,
    simulation::{Base, Overrides, Simulation},
    tracer::Bounded,
    workers::Stop,
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
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    CallsServer::into_rpc(Handler(node))
}

struct Handler(Node);

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
        let node = self.0.clone();
        let trace = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = node.chain().storage().reader()?;
            let block = block.unwrap_or_default();
            let mut simulation = simulation(&node, &reader, block, index, overrides, &stop)?;
            let trace = trace_call(&node, &mut simulation, request, &tracing, &stop, 0)?;
            Room::new(node.limits().trace_bytes).put(&trace)
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
        let node = self.0.clone();
        let traces = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = node.chain().storage().reader()?;
            let block = at.block_number.unwrap_or_default();
            let overrides = Overrides {
                state,
                block: block_overrides,
            };
            let mut simulation = simulation(&node, &reader, block, index, overrides, &stop)?;
            let mut room = Room::new(node.limits().trace_bytes);
            let mut answer = Vec::new();
            for bundle in bundles {
                let before = simulation.override_block(bundle.block_override.unwrap_or_default());
                let mut traces = Vec::new();
                for (place, request) in bundle.transactions.into_iter().enumerate() {
                    let trace =
                        trace_call(&node, &mut simulation, request, &tracing, &stop, place)?;
                    traces.push(room.put(&trace)?);
                }
                simulation.restore_block(before);
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
fn simulation(
    node: &Node,
    reader: &Reader,
    block: BlockId,
    index: Option<usize>,
    overrides: Overrides,
    stop: &Stop,
) -> Result<Simulation, RpcError> {
    let Some(index) = index else {
        return Simulation::new(node, reader, Some(block), overrides, stop.clone());
    };
    let header = block_id::header(node, reader, block)?;
    let block = reader
        .block(header.number)?
        .ok_or(RpcError::HeaderNotFound)?;
    let mut replay: Replay<Bounded<DebugInspector>> =
        Replay::new(node, reader, block, stop.clone())?;
    replay.skip_to(index)?;
    let base = Base::Within(Box::new(replay.into_state()?));
    Simulation::on(node, &header, base, overrides, stop.clone())
}

/// Executes a call under a tracer; the calls to come see what it changed.
fn trace_call(
    node: &Node,
    simulation: &mut Simulation,
    request: TransactionRequest,
    tracing: &Tracing,
    stop: &Stop,
    index: usize,
) -> Result<GethTrace, RpcError> {
    let cap = node.limits().call_gas;
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = simulation.transaction(request, gas)?;
    let mut tracer = tracing.tracer(node.limits(), stop)?;
    let outcome = simulation.inspect(tx.clone(), &mut tracer)?;
    let block = simulation.env().block_env.clone();
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
        simulation.state(),
        std::convert::identity,
    )?;
    simulation.commit(outcome.state);
    Ok(trace)
}
