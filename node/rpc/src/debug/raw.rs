//! Blocks, transactions and receipts as they are encoded.

use alloy_consensus::TxReceipt as _;
use alloy_eips::{BlockId, eip2718::Encodable2718 as _};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::BadBlock;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_primitives::RecoveredBlock;
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{
        backend::Backend,
        block_id,
        convert::{self, RpcBlock},
        error::LookupError,
    },
};

#[rpc(server, namespace = "debug")]
trait Raw {
    #[method(name = "getRawHeader")]
    async fn raw_header(&self, block: BlockId) -> RpcResult<Bytes>;

    #[method(name = "getRawBlock")]
    async fn raw_block(&self, block: BlockId) -> RpcResult<Bytes>;

    #[method(name = "getRawReceipts")]
    async fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>>;

    #[method(name = "getRawTransaction")]
    async fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>>;

    #[method(name = "getBadBlocks")]
    async fn bad_blocks(&self) -> RpcResult<Vec<BadBlock<RpcBlock>>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    RawServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl RawServer for Handler {
    async fn raw_header(&self, block: BlockId) -> RpcResult<Bytes> {
        let header = self.0.read(move |backend, reader| {
            let header = block_id::header(backend, reader, block)?;
            Ok(alloy_rlp::encode(header.header()))
        });
        Ok(header.await?.into())
    }

    async fn raw_block(&self, block: BlockId) -> RpcResult<Bytes> {
        let block = self.0.read(move |backend, reader| {
            let block = block_at(backend, reader, block)?;
            Ok(alloy_rlp::encode(block.sealed_block()))
        });
        Ok(block.await?.into())
    }

    async fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>> {
        let receipts = self.0.read(move |backend, reader| {
            let header = block_id::header(backend, reader, block)?;
            let receipts = reader.receipts(header.number)?.unwrap_or_default();
            let encoded = receipts
                .into_iter()
                .map(|receipt| receipt.into_with_bloom().encoded_2718().into());
            Ok(encoded.collect())
        });
        Ok(receipts.await?)
    }

    async fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        let transaction = self.0.read(move |backend, reader| {
            if let Some(found) = reader.transaction(hash)? {
                return Ok(Some(found.tx.encoded_2718().into()));
            }
            let waiting = backend.pool().get(&hash);
            Ok(waiting.map(|found| found.transaction().encoded_2718().into()))
        });
        Ok(transaction.await?)
    }

    async fn bad_blocks(&self) -> RpcResult<Vec<BadBlock<RpcBlock>>> {
        let blocks = self.0.read(move |backend, _| {
            let refused = backend.chain().refused_blocks();
            let blocks = refused.iter().map(|block| BadBlock {
                block: convert::block(&block.block, true),
                hash: block.block.hash(),
                rlp: alloy_rlp::encode(block.block.sealed_block()).into(),
            });
            Ok(blocks.collect())
        });
        Ok(blocks.await?)
    }
}

fn block_at(
    backend: &Backend,
    reader: &Reader,
    block: BlockId,
) -> Result<RecoveredBlock, RpcError> {
    let header = block_id::header(backend, reader, block)?;
    reader
        .block(header.number)?
        .ok_or(RpcError::Lookup(LookupError::HeaderNotFound))
}
