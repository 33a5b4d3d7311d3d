//! The calls of what the chain executed.

use std::ops::ControlFlow;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64};
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::{
    filter::{TraceFilter, TraceFilterMode},
    parity::LocalizedTransactionTrace,
};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm_inspectors::tracing::TracingInspector;
use serde::Deserialize;
use wattline_primitives::RecoveredBlock;
use wattline_storage::Reader;

use super::results::call_tracer;
use crate::{
    RpcError,
    execution::{
        replay::{BlockReplay, ReplayedTransaction},
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

#[rpc(server, namespace = "trace")]
trait ChainTraces {
    #[method(name = "block")]
    async fn block(&self, block: BlockId) -> RpcResult<Option<Vec<Json>>>;

    #[method(name = "transaction")]
    async fn transaction(&self, hash: B256) -> RpcResult<Option<Vec<Json>>>;

    #[method(name = "get")]
    async fn get(&self, hash: B256, place: Vec<U64>) -> RpcResult<Option<Json>>;

    #[method(name = "filter")]
    async fn filter(&self, filter: Filter) -> RpcResult<Vec<Json>>;
}

/// Which calls are wanted: as [`TraceFilter`], with tags for blocks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Filter {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    from_address: Option<Vec<Address>>,
    to_address: Option<Vec<Address>>,
    mode: TraceFilterMode,
    after: Option<u64>,
    count: Option<u64>,
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    ChainTracesServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl ChainTracesServer for Handler {
    async fn block(&self, block: BlockId) -> RpcResult<Option<Vec<Json>>> {
        let traces = self.trace(move |backend, reader, stop| {
            let Some(number) = block_id::find(reader, block)? else {
                return Ok(None);
            };
            let mut found = Found::new(backend);
            each_of_block(backend, reader, number, stop, |trace| found.push(&trace))?;
            Ok(Some(found.traces))
        });
        Ok(traces.await?)
    }

    async fn transaction(&self, hash: B256) -> RpcResult<Option<Vec<Json>>> {
        let traces = self.trace(move |backend, reader, stop| {
            let Some(traces) = transaction(backend, reader, hash, stop)? else {
                return Ok(None);
            };
            let mut found = Found::new(backend);
            for trace in traces {
                let _ = found.push(&trace)?;
            }
            Ok(Some(found.traces))
        });
        Ok(traces.await?)
    }

    async fn get(&self, hash: B256, place: Vec<U64>) -> RpcResult<Option<Json>> {
        let trace = self.trace(move |backend, reader, stop| {
            let Some(traces) = transaction(backend, reader, hash, stop)? else {
                return Ok(None);
            };
            let wanted = traces.into_iter().find(|trace| {
                let address = &trace.trace.trace_address;
                address.len() == place.len()
                    && address
                        .iter()
                        .zip(&place)
                        .all(|(index, wanted)| U64::from(*index) == *wanted)
            });
            let mut budget = JsonBudget::new(backend.limits().trace_bytes);
            wanted.map(|trace| budget.serialize(&trace)).transpose()
        });
        Ok(trace.await?)
    }

    async fn filter(&self, filter: Filter) -> RpcResult<Vec<Json>> {
        let traces =
            self.trace(move |backend, reader, stop| filtered(backend, reader, filter, stop));
        Ok(traces.await?)
    }
}

impl Handler {
    async fn trace<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Backend, &Reader, &Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let backend = self.0.clone();
        let traced = self.0.workers().trace(None, move |stop| {
            let reader = backend.chain().storage().reader()?;
            work(&backend, &reader, &stop)
        });
        traced.await
    }
}

/// An answer that grows.
struct Found {
    budget: JsonBudget,
    traces: Vec<Json>,
}

impl Found {
    fn new(backend: &Backend) -> Self {
        Self {
            budget: JsonBudget::new(backend.limits().trace_bytes),
            traces: Vec::new(),
        }
    }

    fn push(&mut self, trace: &LocalizedTransactionTrace) -> Result<ControlFlow<()>, RpcError> {
        self.traces.push(self.budget.serialize(trace)?);
        Ok(ControlFlow::Continue(()))
    }
}

fn filtered(
    backend: &Backend,
    reader: &Reader,
    filter: Filter,
    stop: &Stop,
) -> Result<Vec<Json>, RpcError> {
    let head = reader.head()?.number;
    let first = block_id::number(
        reader,
        filter.from_block.unwrap_or(BlockNumberOrTag::Earliest),
    )?;
    let last = block_id::number(reader, filter.to_block.unwrap_or_default())?;
    if first > last {
        return Err(RpcError::InvalidParams(format!(
            "fromBlock {first} is after toBlock {last}"
        )));
    }
    let limit = backend.limits().trace_blocks;
    let blocks = (last - first).saturating_add(1);
    if blocks > limit {
        return Err(RpcError::LimitExceeded(format!(
            "{blocks} blocks from {first} to {last}: expected at most {limit} in one trace_filter"
        )));
    }
    let matcher = TraceFilter {
        from_address: filter.from_address.unwrap_or_default(),
        to_address: filter.to_address.unwrap_or_default(),
        mode: filter.mode,
        ..TraceFilter::default()
    }
    .matcher();
    let mut skip = filter.after.unwrap_or_default();
    let mut left = filter.count.unwrap_or(u64::MAX);
    let mut found = Found::new(backend);
    for number in first..=last.min(head) {
        if left == 0 {
            break;
        }
        each_of_block(backend, reader, number, stop, |trace| {
            if !matcher.matches(&trace.trace) {
                return Ok(ControlFlow::Continue(()));
            }
            if skip > 0 {
                skip -= 1;
                return Ok(ControlFlow::Continue(()));
            }
            left -= 1;
            let _ = found.push(&trace)?;
            Ok(if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
    }
    Ok(found.traces)
}

/// Shows `visit` the calls of a block, in the order of execution, until it has seen enough.
fn each_of_block(
    backend: &Backend,
    reader: &Reader,
    number: u64,
    stop: &Stop,
    mut visit: impl FnMut(LocalizedTransactionTrace) -> Result<ControlFlow<()>, RpcError>,
) -> Result<(), RpcError> {
    stop.check()?;
    let block = block(reader, number)?;
    if block.senders().is_empty() {
        return Ok(());
    }
    let mut replay = BlockReplay::new(backend, reader, block, stop.clone())?;
    loop {
        let tracer = call_tracer(backend.limits(), stop);
        let Some(traces) = replay.inspect(tracer, |replayed| localized(replayed, number))? else {
            return Ok(());
        };
        for trace in traces {
            if visit(trace)?.is_break() {
                return Ok(());
            }
        }
    }
}

/// The calls of a transaction of the chain.
fn transaction(
    backend: &Backend,
    reader: &Reader,
    hash: B256,
    stop: &Stop,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Some(place) = reader.transaction(hash)? else {
        return Ok(None);
    };
    let number = place.block_number;
    let mut replay = BlockReplay::new(backend, reader, block(reader, number)?, stop.clone())?;
    replay.skip_to(usize::try_from(place.index).unwrap_or(usize::MAX))?;
    let tracer = call_tracer(backend.limits(), stop);
    replay.inspect(tracer, |replayed| localized(replayed, number))
}

fn localized(
    replayed: ReplayedTransaction<'_, Bounded<TracingInspector>>,
    number: u64,
) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    let place = TransactionInfo {
        hash: Some(*replayed.tx.tx_hash()),
        index: Some(replayed.index as u64),
        block_hash: Some(replayed.block_hash),
        block_number: Some(number),
        ..TransactionInfo::default()
    };
    let inspector = replayed.inspector.finish()?;
    Ok(inspector
        .into_parity_builder()
        .into_localized_transaction_traces(place))
}

fn block(reader: &Reader, number: u64) -> Result<RecoveredBlock, RpcError> {
    reader
        .block(number)?
        .ok_or(RpcError::Lookup(LookupError::HeaderNotFound))
}
