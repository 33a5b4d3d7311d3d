//! Transactions of the chain in full: calls, instructions, changes of the state.

use alloy_eips::BlockId;
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_trace::parity::{TraceResults, TraceResultsWithTransactionHash, TraceType};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm_inspectors::tracing::TracingInspector;

use super::results::{results, tracer};
use crate::{
    RpcError,
    answer::{Json, Room},
    block_id,
    node::Node,
    replay::{Replay, Replayed, storage_error},
    tracer::Bounded,
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
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    ReplaysServer::into_rpc(Handler(node))
}

struct Handler(Node);

#[async_trait]
impl ReplaysServer for Handler {
    async fn replay_transaction(&self, hash: B256, types: HashSet<TraceType>) -> RpcResult<Json> {
        let node = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = node.chain().storage().reader()?;
            let place = reader
                .transaction(hash)?
                .ok_or(RpcError::TransactionNotFound)?;
            let block = reader
                .block(place.block_number)?
                .ok_or(RpcError::HeaderNotFound)?;
            let mut replay = Replay::new(&node, &reader, block, stop.clone())?;
            replay.skip_to(usize::try_from(place.index).unwrap_or(usize::MAX))?;
            let tracer = tracer(&types, node.limits(), &stop);
            let results = replay
                .inspect(tracer, |replayed| of_replayed(replayed, &types))?
                .ok_or(RpcError::TransactionNotFound)?;
            Room::new(node.limits().trace_bytes).put(&results)
        });
        Ok(traced.await?)
    }

    async fn replay_block_transactions(
        &self,
        block: BlockId,
        types: HashSet<TraceType>,
    ) -> RpcResult<Option<Vec<Json>>> {
        let node = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = node.chain().storage().reader()?;
            let Some(number) = block_id::find(&node, &reader, block)? else {
                return Ok(None);
            };
            let block = reader.block(number)?.ok_or(RpcError::HeaderNotFound)?;
            let mut answer = Vec::new();
            if block.senders().is_empty() {
                return Ok(Some(answer));
            }
            let mut replay = Replay::new(&node, &reader, block, stop.clone())?;
            let mut room = Room::new(node.limits().trace_bytes);
            loop {
                let tracer = tracer(&types, node.limits(), &stop);
                let results = replay.inspect(tracer, |replayed| {
                    let transaction_hash = *replayed.tx.tx_hash();
                    Ok(TraceResultsWithTransactionHash {
                        full_trace: of_replayed(replayed, &types)?,
                        transaction_hash,
                    })
                })?;
                match results {
                    Some(results) => answer.push(room.put(&results)?),
                    None => return Ok(Some(answer)),
                }
            }
        });
        Ok(traced.await?)
    }
}

fn of_replayed(
    replayed: Replayed<'_, Bounded<TracingInspector>>,
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
