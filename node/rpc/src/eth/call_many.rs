//! Calls that see what the ones before them did.

use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Bundle, EthCallResponse, StateContext, state::StateOverride};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::inspector::NoOpInspector;

use super::call::succeeded;
use crate::{
    RpcError,
    execution::{
        call::{BaseState, CallExecutor, Overrides},
        replay::BlockReplay,
        workers::Stop,
    },
    shared::{backend::Backend, block_id, error::LookupError, state::ChainState},
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
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    CallManyServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

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
        let backend = self.0.clone();
        let results = self.0.workers().call(move |stop| {
            let executor = begin(
                &backend,
                state_context.unwrap_or_default(),
                state_overrides,
                stop,
            )?;
            run(executor, bundles, backend.limits().call_gas)
        });
        Ok(results.await?)
    }
}

/// Refuses more calls in one request than the node gives.
///
/// # Errors
///
/// [`RpcError::LimitExceeded`].
pub(super) fn check_calls(backend: &Backend, calls: usize) -> Result<(), RpcError> {
    let limit = backend.limits().simulated_calls;
    if calls > limit {
        return Err(RpcError::LimitExceeded(format!(
            "too many calls in one request: {calls} given, limit {limit}: send several requests"
        )));
    }
    Ok(())
}

fn begin(
    backend: &Backend,
    context: StateContext,
    state: Option<StateOverride>,
    stop: Stop,
) -> Result<CallExecutor, RpcError> {
    let reader = backend.chain().storage().reader()?;
    let overrides = Overrides { state, block: None };
    let block: Option<BlockId> = context.block_number;
    let Some(count) = context.transaction_index.and_then(|index| index.index()) else {
        return CallExecutor::new(backend, &reader, block, overrides, stop);
    };
    let header = block_id::header(backend, &reader, block.unwrap_or_default())?;
    let block = reader
        .block(header.number)?
        .ok_or(LookupError::HeaderNotFound)?;
    if count >= block.body().transactions.len() {
        let base = BaseState::After(ChainState::Final(reader.state_at(header.number)?));
        return CallExecutor::on(backend, &header, base, overrides, stop);
    }
    let mut replay: BlockReplay<NoOpInspector> =
        BlockReplay::new(backend, &reader, block, stop.clone())?;
    replay.skip_to(count)?;
    let base = BaseState::Within(Box::new(replay.into_state()?));
    CallExecutor::on(backend, &header, base, overrides, stop)
}

fn run(
    mut executor: CallExecutor,
    bundles: Vec<Bundle>,
    cap: u64,
) -> Result<Vec<Vec<EthCallResponse>>, RpcError> {
    let mut results = Vec::with_capacity(bundles.len());
    for bundle in bundles {
        let before = executor.override_block(bundle.block_override.unwrap_or_default());
        let mut answers = Vec::with_capacity(bundle.transactions.len());
        for request in bundle.transactions {
            let gas = request.gas.unwrap_or(cap).min(cap);
            let tx = executor.transaction(request, gas)?;
            let outcome = executor.watch(tx, NoOpInspector)?;
            executor.commit(outcome.state);
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
        executor.restore_block(before);
        results.push(answers);
    }
    Ok(results)
}
