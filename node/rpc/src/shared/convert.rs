//! From the chain's types to Ethereum's JSON.

use alloy_consensus::{BlockHeader as _, ReceiptEnvelope, Transaction as _, TxReceipt as _};
use alloy_primitives::{Address, B256, TxKind};
use alloy_rpc_types_eth::{
    Block, BlockTransactions, Log, Transaction, TransactionInfo, TransactionReceipt,
};
use reth_rpc_traits::FromConsensusTx;
use wattline_pool::PooledTransaction;
use wattline_primitives::{
    BlockWithReceipts, Receipt, RecoveredBlock, RecoveredTransaction, SealedHeader,
    TransactionSigned,
};
use wattline_storage::TransactionLookup;

use super::header::RpcHeader;

/// A transaction as clients see it.
pub(crate) type RpcTransaction = Transaction<TransactionSigned>;
/// A block as clients see it.
pub(crate) type RpcBlock = Block<RpcTransaction, RpcHeader>;

/// A block with hashes or whole transactions.
pub(crate) fn block(block: &RecoveredBlock, full: bool) -> RpcBlock {
    let size = block.rlp_length();
    let transactions = if full {
        let transactions = block
            .clone_transactions_recovered()
            .enumerate()
            .map(|(index, tx)| transaction(tx, block_info(block, index)))
            .collect();
        BlockTransactions::Full(transactions)
    } else {
        BlockTransactions::Hashes(
            block
                .body()
                .transactions
                .iter()
                .map(|tx| *tx.tx_hash())
                .collect(),
        )
    };
    Block {
        header: RpcHeader::of_block(block.clone_sealed_header(), size),
        uncles: Vec::new(),
        transactions,
        withdrawals: block.body().withdrawals.clone(),
    }
}

/// The transaction at `index` of a block; `None` if there is none.
pub(crate) fn transaction_at(block: &RecoveredBlock, index: usize) -> Option<RpcTransaction> {
    let tx = block.body().transactions.get(index)?.clone();
    let sender = *block.senders().get(index)?;
    let tx = RecoveredTransaction::new_unchecked(tx, sender);
    Some(transaction(tx, block_info(block, index)))
}

/// A canonical transaction.
pub(crate) fn mined_transaction(found: TransactionLookup) -> RpcTransaction {
    let info = TransactionInfo {
        hash: Some(*found.tx.tx_hash()),
        index: Some(found.index),
        block_hash: Some(found.block_hash),
        block_number: Some(found.block_number),
        base_fee: found.base_fee_per_gas,
        block_timestamp: Some(found.block_timestamp),
    };
    transaction(found.tx, info)
}

/// A transaction that waits in the pool.
pub(crate) fn pooled_transaction(found: &PooledTransaction) -> RpcTransaction {
    waiting_transaction(found.transaction().clone())
}

/// A transaction as it waited in the pool.
pub(crate) fn waiting_transaction(waiting: RecoveredTransaction) -> RpcTransaction {
    transaction(waiting, TransactionInfo::default())
}

fn block_info(block: &RecoveredBlock, index: usize) -> TransactionInfo {
    TransactionInfo {
        hash: None,
        index: Some(index as u64),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        base_fee: block.base_fee_per_gas(),
        block_timestamp: Some(block.timestamp()),
    }
}

fn transaction(tx: RecoveredTransaction, info: TransactionInfo) -> RpcTransaction {
    let (tx, signer) = tx.into_parts();
    let Ok(transaction) = RpcTransaction::from_consensus_tx(tx, signer, info);
    transaction
}

/// All receipts of a block.
pub(crate) fn receipts(block: &BlockWithReceipts) -> Vec<TransactionReceipt> {
    let mut before = Before::default();
    let receipts = block
        .block
        .transactions_recovered()
        .zip(&block.receipts)
        .enumerate();
    receipts
        .map(|(index, (tx, receipt))| {
            let sender = *tx.signer_ref();
            let converted = one_receipt(&block.block, index, tx.inner(), sender, receipt, before);
            before = before.after(receipt);
            converted
        })
        .collect()
}

