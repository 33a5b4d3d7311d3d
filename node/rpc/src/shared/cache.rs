//! What readers ask for again and again.
//!
//! Keyed by hash, so that nothing in here is ever out of date: which block is canonical is read
//! from the database each time.

use std::sync::Arc;

use alloy_consensus::{BlockHeader as _, Transaction as _};
use alloy_primitives::{Address, B256, BlockNumber};
use quick_cache::{Weighter, sync::Cache};
use wattline_clique::recover_signer;
use wattline_primitives::{BlockWithReceipts, SealedHeader};
use wattline_storage::Reader;

use crate::{RpcError, RpcLimits};

/// Headers whose signers are remembered.
const SIGNERS: usize = 1_024;
/// What a transaction with its receipt takes besides its input and logs, in bytes.
const TRANSACTION_BYTES: usize = 640;
/// What a log takes besides its data, in bytes.
const LOG_BYTES: usize = 192;

/// Decoded blocks and the signers of headers.
#[derive(Debug)]
pub(crate) struct Caches {
    blocks: Cache<B256, Arc<BlockWithReceipts>, Bytes>,
    signers: Cache<B256, Address>,
}

impl Caches {
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        let bytes = limits.block_cache_bytes;
        Self {
            blocks: Cache::with_weighter(64, bytes, Bytes),
            signers: Cache::new(SIGNERS),
        }
    }

    /// A canonical block, if it is at hand. For readers of many blocks, which would only push
    /// each other out.
    ///
    /// # Errors
    ///
    /// [`RpcError::Storage`].
    pub(crate) fn known_block(
        &self,
        reader: &Reader,
        number: BlockNumber,
    ) -> Result<Option<Arc<BlockWithReceipts>>, RpcError> {
        let hash = reader.block_hash(number)?;
        Ok(hash.and_then(|hash| self.blocks.get(&hash)))
    }

    /// A canonical block with its receipts; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`RpcError::Storage`].
    pub(crate) fn block(
        &self,
        reader: &Reader,
        number: BlockNumber,
    ) -> Result<Option<Arc<BlockWithReceipts>>, RpcError> {
        let Some(hash) = reader.block_hash(number)? else {
            return Ok(None);
        };
        if let Some(block) = self.blocks.get(&hash) {
            return Ok(Some(block));
        }
        let block = reader.block_with_receipts(number)?.map(Arc::new);
        if let Some(block) = &block {
            self.blocks.insert(hash, Arc::clone(block));
        }
        Ok(block)
    }

    /// Who sealed a block. The genesis block has no seal; its beneficiary stands in.
    pub(crate) fn signer(&self, header: &SealedHeader) -> Address {
        let hash = header.hash();
        self.signers.get(&hash).unwrap_or_else(|| {
            let signer = recover_signer(header).unwrap_or(header.beneficiary());
            self.signers.insert(hash, signer);
            signer
        })
    }
}

/// Weighs blocks in bytes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<B256, Arc<BlockWithReceipts>> for Bytes {
    fn weight(&self, _: &B256, block: &Arc<BlockWithReceipts>) -> u64 {
        let transactions = &block.block.body().transactions;
        let inputs = transactions.iter().map(|tx| tx.input().len());
        let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
        let logs = logs.map(|log| log.data.data.len() + LOG_BYTES);
        let bytes =
            inputs.sum::<usize>() + logs.sum::<usize>() + transactions.len() * TRANSACTION_BYTES;
        bytes.max(1) as u64
    }
}
