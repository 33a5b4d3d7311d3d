//! The chain and its blocks.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{Index, SyncStatus, TransactionReceipt};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};

use crate::shared::{
    backend::Backend,
    block_id,
    convert::{self, RpcBlock},
    header::RpcHeader,
};

#[rpc(server, namespace = "eth")]
trait Blocks {
    #[method(name = "chainId")]
    async fn chain_id(&self) -> RpcResult<U64>;

    #[method(name = "blockNumber")]
    async fn block_number(&self) -> RpcResult<U64>;

    #[method(name = "syncing")]
    async fn syncing(&self) -> RpcResult<SyncStatus>;

    #[method(name = "getBlockByNumber")]
    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: bool,
    ) -> RpcResult<Option<RpcBlock>>;

    #[method(name = "getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: bool) -> RpcResult<Option<RpcBlock>>;

    #[method(name = "getBlockReceipts")]
    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>>;

    #[method(name = "getHeaderByNumber")]
    async fn header_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<RpcHeader>>;

    #[method(name = "getHeaderByHash")]
    async fn header_by_hash(&self, hash: B256) -> RpcResult<Option<RpcHeader>>;

    #[method(name = "getBlockTransactionCountByNumber")]
    async fn transaction_count_by_number(&self, number: BlockNumberOrTag)
    -> RpcResult<Option<U64>>;

    #[method(name = "getBlockTransactionCountByHash")]
    async fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    #[method(name = "getUncleCountByBlockNumber")]
    async fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>>;

    #[method(name = "getUncleCountByBlockHash")]
    async fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    #[method(name = "getUncleByBlockNumberAndIndex")]
    async fn uncle_by_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<RpcBlock>>;

    #[method(name = "getUncleByBlockHashAndIndex")]
    async fn uncle_by_hash(&self, hash: B256, index: Index) -> RpcResult<Option<RpcBlock>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    BlocksServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

/// How far the node is behind its peers. Without an agreement there is nothing to catch up with.
pub(super) fn sync_status(backend: &Backend) -> SyncStatus {
    let behind = backend
        .agreement()
        .and_then(|agreement| agreement.syncing());
    behind.map_or(SyncStatus::None, |progress| {
        SyncStatus::Info(Box::new(progress))
    })
}

#[async_trait]
impl BlocksServer for Handler {
    async fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.0.chain().spec().chain_id()))
    }

    async fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.0.chain().head().number))
    }

    async fn syncing(&self) -> RpcResult<SyncStatus> {
        Ok(sync_status(&self.0))
    }

    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: bool,
    ) -> RpcResult<Option<RpcBlock>> {
        let block = self.0.read(move |backend, reader| {
            let number = block_id::number(reader, number)?;
            let block = backend.caches().block(reader, number)?;
            Ok(block.map(|block| convert::block(&block.block, full)))
        });
        Ok(block.await?)
    }

    async fn block_by_hash(&self, hash: B256, full: bool) -> RpcResult<Option<RpcBlock>> {
        let block = self.0.read(move |backend, reader| {
            let Some(number) = reader.block_number(hash)? else {
                return Ok(None);
            };
            let block = backend.caches().block(reader, number)?;
            Ok(block.map(|block| convert::block(&block.block, full)))
        });
        Ok(block.await?)
    }

    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        let receipts = self.0.read(move |backend, reader| {
            let block = match block_id::find(reader, block)? {
                Some(number) => backend.caches().block(reader, number)?,
                None => None,
            };
            Ok(block.map(|block| convert::receipts(&block)))
        });
        Ok(receipts.await?)
    }

    async fn header_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<RpcHeader>> {
        let header = self.0.read(move |_, reader| {
            let number = block_id::number(reader, number)?;
            Ok(reader.header(number)?.map(RpcHeader::new))
        });
        Ok(header.await?)
    }

    async fn header_by_hash(&self, hash: B256) -> RpcResult<Option<RpcHeader>> {
        let header = self
            .0
            .read(move |_, reader| Ok(reader.header_by_hash(hash)?.map(RpcHeader::new)));
        Ok(header.await?)
    }

    async fn transaction_count_by_number(
        &self,
        number: BlockNumberOrTag,
    ) -> RpcResult<Option<U64>> {
        let count = self.0.read(move |_, reader| {
            let number = block_id::number(reader, number)?;
            Ok(reader.transaction_count(number)?.map(U64::from))
        });
        Ok(count.await?)
    }

    async fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        let count = self.0.read(move |_, reader| {
            let count = match reader.block_number(hash)? {
                Some(number) => reader.transaction_count(number)?,
                None => None,
            };
            Ok(count.map(U64::from))
        });
        Ok(count.await?)
    }

    async fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        let count = self.0.read(move |_, reader| {
            let number = block_id::number(reader, number)?;
            Ok(reader.header(number)?.map(|_| U64::ZERO))
        });
        Ok(count.await?)
    }

    async fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        let count = self
            .0
            .read(move |_, reader| Ok(reader.header_by_hash(hash)?.map(|_| U64::ZERO)));
        Ok(count.await?)
    }

    async fn uncle_by_number(
        &self,
        _number: BlockNumberOrTag,
        _index: Index,
    ) -> RpcResult<Option<RpcBlock>> {
        Ok(None)
    }

    async fn uncle_by_hash(&self, _hash: B256, _index: Index) -> RpcResult<Option<RpcBlock>> {
        Ok(None)
    }
}
