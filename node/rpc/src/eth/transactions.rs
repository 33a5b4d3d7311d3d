//! Transactions and receipts.

use alloy_eips::{BlockNumberOrTag, Encodable2718};
use alloy_primitives::{Address, B256, BlockNumber, Bytes, U64};
use alloy_rpc_types_eth::{Index, TransactionReceipt};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_primitives::{RecoveredBlock, TransactionSigned};
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{
        backend::Backend,
        block_id,
        convert::{self, RpcTransaction},
    },
};

#[rpc(server, namespace = "eth")]
trait Transactions {
    #[method(name = "getTransactionByHash")]
    async fn by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>>;

    #[method(name = "getTransactionByBlockNumberAndIndex")]
    async fn by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>>;

    #[method(name = "getTransactionByBlockHashAndIndex")]
    async fn by_block_and_index(
        &self,
        hash: B256,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>>;

    #[method(name = "getTransactionBySenderAndNonce")]
    async fn by_sender_and_nonce(
        &self,
        sender: Address,
        nonce: U64,
    ) -> RpcResult<Option<RpcTransaction>>;

    #[method(name = "getRawTransactionByHash")]
    async fn raw_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>>;

    #[method(name = "getRawTransactionByBlockNumberAndIndex")]
    async fn raw_by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Bytes>>;

    #[method(name = "getRawTransactionByBlockHashAndIndex")]
    async fn raw_by_block_and_index(&self, hash: B256, index: Index) -> RpcResult<Option<Bytes>>;

    #[method(name = "getTransactionReceipt")]
    async fn receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    TransactionsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

impl Handler {
    /// What `pick` makes of a block; `None` if there is no such block.
    async fn in_numbered<T: Send + 'static>(
        &self,
        number: BlockNumberOrTag,
        pick: impl FnOnce(&RecoveredBlock) -> Option<T> + Send + 'static,
    ) -> RpcResult<Option<T>> {
        let found = self.0.read(move |backend, reader| {
            let number = block_id::number(reader, number)?;
            let block = backend.caches().block(reader, number)?;
            Ok(block.and_then(|block| pick(&block.block)))
        });
        Ok(found.await?)
    }

    /// The same, of a block by its hash.
    async fn in_hashed<T: Send + 'static>(
        &self,
        hash: B256,
        pick: impl FnOnce(&RecoveredBlock) -> Option<T> + Send + 'static,
    ) -> RpcResult<Option<T>> {
        let found = self.0.read(move |backend, reader| {
            let block = match reader.block_number(hash)? {
                Some(number) => backend.caches().block(reader, number)?,
                None => None,
            };
            Ok(block.and_then(|block| pick(&block.block)))
        });
        Ok(found.await?)
    }
}

#[async_trait]
impl TransactionsServer for Handler {
    async fn by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>> {
        let transaction = self.0.read(move |backend, reader| {
            if let Some(found) = reader.transaction(hash)? {
                return Ok(Some(convert::mined_transaction(found)));
            }
            Ok(backend
                .pool()
                .get(&hash)
                .map(|found| convert::pooled_transaction(&found)))
        });
        Ok(transaction.await?)
    }

    async fn by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>> {
        self.in_numbered(number, move |block| {
            convert::transaction_at(block, index.into())
        })
        .await
    }

    async fn by_block_and_index(
        &self,
        hash: B256,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>> {
        self.in_hashed(hash, move |block| {
            convert::transaction_at(block, index.into())
        })
        .await
    }

    async fn by_sender_and_nonce(
        &self,
        sender: Address,
        nonce: U64,
    ) -> RpcResult<Option<RpcTransaction>> {
        let nonce = nonce.to();
        let transaction = self.0.read(move |backend, reader| {
            let Some(number) = block_of_nonce(reader, sender, nonce)? else {
                let waiting = backend.pool().get_by_nonce(&sender, nonce);
                return Ok(waiting.map(|found| convert::pooled_transaction(&found)));
            };
            let Some(block) = reader.block(number)? else {
                return Ok(None);
            };
            let index = block.transactions_with_sender().position(|(from, tx)| {
                *from == sender && alloy_consensus::Transaction::nonce(tx) == nonce
            });
            Ok(index.and_then(|index| convert::transaction_at(&block, index)))
        });
        Ok(transaction.await?)
    }

    async fn raw_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        let transaction = self.0.read(move |backend, reader| {
            if let Some(found) = reader.transaction(hash)? {
                return Ok(Some(raw(found.tx.inner())));
            }
            Ok(backend
                .pool()
                .get(&hash)
                .map(|found| raw(found.transaction().inner())))
        });
        Ok(transaction.await?)
    }

    async fn raw_by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Bytes>> {
        self.in_numbered(number, move |block| raw_at(block, index.into()))
            .await
    }

    async fn raw_by_block_and_index(&self, hash: B256, index: Index) -> RpcResult<Option<Bytes>> {
        self.in_hashed(hash, move |block| raw_at(block, index.into()))
            .await
    }

    async fn receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        let receipt = self
            .0
            .read(move |backend, reader| receipt(backend, reader, hash));
        Ok(receipt.await?)
    }
}

/// The receipt of a transaction of the chain.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(super) fn receipt(
    backend: &Backend,
    reader: &Reader,
    hash: B256,
) -> Result<Option<TransactionReceipt>, RpcError> {
    let Some(found) = reader.transaction(hash)? else {
        return Ok(None);
    };
    let block = backend.caches().block(reader, found.block_number)?;
    let index = usize::try_from(found.index).unwrap_or(usize::MAX);
    Ok(block.and_then(|block| convert::receipt(&block, index)))
}

/// The block in which the account's nonce went beyond `nonce`, found by halving the chain: a
/// nonce never falls. `None` if that is yet to come, or was so from the start.
fn block_of_nonce(
    reader: &Reader,
    account: Address,
    nonce: u64,
) -> Result<Option<BlockNumber>, RpcError> {
    let beyond = |number| -> Result<bool, RpcError> {
        let account = reader.state_at(number)?.account(&account)?;
        Ok(account.is_some_and(|account| account.nonce > nonce))
    };
    let (mut low, mut high) = (0, reader.head()?.number);
    if !beyond(high)? || beyond(low)? {
        return Ok(None);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if beyond(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(Some(high))
}

fn raw_at(block: &RecoveredBlock, index: usize) -> Option<Bytes> {
    block.body().transactions.get(index).map(raw)
}

fn raw(tx: &TransactionSigned) -> Bytes {
    tx.encoded_2718().into()
}
