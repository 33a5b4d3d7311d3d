//! Transactions of the chain in full: calls, instructions, changes of the state.

use alloy_eips::BlockId;
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_trace::parity::{TraceResults, TraceResultsWithTransactionHash, TraceType};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm_inspectors::tracing::TracingInspector;

use super::results::{results, tracer};
use crate::{
    RpcError,
    execution::{
        replay::{BlockReplay, ReplayedTransaction, storage_error},
        tracer::Bounded,
    },
    shared::{
        backend::Backend,
        block_id,
        bounded_json::{Json, JsonBudget},
        error::LookupError,
    },
};

#[rpc(server, namespace = "trace")]
trait Replays {
    #[method(name = "replayTransaction")]
    async fn replay_transaction(&self, hash: B256, types: HashSet<TraceType>) -> RpcResult<Json>;

    #[method(name = "replayBlockTransactions")]
    async fn replay_block_transactions(
        &self,
        block: BlockId,
        types: HashSet<TraceType>,
    ) -> RpcResult<Option<Vec<Json>>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    ReplaysServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl ReplaysServer for Handler {
    async fn replay_transaction(&self, hash: B256, types: HashSet<TraceType>) -> RpcResult<Json> {
        let backend = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = backend.chain().storage().reader()?;
            let place = reader
                .transaction(hash)?
                .ok_or(LookupError::TransactionNotFound)?;
            let block = reader
                .block(place.block_number)?
                .ok_or(LookupError::HeaderNotFound)?;
            let mut replay = BlockReplay::new(&backend, &reader, block, stop.clone())?;
            replay.skip_to(usize::try_from(place.index).unwrap_or(usize::MAX))?;
            let tracer = tracer(&types, backend.limits(), &stop);
            let results = replay
                .inspect(tracer, |replayed| of_replayed(replayed, &types))?
                .ok_or(LookupError::TransactionNotFound)?;
            JsonBudget::new(backend.limits().trace_bytes).serialize(&results)
        });
        Ok(traced.await?)
    }

    async fn replay_block_transactions(
        &self,
        block: BlockId,
        types: HashSet<TraceType>,
    ) -> RpcResult<Option<Vec<Json>>> {
        let backend = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = backend.chain().storage().reader()?;
            let Some(number) = block_id::find(&reader, block)? else {
                return Ok(None);
            };
            let block = reader.block(number)?.ok_or(LookupError::HeaderNotFound)?;
            let mut answer = Vec::new();
            if block.senders().is_empty() {
                return Ok(Some(answer));
            }
            let mut replay = BlockReplay::new(&backend, &reader, block, stop.clone())?;
            let mut budget = JsonBudget::new(backend.limits().trace_bytes);
            loop {
                let tracer = tracer(&types, backend.limits(), &stop);
                let results = replay.inspect(tracer, |replayed| {
                    let transaction_hash = *replayed.tx.tx_hash();
                    Ok(TraceResultsWithTransactionHash {
                        full_trace: of_replayed(replayed, &types)?,
                        transaction_hash,
                    })
                })?;
                match results {
                    Some(results) => answer.push(budget.serialize(&results)?),
                    None => return Ok(Some(answer)),
                }
            }
        });
        Ok(traced.await?)
    }
}

fn of_replayed(
    replayed: ReplayedTransaction<'_, Bounded<TracingInspector>>,
    types: &HashSet<TraceType>,
) -> Result<TraceResults, RpcError> {
    results(
        replayed.inspector,
        types,
        replayed.result,
        replayed.state,
        |error| storage_error(error).into(),
    )
}
