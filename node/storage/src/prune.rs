//! Forgetting the state of old blocks: what they changed is removed, so that states before them can
//! no longer be rebuilt. The blocks themselves, their transactions, receipts and logs stay.
//!
//! The boundary is stored, and moves in the transaction that removes: it holds also when the node
//! is started without pruning later, or dies in the middle.

use crate::{
    StorageError, StorageResult, history,
    tables::{Meta, meta},
    tx::{Kind, RwTx, Tx},
};
use alloy_primitives::BlockNumber;

/// Blocks that each new block prunes at least. More than one, so that a node on which pruning was
/// switched on late catches up.
const BLOCKS_AT_LEAST: u64 = 2;
/// Blocks that it prunes at most, however little they changed.
const BLOCKS_AT_MOST: u64 = 512;
/// Records of changes after which a new block prunes no further block: some 20 ms of work.
const RECORDS: usize = 2_048;

/// The oldest block whose state can be read.
pub(crate) fn oldest_state<K: Kind>(tx: &Tx<K>) -> StorageResult<BlockNumber> {
    let Some(bytes) = tx.get::<Meta>(&meta::OLDEST_STATE)? else {
        return Ok(0);
    };
    let bytes = bytes.try_into().map_err(|_| StorageError::Decode {
        table: "Meta",
        reason: "the number of the oldest state has not 8 bytes".to_owned(),
    })?;
    Ok(BlockNumber::from_be_bytes(bytes))
}

/// Refuses a block whose state was pruned.
pub(crate) fn check<K: Kind>(tx: &Tx<K>, number: BlockNumber) -> StorageResult<()> {
    let oldest = oldest_state(tx)?;
    if number < oldest {
        return Err(StorageError::StatePruned { number, oldest });
    }
    Ok(())
}

/// Moves the boundary towards the block that is `keep` before `head`, by a bounded step.
pub(crate) fn advance(tx: &RwTx, head: BlockNumber, keep: BlockNumber) -> StorageResult<()> {
    let first = oldest_state(tx)?;
    let target = head.saturating_sub(keep);
    let (mut oldest, mut records) = (first, 0);
    while oldest < target {
        let blocks = oldest - first;
        if blocks >= BLOCKS_AT_LEAST && (blocks >= BLOCKS_AT_MOST || records >= RECORDS) {
            break;
        }
        // What a block changed is needed for the states before it only.
        oldest += 1;
        records += history::forget(tx, oldest)?;
    }
    if oldest == first {
        return Ok(());
    }
    tx.put::<Meta>(&meta::OLDEST_STATE, &oldest.to_be_bytes().to_vec())?;
    metrics::gauge!("wattline_storage_oldest_state_block").set(oldest as f64);
    Ok(())
}
