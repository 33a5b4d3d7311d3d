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
    execution::{
        replay::{BlockReplay, ReplayedTransaction, storage_error},
        tracer::Bounded,
        workers::Stop,
    },
    shared::{
        backend::Backend,
        block_id,
        bounded_json::{Json, JsonBudget},
        error::{LookupError, ReplayError},
    },
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
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    TransactionsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl TransactionsServer for Handler {
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json> {
        let tracing = Tracing::new(options)?;
        let backend = self.0.clone();
        let trace = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = backend.chain().storage().reader()?;
            trace_transaction(&backend, &reader, hash, &tracing, &stop)
        });
        Ok(trace.await?)
    }

    async fn trace_block_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult>> {
        let traces = self.trace_block_of(options, move |backend, reader| {
            let header = block_id::header(backend, reader, BlockId::Number(number))?;
            reader
                .block(header.number)?
                .ok_or(RpcError::Lookup(LookupError::HeaderNotFound))
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
                None => None,
            };
            block.ok_or(RpcError::Lookup(LookupError::HeaderForHashNotFound))
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
        block: impl FnOnce(&Backend, &Reader) -> Result<RecoveredBlock, RpcError> + Send + 'static,
    ) -> Result<Vec<TraceResult>, RpcError> {
        let tracing = Tracing::new(options)?;
        let backend = self.0.clone();
        let traces = self.0.workers().trace(tracing.timeout(), move |stop| {
            let reader = backend.chain().storage().reader()?;
            let block = block(&backend, &reader)?;
            trace_block(&backend, &reader, block, &tracing, &stop)
        });
        traces.await
    }
}

fn recover(block: SealedBlock) -> Result<RecoveredBlock, RpcError> {
    let senders = block
        .senders()
        .map_err(|error| RpcError::Replay(ReplayError::InvalidBlock(error.to_string())))?;
    Ok(RecoveredBlock::new_sealed(block, senders))
}

fn trace_transaction(
    backend: &Backend,
    reader: &Reader,
    hash: B256,
    tracing: &Tracing,
    stop: &Stop,
) -> Result<Json, RpcError> {
    let place = reader
        .transaction(hash)?
        .ok_or(LookupError::TransactionNotFound)?;
    let block = reader
        .block(place.block_number)?
        .ok_or(LookupError::HeaderNotFound)?;
    let mut replay = BlockReplay::new(backend, reader, block, stop.clone())?;
    let index = usize::try_from(place.index).unwrap_or(usize::MAX);
    replay.skip_to(index)?;
    let tracer = tracing.tracer(backend.limits(), stop)?;
    let trace = replay
        .inspect(tracer, trace)?
        .ok_or(LookupError::TransactionNotFound)?;
    JsonBudget::new(backend.limits().trace_bytes).serialize(&trace)
}

fn trace_block(
    backend: &Backend,
    reader: &Reader,
    block: RecoveredBlock,
    tracing: &Tracing,
    stop: &Stop,
) -> Result<Vec<TraceResult>, RpcError> {
    let mut replay = BlockReplay::new(backend, reader, block, stop.clone())?;
    let mut budget = JsonBudget::new(backend.limits().trace_bytes);
    let mut traces = Vec::new();
    loop {
        let tracer = tracing.tracer(backend.limits(), stop)?;
        let traced = replay.inspect(tracer, |replayed| {
            let hash = *replayed.tx.tx_hash();
            Ok((hash, budget.serialize(&trace(replayed)?)?))
        })?;
        let Some((hash, trace)) = traced else {
            return Ok(traces);
        };
        traces.push(TraceResult::new_success(trace, Some(hash)));
    }
}

fn trace(
    replayed: ReplayedTransaction<'_, Bounded<DebugInspector>>,
) -> Result<GethTrace, RpcError> {
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
