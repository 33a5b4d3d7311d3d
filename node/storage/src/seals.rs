//! What this node's signer sealed, so that it never seals two blocks on one parent.

use crate::{
    StorageError, StorageResult,
    codec::JournaledSeal,
    tables::{SealJournal, SealedNumbers},
    tx::RwTx,
};
use alloy_primitives::{B256, BlockNumber};

/// How far behind the highest sealed block a seal is remembered, in blocks. What is further back
/// cannot be sealed any more, so nothing is lost with its record. Many times the longest
/// reorganisation that a node has the blocks for.
const REMEMBERED: u64 = 1 << 16;
/// Records that one new seal may remove: more than the one that it adds, so that they get fewer.
const REMOVED_AT_ONCE: usize = 8;

/// Whether the seal is in the journal already.
///
/// # Errors
/// If it must not be released.
pub(crate) fn check(
    tx: &RwTx,
    number: BlockNumber,
    parent: B256,
    seal_hash: B256,
) -> StorageResult<bool> {
    if let Some(JournaledSeal {
        seal_hash: sealed, ..
    }) = tx.get::<SealJournal>(&parent)?
    {
        if sealed == seal_hash {
            return Ok(true);
        }
        return Err(StorageError::AlreadySealed {
            parent,
            sealed,
            requested: seal_hash,
        });
    }
    let oldest = tx
        .last::<SealedNumbers>()?
        .map_or(0, |((latest, _), ())| oldest_remembered(latest));
    if number < oldest {
        return Err(StorageError::SealForgotten { number, oldest });
    }
    Ok(false)
}

/// Records a seal that passed the [`check`], and removes some records that are too old.
pub(crate) fn record(
    tx: &RwTx,
    number: BlockNumber,
    parent: B256,
    seal_hash: B256,
) -> StorageResult<()> {
    tx.put::<SealJournal>(&parent, &JournaledSeal { number, seal_hash })?;
    tx.put::<SealedNumbers>(&(number, parent), &())?;
    let oldest = oldest_remembered(number);
    let mut old = Vec::new();
    let mut cursor = tx.cursor::<SealedNumbers>()?;
    let mut entry = cursor.seek(&(0, B256::ZERO))?;
    while let Some((key, ())) = entry.filter(|((sealed, _), ())| *sealed < oldest) {
        old.push(key);
        if old.len() == REMOVED_AT_ONCE {
            break;
        }
        entry = cursor.next()?;
    }
    for (number, parent) in old {
        tx.delete::<SealJournal>(&parent)?;
        tx.delete::<SealedNumbers>(&(number, parent))?;
    }
    Ok(())
}

const fn oldest_remembered(latest: BlockNumber) -> BlockNumber {
    latest.saturating_sub(REMEMBERED - 1)
}
