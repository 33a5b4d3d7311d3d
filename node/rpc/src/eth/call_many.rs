//! Calls that see what the ones before them did.

use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Bundle, EthCallResponse, StateContext, state::StateOverride};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::inspector::NoOpInspector;

use super::call::succeeded;
use crate::{
    RpcError, block_id,
    node::Node,
    replay::Replay,
    simulation::{Base, Overrides, Simulation},
    workers::Stop,
};

#[rpc(server, namespace = "eth")]
trait CallMany {
    #[method(name = "callMany")]
    async fn call_many(
        &self,
        bundles: Vec<Bundle>,
        state_context: Option<StateContext>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<Vec<Vec<EthCallResponse>>>;
}

/// The methods of this file.
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    CallManyServer::into_rpc(Handler(node))
}

struct Handler(Node);

#[async_trait]
impl CallManyServer for Handler {
    async fn call_many(
        &self,
        bundles: Vec<Bundle>,
        state_context: Option<StateContext>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<Vec<Vec<EthCallResponse>>> {
        let calls: usize = bundles.iter().map(|bundle| bundle.transactions.len()).sum();
        if calls == 0 {
            return Err(RpcError::InvalidParams(
                "bundles are empty: expected at least one transaction".to_owned(),
            )
            .into());
        }
        check_calls(&self.0, calls)?;
        let node = self.0.clone();
        let results = self.0.workers().call(move |stop| {
            let simulation = begin(
                &node,
                state_context.unwrap_or_default(),
                state_overrides,
                stop,
            )?;
            run(simulation, bundles, node.limits().call_gas)
        });
        Ok(results.await?)
    }
}

/// Refuses more calls in one request than the node gives.
///
/// # Errors
///
/// [`RpcError::LimitExceeded`].
pub(super) fn check_calls(node: &Node, calls: usize) -> Result<(), RpcError> {
    let limit = node.limits().simulated_calls;
    if calls > limit {
        return Err(RpcError::LimitExceeded(format!(
            "too many calls in one request: {calls} given, limit {limit}: send several requests"
        )));
    }
    Ok(())
}

fn begin(
    node: &Node,
    context: StateContext,
    state: Option<StateOverride>,
    stop: Stop,
) -> Result<Simulation, RpcError> {
    let reader = node.chain().storage().reader()?;
    let overrides = Overrides { state, block: None };
    let block: Option<BlockId> = context.block_number;
    let Some(count) = context.transaction_index.and_then(|index| index.index()) else {
        return Simulation::new(node, &reader, block, overrides, stop);
    };
    let header = block_id::header(node, &reader, block.unwrap_or_default())?;
    let block = reader
        .block(header.number)?
        .ok_or(RpcError::HeaderNotFound)?;
    if count >= block.body().transactions.len() {
        let base = Base::After(reader.state_at(header.number)?);
        return Simulation::on(node, &header, base, overrides, stop);
    }
    let mut replay: Replay<NoOpInspector> = Replay::new(node, &reader, block, stop.clone())?;
    replay.skip_to(count)?;
    let base = Base::Within(Box::new(replay.into_state()?));
    Simulation::on(node, &header, base, overrides, stop)
}

fn run(
    mut simulation: Simulation,
    bundles: Vec<Bundle>,
    cap: u64,
) -> Result<Vec<Vec<EthCallResponse>>, RpcError> {
    let mut results = Vec::with_capacity(bundles.len());
    for bundle in bundles {
        let before = simulation.override_block(bundle.block_override.unwrap_or_default());
        let mut answers = Vec::with_capacity(bundle.transactions.len());
        for request in bundle.transactions {
            let gas = request.gas.unwrap_or(cap).min(cap);
            let tx = simulation.transaction(request, gas)?;
            let outcome = simulation.watch(tx, NoOpInspector)?;
            simulation.commit(outcome.state);
            answers.push(match succeeded(outcome.result) {
                Ok(output) => EthCallResponse {
                    value: Some(output),
                    error: None,
                },
                Err(error) => EthCallResponse {
                    value: None,
                    error: Some(error.to_string()),
                },
            });
        }
        simulation.restore_block(before);
        results.push(answers);
    }
    Ok(results)
}
