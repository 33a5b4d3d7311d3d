//! The storage of an account within a block, in the order of the state trie.

use std::{collections::BTreeMap, ops::ControlFlow};

use alloy_primitives::{Address, B256, Bytes, U64, keccak256};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::DatabaseRef as _;
use revm_inspectors::tracing::TracingInspector;
use serde::Serialize;
use wattline_storage::Reader;

use crate::{
    RpcError,
    execution::{
        replay::{BlockReplay, BlockState, storage_error},
        tracer::Bounded,
        workers::Stop,
    },
    shared::{backend::Backend, error::LookupError},
};

#[rpc(server, namespace = "debug")]
trait StorageRange {
    #[method(name = "storageRangeAt")]
    async fn storage_range_at(
        &self,
        block: B256,
        index: U64,
        address: Address,
        start: Bytes,
        max: U64,
    ) -> RpcResult<StorageRange>;
}

/// Slots by hash.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageRange {
    storage: BTreeMap<B256, StorageEntry>,
    /// Hash of the next slot, if there are more.
    next_key: Option<B256>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StorageEntry {
    key: B256,
    value: B256,
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    StorageRangeServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl StorageRangeServer for Handler {
    async fn storage_range_at(
        &self,
        block: B256,
        index: U64,
        address: Address,
        start: Bytes,
        max: U64,
    ) -> RpcResult<StorageRange> {
        if start.len() > 32 {
            return Err(RpcError::InvalidParams(format!(
                "first hash of {} bytes: expected at most 32",
                start.len()
            ))
            .into());
        }
        let start = B256::right_padding_from(&start);
        let max = usize::try_from(max)
            .unwrap_or(usize::MAX)
            .min(self.0.limits().storage_range);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let backend = self.0.clone();
        let range = self.0.workers().trace(None, move |stop| {
            let reader = backend.chain().storage().reader()?;
            let number = reader
                .block_number(block)?
                .ok_or(LookupError::HeaderForHashNotFound)?;
            let block = reader.block(number)?.ok_or(LookupError::HeaderNotFound)?;
            let mut replay: BlockReplay<Bounded<TracingInspector>> =
                BlockReplay::new(&backend, &reader, block, stop.clone())?;
            replay.skip_to(index)?;
            let state = replay.into_state()?;
            storage_range(&reader, number, &state, address, start, max, &stop)
        });
        Ok(range.await?)
    }
}

/// The slots that the state within block `number` has from `start` on. All that may have a value
/// are looked at, as the database orders by hash only the slots of the head.
fn storage_range(
    reader: &Reader,
    number: u64,
    state: &BlockState,
    address: Address,
    start: B256,
    max: usize,
    stop: &Stop,
) -> Result<StorageRange, RpcError> {
    let read = |error| RpcError::from(storage_error(error));
    if state.basic_ref(address).map_err(read)?.is_none() {
        return Err(RpcError::Lookup(LookupError::AccountNotFound(address)));
    }
    // One more than wanted, to know where to go on.
    let mut storage: BTreeMap<B256, StorageEntry> = BTreeMap::new();
    let mut offer = |slot: B256| -> Result<(), RpcError> {
        let hash = keccak256(slot);
        let full = storage.len() > max
            && storage
                .last_key_value()
                .is_some_and(|(last, _)| hash >= *last);
        if hash < start || full {
            return Ok(());
        }
        let value = state.storage_ref(address, slot.into()).map_err(read)?;
        if !value.is_zero() {
            let value = value.into();
            storage.insert(hash, StorageEntry { key: slot, value });
            if storage.len() > max + 1 {
                storage.pop_last();
            }
        }
        Ok(())
    };
    let parent = reader.state_at(number.saturating_sub(1))?;
    let mut failed = Ok(());
    parent.visit_slots(&address, |slot| {
        failed = stop.check().and_then(|()| offer(slot));
        if failed.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    failed?;
    let within = state.cache.accounts.get(&address);
    let touched = within.and_then(|account| account.account.as_ref());
    for slot in touched
        .into_iter()
        .flat_map(|account| account.storage.keys())
    {
        offer(B256::from(*slot))?;
    }
    let next_key = (storage.len() > max)
        .then(|| storage.pop_last())
        .flatten()
        .map(|(hash, _)| hash);
    Ok(StorageRange { storage, next_key })
}
