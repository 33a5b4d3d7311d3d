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
    answer::{Json, Room},
    node::Node,
    simulation::{Overrides, Simulation},
    workers::Stop,
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
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    CallsServer::into_rpc(Handler(node))
}

struct Handler(Node);

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
        let traced = self.simulate(block, overrides, move |node, mut simulation, stop| {
            let results = trace_call(node, &mut simulation, request, &types, stop)?;
            Room::new(node.limits().trace_bytes).put(&results)
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
        let traced = self.simulate(block, Overrides::default(), move |node, mut state, stop| {
            let mut room = Room::new(node.limits().trace_bytes);
            calls
                .into_iter()
                .map(|(request, types)| {
                    room.put(&trace_call(node, &mut state, request, &types, stop)?)
                })
                .collect()
        });
        Ok(traced.await?)
    }

    async fn raw_transaction(
        &self,
        transaction: Bytes,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
    ) -> RpcResult<Json> {
        let transaction = TransactionSigned::decode_2718_exact(&transaction)
            .map_err(|error| RpcError::DecodeTransaction(error.to_string()))?;
        let traced = self.simulate(
            block,
            Overrides::default(),
            move |node, mut simulation, stop| {
                let sender = transaction
                    .recover_signer()
                    .map_err(|error| RpcError::DecodeTransaction(error.to_string()))?;
                simulation.apply_rules(&transaction, sender)?;
                let tx = alloy_evm::FromRecoveredTx::from_recovered_tx(&transaction, sender);
                let results = trace(node, &mut simulation, tx, &types, stop)?;
                Room::new(node.limits().trace_bytes).put(&results)
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
        work: impl FnOnce(&Node, Simulation, &Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let node = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = node.chain().storage().reader()?;
            let simulation = Simulation::new(&node, &reader, block, overrides, stop.clone())?;
            work(&node, simulation, &stop)
        });
        traced.await
    }
}

fn trace_call(
    node: &Node,
    simulation: &mut Simulation,
    request: TransactionRequest,
    types: &HashSet<TraceType>,
    stop: &Stop,
) -> Result<TraceResults, RpcError> {
    let cap = node.limits().call_gas;
    let gas = request.gas.unwrap_or(cap).min(cap);
    let tx = simulation.transaction(request, gas)?;
    trace(node, simulation, tx, types, stop)
}

/// Executes under a tracer; what comes after sees what it changed.
fn trace(
    node: &Node,
    simulation: &mut Simulation,
    tx: TxEnv,
    types: &HashSet<TraceType>,
    stop: &Stop,
) -> Result<TraceResults, RpcError> {
    let mut tracer = tracer(types, node.limits(), stop);
    let outcome = simulation.inspect(tx, &mut tracer)?;
    let results = results(tracer, types, &outcome, simulation.state(), RpcError::from)?;
    simulation.commit(outcome.state);
    Ok(results)
}
