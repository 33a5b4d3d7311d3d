//! Accounts and storage, at any block.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
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
            let account = block_id::state(reader, block)?.account(&address)?;
            Ok(account.map(|account| account.balance).unwrap_or_default())
        });
        Ok(balance?)
    }

    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        let code = self.0.look_up(|reader| {
            let state = block_id::state(reader, block)?;
            let hash = state
                .account(&address)?
                .and_then(|account| account.bytecode_hash);
            let Some(hash) = hash else {
                return Ok(Bytes::new());
            };
            Ok(state
                .bytecode(&hash)?
                .map(|code| code.original_bytes())
                .unwrap_or_default())
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
            let state = block_id::state(reader, block)?;
            Ok(B256::from(state.storage_at(&address, slot.as_b256())?))
        });
        Ok(value?)
    }

    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        let nonce = self.0.look_up(|reader| {
            let nonce = match block {
                Some(BlockId::Number(BlockNumberOrTag::Pending)) => {
                    next_nonce(&self.0, reader, address)?
                }
                _ => mined_nonce(reader, block, address)?,
            };
            Ok(U64::from(nonce))
        });
        Ok(nonce?)
    }
}

/// The nonce of an account in the state of a block.
fn mined_nonce(reader: &Reader, block: Option<BlockId>, address: Address) -> Result<u64, RpcError> {
    let account = block_id::state(reader, block)?.account(&address)?;
    Ok(account.map(|account| account.nonce).unwrap_or_default())
}

/// The nonce that follows an account's executable transactions.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(super) fn next_nonce(
    backend: &Backend,
    reader: &Reader,
    address: Address,
) -> Result<u64, RpcError> {
    let mined = mined_nonce(reader, None, address)?;
    let waiting = backend.pool().pending_nonce(&address);
    Ok(waiting.map_or(mined, |nonce| nonce.max(mined)))
}
