//! Logs of a range of blocks.

use alloy_consensus::BlockHeader as _;
use alloy_primitives::BlockNumber;
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption, Log};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_storage::{LogPattern, Reader};

use crate::{
    RpcError, RpcLimits,
    execution::workers::Stop,
    shared::{
        backend::Backend,
        block_id,
        convert::{self, LogPlace},
        error::LookupError,
    },
};

#[rpc(server, namespace = "eth")]
trait Logs {
    #[method(name = "getLogs")]
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    LogsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl LogsServer for Handler {
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        check_alternatives(&filter, self.0.limits())?;
        let backend = self.0.clone();
        let logs = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            search(&backend, &reader, &filter, &stop)
        });
        Ok(logs.await?)
    }
}

/// Refuses filters that name too many addresses or topics: each is looked for in every block.
///
/// # Errors
///
/// [`RpcError::LimitExceeded`].
pub(super) fn check_alternatives(filter: &Filter, limits: &RpcLimits) -> Result<(), RpcError> {
    let most = filter
        .topics
        .iter()
        .map(|topic| topic.len())
        .chain([filter.address.len()])
        .max();
    if most.unwrap_or_default() > limits.log_alternatives {
        return Err(RpcError::LimitExceeded(format!(
            "exceed max addresses or topics per search position: {} given, limit {}: split the \
             query",
            most.unwrap_or_default(),
            limits.log_alternatives
        )));
    }
    Ok(())
}

/// The logs that a filter matches, in the order of the chain.
///
/// # Errors
///
/// [`RpcError::LimitExceeded`] if it spans or finds more than one answer may, and where the
/// filter's blocks are not known.
pub(super) fn search(
    backend: &Backend,
    reader: &Reader,
    filter: &Filter,
    stop: &Stop,
) -> Result<Vec<Log>, RpcError> {
    let Some((from, to)) = range(reader, filter)? else {
        return Ok(Vec::new());
    };
    let limits = backend.limits();
    let blocks = to - from + 1;
    if blocks > limits.log_blocks {
        return Err(RpcError::LimitExceeded(format!(
            "query spans {blocks} blocks, limit {}: narrow the range of fromBlock and toBlock",
            limits.log_blocks
        )));
    }
    let pattern = LogPattern::new(
        filter.address.iter(),
        filter.topics.each_ref().map(|t| t.iter()),
    );
    let mut found = Vec::new();
    for numbers in reader.log_blocks(&pattern, from..=to)? {
        for number in numbers? {
            stop.check()?;
            search_block(backend, reader, filter, number, &mut found)?;
            if found.len() > limits.log_results {
                return Err(RpcError::LimitExceeded(format!(
                    "query returned more than {} results: narrow the range of blocks (up to \
                     {number} is too much from {from}) or filter by address or topics",
                    limits.log_results
                )));
            }
        }
        stop.check()?;
    }
    Ok(found)
}

/// Adds what the filter matches in a block, but no more than makes one above the limit: that tells
/// that there are more, without collecting them all.
fn search_block(
    backend: &Backend,
    reader: &Reader,
    filter: &Filter,
    number: BlockNumber,
    found: &mut Vec<Log>,
) -> Result<(), RpcError> {
    let limit = backend.limits().log_results;
    if let Some(block) = backend.caches().known_block(reader, number)? {
        let logs = convert::logs(&block.block, &block.receipts, |log| filter.matches(log));
        found.extend(logs.take((limit + 1).saturating_sub(found.len())));
        return Ok(());
    }
    let header = reader.header(number)?.ok_or(LookupError::UnknownBlock)?;
    if !filter.matches_bloom(header.logs_bloom()) {
        return Ok(());
    }
    let receipts = reader.receipts(number)?.ok_or(LookupError::UnknownBlock)?;
    let place = LogPlace::of(&header);
    let mut log_index = 0;
    for (tx_index, receipt) in (0..).zip(receipts) {
        // Of the transactions only those with matching logs are read.
        let mut tx_hash = None;
        for log in receipt.logs {
            if found.len() > limit {
                return Ok(());
            }
            if filter.matches(&log) {
                let hash = match tx_hash {
                    Some(hash) => hash,
                    None => reader
                        .transaction_hash(number, tx_index)?
                        .ok_or(LookupError::UnknownBlock)?,
                };
                tx_hash = Some(hash);
                found.push(place.log(log, hash, tx_index, log_index));
            }
            log_index += 1;
        }
    }
    Ok(())
}

/// The blocks that a filter asks for, from and to inclusive; `None` if all of them are
/// yet to come.
fn range(reader: &Reader, filter: &Filter) -> Result<Option<(BlockNumber, BlockNumber)>, RpcError> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = block_id::find(reader, hash.into())?.ok_or(LookupError::UnknownBlock)?;
            Ok(Some((number, number)))
        }
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => {
            let number = |tag: Option<BlockNumberOrTag>| {
                block_id::number(reader, tag.unwrap_or(BlockNumberOrTag::Latest))
            };
            let (from, to) = (number(from_block)?, number(to_block)?);
            let head = reader.head()?.number;
            if from > to {
                return Err(RpcError::InvalidParams(format!(
                    "invalid block range params: fromBlock {from} is after toBlock {to}"
                )));
            }
            Ok((from <= head).then_some((from, to.min(head))))
        }
    }
}
