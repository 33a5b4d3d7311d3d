//! Keeping the marks up with the chain.

use super::marks::{Mark, Marks, SECTION, of_block, place};
use crate::{
    StorageResult,
    tables::{LogSections, RecentLogs, Table},
    tx::RwTx,
};
use alloy_primitives::BlockNumber;
use wattline_primitives::Receipt;

/// A table of runs: by section or block, and the last mark of each part.
pub(super) trait Runs: Table<Key = (u64, Mark), Value = Marks> {}
impl<T: Table<Key = (u64, Mark), Value = Marks>> Runs for T {}

/// Marks the logs of the new head.
pub(crate) fn append(tx: &RwTx, number: BlockNumber, receipts: &[Receipt]) -> StorageResult<()> {
    let marks = of_block(number, receipts);
    if u64::from(place(number)) + 1 < SECTION {
        return put::<RecentLogs>(tx, number, &marks);
    }
    let section = number / SECTION;
    let mut all = take_from::<RecentLogs>(tx, section * SECTION)?;
    all.extend(marks);
    // Merges the runs that the blocks' marks are.
    all.sort();
    put::<LogSections>(tx, section, &all)
}

fn put<T: Runs>(tx: &RwTx, id: u64, run: &[Mark]) -> StorageResult<()> {
    Marks::parts(run).try_for_each(|(last, part)| tx.put::<T>(&(id, last), &part))
}

/// Removes all runs from `first` on and returns their marks.
fn take_from<T: Runs>(tx: &RwTx, first: u64) -> StorageResult<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut keys = Vec::new();
    let mut cursor = tx.cursor::<T>()?;
    let mut entry = cursor.seek(&(first, Mark::default()))?;
    while let Some((key, part)) = entry {
        keys.push(key);
        marks.extend(part.into_inner());
        entry = cursor.next()?;
    }
    for key in keys {
        tx.delete::<T>(&key)?;
    }
    Ok(marks)
}
