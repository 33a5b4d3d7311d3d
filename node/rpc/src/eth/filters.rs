//! Filters that are polled.

use std::sync::Arc;

use alloy_eips::{BlockNumberOrTag, eip2718::Encodable2718};
use alloy_primitives::BlockNumber;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, FilterChanges, Log};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_storage::Reader;

use super::logs::{check_alternatives, search};
use crate::{
    RpcError,
    execution::workers::Stop,
    shared::{
        backend::Backend,
        block_id,
        convert::{self, RpcTransaction},
        error::{FilterError, LookupError},
        filters::{Wanted, WantedLogs},
    },
};

/// Hashes of blocks in one answer; the next poll has the rest.
const MAX_BLOCKS: u64 = 10_000;

type Changes = FilterChanges<RpcTransaction>;

#[rpc(server, namespace = "eth")]
trait Filters {
    #[method(name = "newFilter")]
    async fn new_filter(&self, filter: Filter) -> RpcResult<String>;

    #[method(name = "newBlockFilter")]
    fn new_block_filter(&self) -> RpcResult<String>;

    #[method(name = "newPendingTransactionFilter")]
    fn new_pending_transaction_filter(&self, full: Option<bool>) -> RpcResult<String>;

    #[method(name = "getFilterChanges")]
    async fn changes(&self, id: String) -> RpcResult<Changes>;

    #[method(name = "getFilterLogs")]
    async fn logs(&self, id: String) -> RpcResult<Vec<Log>>;

    #[method(name = "uninstallFilter")]
    fn uninstall(&self, id: String) -> RpcResult<bool>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    FiltersServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl FiltersServer for Handler {
    async fn new_filter(&self, filter: Filter) -> RpcResult<String> {
        check_alternatives(&filter, self.0.limits())?;
        let wanted = self
            .0
            .read(move |_, reader| bounded(reader, filter))
            .await?;
        Ok(self.0.filters().install_logs(self.0.chain(), wanted)?)
    }

    fn new_block_filter(&self) -> RpcResult<String> {
        Ok(self.0.filters().install_blocks(self.0.chain())?)
    }

    fn new_pending_transaction_filter(&self, full: Option<bool>) -> RpcResult<String> {
        let full = full.unwrap_or_default();
        Ok(self.0.filters().install_transactions(self.0.pool(), full)?)
    }

    async fn changes(&self, id: String) -> RpcResult<Changes> {
        let filter = self.0.filters().get(&id)?;
        // Held until the answer is there: what two polls at once get is not the same twice.
        let mut filter = filter.lock().await;
        let changes = match &mut *filter {
            Wanted::Blocks(told) => self.new_blocks(told).await,
            Wanted::Logs(wanted, told) => self.new_logs(wanted, told).await,
            Wanted::Transactions { full: false, from } => Ok(self.new_hashes(from)),
            Wanted::Transactions { full: true, from } => self.new_transactions(from).await,
        };
        Ok(changes?)
    }

    async fn logs(&self, id: String) -> RpcResult<Vec<Log>> {
        let filter = self.0.filters().get(&id)?;
        let wanted = match &*filter.lock().await {
            Wanted::Logs(wanted, _) => Arc::clone(wanted),
            _ => return Err(RpcError::Filter(FilterError::NotFound).into()),
        };
        let backend = self.0.clone();
        let logs = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            search(&backend, &reader, &wanted.filter, &stop)
        });
        Ok(logs.await?)
    }

    fn uninstall(&self, id: String) -> RpcResult<bool> {
        Ok(self.0.filters().uninstall(&id))
    }
}

impl Handler {
    async fn new_blocks(&self, told: &mut BlockNumber) -> Result<Changes, RpcError> {
        let first = *told + 1;
        let found = self.0.read(move |_, reader| {
            let last = reader.head()?.number.min(first + MAX_BLOCKS - 1);
            let mut hashes = Vec::new();
            for number in first..=last {
                let hash = reader.block_hash(number)?;
                hashes.push(hash.ok_or(LookupError::UnknownBlock)?);
            }
            Ok((last, hashes))
        });
        let (last, hashes) = found.await?;
        *told = last;
        Ok(FilterChanges::Hashes(hashes))
    }

