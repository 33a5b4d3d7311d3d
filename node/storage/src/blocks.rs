//! Blocks, their transactions and receipts in the tables.

use crate::{
    StorageError, StorageResult,
    codec::BodyIndex,
    tables::{
        BlockBodies, CanonicalHashes, HeaderNumbers, Headers, Receipts, TransactionHashNumbers,
        TransactionSenders, Transactions,
    },
    tx::{Kind, RwTx, Tx},
};
use alloy_eips::{BlockNumHash, eip4895::Withdrawals};
use alloy_primitives::{B256, BlockNumber};
use reth_primitives_traits::Recovered;
use wattline_primitives::{
    BlockBody, BlockWithReceipts, Receipt, RecoveredBlock, RecoveredTransaction, SealedBlock,
    SealedHeader,
};

/// A canonical transaction and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLookup {
    /// The transaction and its sender.
    pub tx: RecoveredTransaction,
    /// Number of its block.
    pub block_number: BlockNumber,
    /// Hash of its block.
    pub block_hash: B256,
    /// Its position in the block.
    pub index: u64,
    /// Base fee of its block in wei per gas.
    pub base_fee_per_gas: Option<u64>,
    /// Timestamp of its block in seconds since 1970.
    pub block_timestamp: u64,
}

pub(crate) fn head<K: Kind>(tx: &Tx<K>) -> StorageResult<BlockNumHash> {
    let (number, hash) =
        tx.last::<CanonicalHashes>()?
            .ok_or_else(|| StorageError::MissingEntry {
                table: "CanonicalHashes",
                key: "the genesis block".to_owned(),
            })?;
    Ok(BlockNumHash { number, hash })
}

pub(crate) fn header<K: Kind>(
    tx: &Tx<K>,
    number: BlockNumber,
) -> StorageResult<Option<SealedHeader>> {
    let Some(hash) = tx.get::<CanonicalHashes>(&number)? else {
        return Ok(None);
    };
    Ok(Some(SealedHeader::new(
        tx.expect::<Headers>(&number)?,
        hash,
    )))
}

pub(crate) fn block<K: Kind>(
    tx: &Tx<K>,
    number: BlockNumber,
) -> StorageResult<Option<RecoveredBlock>> {
    let Some(header) = header(tx, number)? else {
        return Ok(None);
    };
    let index = tx.expect::<BlockBodies>(&number)?;
    let body = BlockBody {
        transactions: numbered::<Transactions, K>(tx, index)?,
        ommers: Vec::new(),
        withdrawals: header.withdrawals_root.map(|_| Withdrawals::default()),
    };
    let senders = numbered::<TransactionSenders, K>(tx, index)?;
    let block = SealedBlock::from_sealed_parts(header, body);
    Ok(Some(RecoveredBlock::new_sealed(block, senders)))
}

pub(crate) fn receipts<K: Kind>(
    tx: &Tx<K>,
    number: BlockNumber,
) -> StorageResult<Option<Vec<Receipt>>> {
    let Some(index) = tx.get::<BlockBodies>(&number)? else {
        return Ok(None);
    };
    numbered::<Receipts, K>(tx, index).map(Some)
}

pub(crate) fn block_with_receipts<K: Kind>(
    tx: &Tx<K>,
    number: BlockNumber,
) -> StorageResult<Option<BlockWithReceipts>> {
    let Some(block) = block(tx, number)? else {
        return Ok(None);
    };
    let receipts = receipts(tx, number)?.unwrap_or_default();
    Ok(Some(BlockWithReceipts { block, receipts }))
}

pub(crate) fn transaction<K: Kind>(
    tx: &Tx<K>,
    hash: B256,
) -> StorageResult<Option<TransactionLookup>> {
    let Some((block_number, index)) = tx.get::<TransactionHashNumbers>(&hash)? else {
        return Ok(None);
    };
    let number = tx
        .expect::<BlockBodies>(&block_number)?
        .first
        .saturating_add(index);
    let header = tx.expect::<Headers>(&block_number)?;
    let sender = tx.expect::<TransactionSenders>(&number)?;
    Ok(Some(TransactionLookup {
        tx: Recovered::new_unchecked(tx.expect::<Transactions>(&number)?, sender),
        block_number,
        block_hash: tx.expect::<CanonicalHashes>(&block_number)?,
        index,
        base_fee_per_gas: header.base_fee_per_gas,
        block_timestamp: header.timestamp,
    }))
}

pub(crate) fn transaction_hash<K: Kind>(
    tx: &Tx<K>,
    number: BlockNumber,
    index: u64,
) -> StorageResult<Option<B256>> {
    let Some(body) = tx.get::<BlockBodies>(&number)? else {
        return Ok(None);
    };
    if index >= body.count {
        return Ok(None);
    }
    let found = tx.expect::<Transactions>(&body.first.saturating_add(index))?;
    Ok(Some(*found.tx_hash()))
}

/// Values of a table by transaction number, for all transactions of one block.
fn numbered<T: crate::tables::Table<Key = u64>, K: Kind>(
    tx: &Tx<K>,
    index: BodyIndex,
) -> StorageResult<Vec<T::Value>> {
    let mut values = Vec::new();
    let mut cursor = tx.cursor::<T>()?;
    let mut entry = if index.count == 0 {
        None
    } else {
        cursor.seek(&index.first)?
    };
    for number in index.first..index.end() {
        match entry.take() {
            Some((found, value)) if found == number => values.push(value),
            _ => {
                return Err(StorageError::MissingEntry {
                    table: T::NAME,
                    key: number.to_string(),
                });
            }
        }
        if number + 1 < index.end() {
            entry = cursor.next()?;
        }
    }
    Ok(values)
}

/// Refuses blocks that cannot be rebuilt from the tables.
fn check_body(block: &SealedBlock) -> StorageResult<()> {
    let unsupported = |what| {
        Err(StorageError::UnsupportedBody {
            number: block.number,
            what,
        })
    };
    let body = block.body();
    if !body.ommers.is_empty() {
        return unsupported("ommers");
    }
    match &body.withdrawals {
        Some(withdrawals) if !withdrawals.is_empty() => unsupported("withdrawals"),
        _ => Ok(()),
    }
}

/// Stores a block as the new head. The caller has checked that it is the next.
pub(crate) fn put_canonical(
    tx: &RwTx,
    block: &RecoveredBlock,
    receipts: &[Receipt],
) -> StorageResult<()> {
    let (number, hash) = (block.number, block.hash());
    check_body(block.sealed_block())?;
    tx.put::<Headers>(&number, block.header())?;
    tx.put::<CanonicalHashes>(&number, &hash)?;
    tx.put::<HeaderNumbers>(&hash, &number)?;

    let first = tx
        .last::<BlockBodies>()?
        .map_or(0, |(_, index)| index.end());
    let transactions = &block.body().transactions;
    let index = BodyIndex {
        first,
        count: transactions.len() as u64,
    };
    tx.put::<BlockBodies>(&number, &index)?;
    for (position, ((transaction, sender), receipt)) in
        (0..).zip(transactions.iter().zip(block.senders()).zip(receipts))
    {
        let id = first + position;
        tx.put::<Transactions>(&id, transaction)?;
        tx.put::<TransactionSenders>(&id, sender)?;
        tx.put::<Receipts>(&id, receipt)?;
        tx.put::<TransactionHashNumbers>(transaction.tx_hash(), &(number, position))?;
    }
    Ok(())
}
