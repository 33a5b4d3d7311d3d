//! Blocks, transactions and receipts.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_eth::{SyncStatus, TransactionReceipt};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_primitives::RecoveredBlock;
use wattline_storage::Reader;

use crate::{
    RpcError, block_id,
    convert::{self, RpcBlock, RpcTransaction},
    doc::{Method, Schema, required},
    node::Node,
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

    #[method(name = "getTransactionByHash")]
    async fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>>;

    #[method(name = "getTransactionReceipt")]
    async fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;
}

/// The methods of this file, described.
pub(super) const DOCS: &[Method] = &[
    Method {
        name: "eth_chainId",
        summary: "The id that transactions are signed for.",
        params: &[],
        result: Schema::Quantity,
    },
    Method {
        name: "eth_blockNumber",
        summary: "The number of the head.",
        params: &[],
        result: Schema::Quantity,
    },
    Method {
        name: "eth_syncing",
        summary: "Whether the node is behind its peers.",
        params: &[],
        result: Schema::Syncing,
    },
    Method {
        name: "eth_getBlockByNumber",
        summary: "A block of the chain.",
        params: &[
            required("block number or tag", Schema::BlockNumber),
            required("full transactions: true or false", Schema::Bool),
        ],
        result: Schema::BlockOrNull,
    },
    Method {
        name: "eth_getBlockByHash",
        summary: "A block, also one that is not on the chain.",
        params: &[
            required("block hash", Schema::Hash),
            required("full transactions: true or false", Schema::Bool),
        ],
        result: Schema::BlockOrNull,
    },
    Method {
        name: "eth_getBlockReceipts",
        summary: "The receipts of a block.",
        params: &[required("block", Schema::Block)],
        result: Schema::ReceiptsOrNull,
    },
    Method {
        name: "eth_getTransactionByHash",
        summary: "A transaction of the chain or of the pool.",
        params: &[required("transaction hash", Schema::Hash)],
        result: Schema::TransactionOrNull,
    },
    Method {
        name: "eth_getTransactionReceipt",
        summary: "The receipt of a transaction of the chain.",
        params: &[required("transaction hash", Schema::Hash)],
        result: Schema::ReceiptOrNull,
    },
];

/// The methods of this file.
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    BlocksServer::into_rpc(Handler(node))
}

struct Handler(Node);

#[async_trait]
impl BlocksServer for Handler {
    async fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.0.chain().spec().chain_id()))
    }

    async fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.0.chain().head().number))
    }

    async fn syncing(&self) -> RpcResult<SyncStatus> {
        Ok(SyncStatus::None)
    }

    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: bool,
    ) -> RpcResult<Option<RpcBlock>> {
        let block = self.0.read(move |node, reader| {
            let number = block_id::number(reader, number)?;
            let block = node.caches().block(reader, number)?;
            block
                .map(|block| rpc_block(reader, &block.block, full))
                .transpose()
        });
        Ok(block.await?)
    }

    async fn block_by_hash(&self, hash: B256, full: bool) -> RpcResult<Option<RpcBlock>> {
        let block = self.0.read(move |node, reader| {
            let Some(number) = reader.block_number(hash)? else {
                return side_block(reader, hash)?
                    .map(|block| rpc_block(reader, &block, full))
                    .transpose();
            };
            let block = node.caches().block(reader, number)?;
            block
                .map(|block| rpc_block(reader, &block.block, full))
                .transpose()
        });
        Ok(block.await?)
    }

    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        let receipts = self.0.read(move |node, reader| {
            let block = match block_id::find(reader, block)? {
                Some(number) => node.caches().block(reader, number)?,
                None => None,
            };
            Ok(block.map(|block| convert::receipts(&block)))
        });
        Ok(receipts.await?)
    }

    async fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>> {
        let transaction = self.0.read(move |node, reader| {
            if let Some(found) = reader.transaction(hash)? {
                return Ok(Some(convert::mined_transaction(found)));
            }
            Ok(node
                .pool()
                .get(&hash)
                .map(|found| convert::pooled_transaction(&found)))
        });
        Ok(transaction.await?)
    }

    async fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        let receipt = self.0.read(move |node, reader| {
            let Some(found) = reader.transaction(hash)? else {
                return Ok(None);
            };
            let block = node.caches().block(reader, found.block_number)?;
            let index = usize::try_from(found.index).unwrap_or(usize::MAX);
            Ok(block.and_then(|block| convert::receipt(&block, index)))
        });
        Ok(receipt.await?)
    }
}

fn rpc_block(reader: &Reader, block: &RecoveredBlock, full: bool) -> Result<RpcBlock, RpcError> {
    let total_difficulty: Option<U256> = reader.total_difficulty(block.hash())?;
    Ok(convert::block(block, total_difficulty, full))
}

/// A block that is known, but not on the chain. Its senders are not stored.
fn side_block(reader: &Reader, hash: B256) -> Result<Option<RecoveredBlock>, RpcError> {
    let Some(block) = reader.side_block(hash)? else {
        return Ok(None);
    };
    let recovered = block
        .try_recover()
        .map_err(|error| RpcError::Internal(format!("senders of block {hash}: {error}")))?;
    Ok(Some(recovered))
}