    async fn new_logs(
        &self,
        wanted: &Arc<WantedLogs>,
        told: &mut BlockNumber,
    ) -> Result<Changes, RpcError> {
        let first = *told + 1;
        let (backend, wanted) = (self.0.clone(), Arc::clone(wanted));
        let found = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            let head = reader.head()?.number;
            wanted.search(&backend, &reader, (first, head), &stop)
        });
        let (logs, last) = found.await?;
        *told = last;
        Ok(FilterChanges::Logs(logs))
    }

    fn new_hashes(&self, from: &mut u64) -> Changes {
        let arrivals = self.0.filters().arrivals(*from, usize::MAX);
        if let Some((_, after)) = arrivals.last() {
            *from = *after;
        }
        FilterChanges::Hashes(arrivals.into_iter().map(|(hash, _)| hash).collect())
    }

    /// Transactions may be in a block by now, or gone for good; of those, nothing is told.
    async fn new_transactions(&self, from: &mut u64) -> Result<Changes, RpcError> {
        let limits = self.0.limits();
        let arrivals = self.0.filters().arrivals(*from, limits.log_results);
        // In JSON, each byte takes two.
        let room = self.0.server_limits().max_response_bytes as usize / 4;
        let (after, found) = self
            .0
            .read(move |backend, reader| {
                let mut found = Vec::new();
                let (mut after, mut bytes) = (None, 0);
                for (hash, next) in arrivals {
                    let transaction = match backend.pool().get(&hash) {
                        Some(pooled) => Some(pooled.transaction().clone()),
                        None => reader.transaction(hash)?.map(|found| found.tx),
                    };
                    if let Some(transaction) = transaction {
                        bytes += transaction.encode_2718_len();
                        if bytes > room && !found.is_empty() {
                            break;
                        }
                        found.push(convert::waiting_transaction(transaction));
                    }
                    after = Some(next);
                }
                Ok((after, found))
            })
            .await?;
        *from = after.unwrap_or(*from);
        Ok(FilterChanges::Transactions(found))
    }
}

/// Looks up which blocks a filter asks for.
fn bounded(reader: &Reader, filter: Filter) -> Result<WantedLogs, RpcError> {
    let bound = |tag: Option<BlockNumberOrTag>| match tag {
        None | Some(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => Ok(None),
        Some(tag) => block_id::number(reader, tag).map(Some),
    };
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(_) => (None, None),
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => (bound(from_block)?, bound(to_block)?),
    };
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(RpcError::InvalidParams(format!(
            "invalid block range params: fromBlock {from} is after toBlock {to}"
        )));
    }
    Ok(WantedLogs { filter, from, to })
}

impl WantedLogs {
    /// Logs of new blocks, from and to inclusive, and the block up to which they are all there:
    /// as much as one answer may hold, at least one block.
    fn search(
        &self,
        backend: &Backend,
        reader: &Reader,
        new: (BlockNumber, BlockNumber),
        stop: &Stop,
    ) -> Result<(Vec<Log>, BlockNumber), RpcError> {
        let (mut first, mut last) = new;
        if let Some(hash) = self.filter.get_block_hash() {
            match reader.block_number(hash)? {
                Some(number) => (first, last) = (first.max(number), last.min(number)),
                None => return Ok((Vec::new(), new.1)),
            }
        }
        first = self.from.map_or(first, |from| first.max(from));
        last = self.to.map_or(last, |to| last.min(to));
        let wanted_last = last;
        last = last.min(first.saturating_add(backend.limits().log_blocks.saturating_sub(1)));
        while first <= last {
            let mut part = self.filter.clone();
            part.block_option = FilterBlockOption::Range {
                from_block: Some(first.into()),
                to_block: Some(last.into()),
            };
            let reached = if last == wanted_last { new.1 } else { last };
            match search(backend, reader, &part, stop) {
                Ok(logs) => return Ok((logs, reached)),
                Err(RpcError::LimitExceeded(_)) if first < last => {
                    last = first + (last - first) / 2;
                }
                Err(RpcError::LimitExceeded(_)) => {
                    let block = reader.block_with_receipts(first)?;
                    let block = block.ok_or(LookupError::UnknownBlock)?;
                    let wanted = |log: &_| self.filter.matches(log);
                    let logs = convert::logs(&block.block, &block.receipts, wanted);
                    return Ok((logs.collect(), reached));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Vec::new(), new.1))
    }
}
