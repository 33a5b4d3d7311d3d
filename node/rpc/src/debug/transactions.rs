//! Tracing what the chain executed.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm_inspectors::tracing::{DebugInspector, TransactionContext};
use wattline_primitives::{Block, RecoveredBlock, SealedBlock};
use wattline_storage::Reader;

use super::options::{self, Tracing};
use crate::{
    RpcError,
    answer::{Json, Room},
    block_id,
    node::Node,
    replay::{Replay, Replayed, storage_error},
    tracer::Bounded,
    workers::Stop,
};

type TraceResult = alloy_rpc_types_trace::common::TraceResult<Json, String>;

#[rpc(server, namespace = "debug")]
trait Transactions {
    #[method(name = "traceTransaction")]
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json>;

    #[method(name = "traceBlockByNumber")]
    async fn trace_block_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>>;

    #[method(name = "traceBlockByHash")]
    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>>;

    #[method(name = "traceBlock")]
    async fn trace_block(
        &self,
        block: Bytes,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>>;
}

/// The methods of this file.
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    TransactionsServer::into_rpc(Handler(node))
}

struct Handler(Node);

#[async_trait]
impl TransactionsServer for Handler {
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json> {
        let tracing = Tracing::new(options)?;
        let node = self.0.clone();
        let trace = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = node.chain().storage().reader()?;
            trace_transaction(&node, &reader, hash, &tracing, &stop)
        });
        Ok(trace.await?)
    }

    async fn trace_block_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>> {
        let traces = self.trace_block_of(options, move |node, reader| {
            let header = block_id::header(node, reader, BlockId::Number(number))?;
            reader.block(header.number)?.ok_or(RpcError::HeaderNotFound)
        });
        Ok(traces.await?)
    }

    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>> {
        let traces = self.trace_block_of(options, move |_, reader| {
            let block = match reader.block_number(hash)? {
                Some(number) => reader.block(number)?,
                None => reader.side_block(hash)?.map(recover).transpose()?,
            };
            block.ok_or(RpcError::HeaderForHashNotFound)
        });
        Ok(traces.await?)
    }

    async fn trace_block(
        &self,
        block: Bytes,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>> {
        let traces = self.trace_block_of(options, move |_, _| {
            let block = Block::decode(&mut block.as_ref())
                .map_err(|error| RpcError::InvalidParams(format!("invalid block: {error}")))?;
            recover(SealedBlock::seal_slow(block))
        });
        Ok(traces.await?)
    }
}

impl Handler {
    async fn trace_block_of(
        &self,
        options: Option<GethDebugTracingOptions>,
        block: impl FnOnce(&Node, &Reader) -> Result<RecoveredBlock, RpcError> + Send + 'static,
    ) -> Result<Vec<TraceResult>, RpcError> {
        let tracing = Tracing::new(options)?;
        let node = self.0.clone();
        let traces = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = node.chain().storage().reader()?;
            let block = block(&node, &reader)?;
            trace_block(&node, &reader, block, &tracing, &stop)
        });
        traces.await
    }
}

fn recover(block: SealedBlock) -> Result<RecoveredBlock, RpcError> {
    let senders = block
        .senders()
        .map_err(|error| RpcError::InvalidBlock(error.to_string()))?;
    Ok(RecoveredBlock::new_sealed(block, senders))
}

fn trace_transaction(
    node: &Node,
    reader: &Reader,
    hash: B256,
    tracing: &Tracing,
    stop: &Stop,
) -> Result<Json, RpcError> {
    let place = reader
        .transaction(hash)?
        .ok_or(RpcError::TransactionNotFound)?;
    let block = reader
        .block(place.block_number)?
        .ok_or(RpcError::HeaderNotFound)?;
    let mut replay = Replay::new(node, reader, block, stop.clone())?;
    let index = usize::try_from(place.index).unwrap_or(usize::MAX);
    replay.skip_to(index)?;
    let tracer = tracing.tracer(node.limits(), stop)?;
    let trace = replay
        .inspect(tracer, trace)?
        .ok_or(RpcError::TransactionNotFound)?;
    Room::new(node.limits().trace_bytes).put(&trace)
}

fn trace_block(
    node: &Node,
    reader: &Reader,
    block: RecoveredBlock,
    tracing: &Tracing,
    stop: &Stop,
) -> Result<Vec<TraceResult>, RpcError> {
    let mut replay = Replay::new(node, reader, block, stop.clone())?;
    let mut room = Room::new(node.limits().trace_bytes);
    let mut traces = Vec::new();
    loop {
        let tracer = tracing.tracer(node.limits(), stop)?;
        let traced = replay.inspect(tracer, |replayed| {
            let hash = *replayed.tx.tx_hash();
            Ok((hash, room.put(&trace(replayed)?)?))
        })?;
        let Some((hash, trace)) = traced else {
            return Ok(traces);
        };
        traces.push(TraceResult::new_success(trace, Some(hash)));
    }
}

fn trace(replayed: Replayed<'_, Bounded<DebugInspector>>) -> Result<GethTrace, RpcError> {
    let place = TransactionContext {
        block_hash: Some(replayed.block_hash),
        tx_index: Some(replayed.index),
        tx_hash: Some(*replayed.tx.tx_hash()),
    };
    options::result(
        replayed.inspector,
        place,
        &replayed.tx_env,
        &replayed.block_env,
        replayed.result,
        replayed.state,
        storage_error,
    )
}
