//! Accounts and storage, at any block.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::DatabaseRef as _;
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{backend::Backend, block_id},
};

#[rpc(server, namespace = "eth")]
trait State {
    #[method(name = "getBalance")]
    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256>;

    #[method(name = "getCode")]
    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes>;

    #[method(name = "getStorageAt")]
    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> RpcResult<B256>;

    #[method(name = "getTransactionCount")]
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    StateServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl StateServer for Handler {
    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256> {
        let balance = self.0.look_up(|reader| {
            let account = block_id::state(&self.0, reader, block)?.basic_ref(address)?;
            Ok(account.map(|account| account.balance).unwrap_or_default())
        });
        Ok(balance?)
    }

    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        let code = self.0.look_up(|reader| {
            let state = block_id::state(&self.0, reader, block)?;
            let account = state.basic_ref(address)?;
            let Some(account) = account.filter(|account| !account.is_empty_code_hash()) else {
                return Ok(Bytes::new());
            };
            let code = match account.code {
                Some(code) => code,
                None => state.code_by_hash_ref(account.code_hash)?,
            };
            Ok(code.original_bytes())
        });
        Ok(code?)
    }

    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> RpcResult<B256> {
        let value = self.0.look_up(|reader| {
            let state = block_id::state(&self.0, reader, block)?;
            Ok(B256::from(
                state.storage_ref(address, slot.as_b256().into())?,
            ))
        });
        Ok(value?)
    }

    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        let nonce = self.0.look_up(|reader| {
            let nonce = match block {
                Some(BlockId::Number(BlockNumberOrTag::Pending)) => {
                    next_nonce(&self.0, reader, address)?
                }
                _ => mined_nonce(&self.0, reader, block, address)?,
            };
            Ok(U64::from(nonce))
        });
        Ok(nonce?)
    }
}

/// The nonce of an account in the state of a block.
fn mined_nonce(
    backend: &Backend,
    reader: &Reader,
    block: Option<BlockId>,
    address: Address,
) -> Result<u64, RpcError> {
    let account = block_id::state(backend, reader, block)?.basic_ref(address)?;
    Ok(account.map(|account| account.nonce).unwrap_or_default())
}

/// The nonce that follows what the pending block and the pool hold of an account.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(super) fn next_nonce(
    backend: &Backend,
    reader: &Reader,
    address: Address,
) -> Result<u64, RpcError> {
    let mined = mined_nonce(backend, reader, Some(BlockId::pending()), address)?;
    let waiting = backend.pool().pending_nonce(&address);
    Ok(waiting.map_or(mined, |nonce| nonce.max(mined)))
}