/// The receipt at `index` of a block; `None` if there is no such transaction.
pub(crate) fn receipt(block: &BlockWithReceipts, index: usize) -> Option<TransactionReceipt> {
    let before = block
        .receipts
        .iter()
        .take(index)
        .fold(Before::default(), |before, receipt| before.after(receipt));
    let tx = block.block.body().transactions.get(index)?;
    let sender = *block.block.senders().get(index)?;
    Some(one_receipt(
        &block.block,
        index,
        tx,
        sender,
        block.receipts.get(index)?,
        before,
    ))
}

/// What the transactions before one have added up to in their block.
#[derive(Clone, Copy, Default)]
struct Before {
    gas_used: u64,
    logs: u64,
}

impl Before {
    fn after(self, receipt: &Receipt) -> Self {
        Self {
            gas_used: receipt.cumulative_gas_used,
            logs: self.logs + receipt.logs.len() as u64,
        }
    }
}

fn one_receipt(
    block: &RecoveredBlock,
    index: usize,
    tx: &TransactionSigned,
    sender: Address,
    receipt: &Receipt,
    before: Before,
) -> TransactionReceipt {
    let place = LogPlace::of(block.sealed_header());
    let hash = *tx.tx_hash();
    let mut log_index = before.logs;
    let gas_used = receipt.cumulative_gas_used.saturating_sub(before.gas_used);
    let receipt = receipt.clone().map_logs(|log| {
        let log = place.log(log, hash, index as u64, log_index);
        log_index += 1;
        log
    });
    TransactionReceipt {
        inner: ReceiptEnvelope::from(receipt),
        transaction_hash: hash,
        transaction_index: Some(index as u64),
        block_hash: Some(place.block_hash),
        block_number: Some(place.block_number),
        gas_used,
        effective_gas_price: tx.effective_gas_price(block.base_fee_per_gas()),
        blob_gas_used: None,
        blob_gas_price: None,
        from: sender,
        to: tx.to(),
        contract_address: match tx.kind() {
            TxKind::Create => Some(sender.create(tx.nonce())),
            TxKind::Call(_) => None,
        },
    }
}

/// Where the logs of a block are.
#[derive(Clone, Copy)]
pub(crate) struct LogPlace {
    block_hash: B256,
    block_number: u64,
    timestamp: u64,
}

impl LogPlace {
    /// In the block of this header.
    pub(crate) fn of(header: &SealedHeader) -> Self {
        Self {
            block_hash: header.hash(),
            block_number: header.number,
            timestamp: header.timestamp,
        }
    }

    pub(crate) fn log(
        self,
        log: alloy_primitives::Log,
        tx: B256,
        tx_index: u64,
        index: u64,
    ) -> Log {
        Log {
            inner: log,
            block_hash: Some(self.block_hash),
            block_number: Some(self.block_number),
            block_timestamp: Some(self.timestamp),
            transaction_hash: Some(tx),
            transaction_index: Some(tx_index),
            log_index: Some(index),
            // A block that is shown is final.
            removed: false,
        }
    }
}

/// The logs of a block that `wanted` picks.
pub(crate) fn logs<'a>(
    block: &'a RecoveredBlock,
    receipts: &'a [Receipt],
    wanted: impl Fn(&alloy_primitives::Log) -> bool + 'a,
) -> impl Iterator<Item = Log> + 'a {
    let place = LogPlace::of(block.sealed_header());
    let transactions = (0..).zip(block.body().transactions.iter().zip(receipts));
    transactions
        .flat_map(|(tx_index, (tx, receipt))| {
            receipt
                .logs()
                .iter()
                .map(move |log| (*tx.tx_hash(), tx_index, log))
        })
        .enumerate()
        .filter(move |(_, (_, _, log))| wanted(log))
        .map(move |(index, (hash, tx_index, log))| {
            place.log(log.clone(), hash, tx_index, index as u64)
        })
}
