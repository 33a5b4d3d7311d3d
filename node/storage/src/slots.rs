//! Which slots an account has or had.

use crate::{
    StorageResult,
    codec::Key,
    tables::{PlainStorage, StorageHistory},
    tx::{Kind, Tx},
};
use alloy_primitives::{Address, B256};
use std::ops::ControlFlow;

/// Visits the slots of `address` that have a value now.
pub(crate) fn visit_present<K: Kind>(
    tx: &Tx<K>,
    address: &Address,
    visit: &mut impl FnMut(B256) -> ControlFlow<()>,
) -> StorageResult<ControlFlow<()>> {
    let mut cursor = tx.cursor::<PlainStorage>()?;
    let prefix = address.as_slice();
    let mut entry = cursor.seek_within(prefix, prefix)?;
    while let Some(((_, slot), _)) = entry {
        if visit(slot).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        entry = cursor.next_within(prefix)?;
    }
    Ok(ControlFlow::Continue(()))
}

/// Visits the slots of `address` that any block ever changed, each once.
pub(crate) fn visit_changed<K: Kind>(
    tx: &Tx<K>,
    address: &Address,
    visit: &mut impl FnMut(B256) -> ControlFlow<()>,
) -> StorageResult<ControlFlow<()>> {
    let mut cursor = tx.cursor::<StorageHistory>()?;
    let prefix = address.as_slice();
    let mut entry = cursor.seek_within(prefix, prefix)?;
    while let Some(((_, slot, _), ())) = entry {
        if visit(slot).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // Past all blocks that changed this slot.
        let after = (*address, slot, u64::MAX).encode();
        entry = cursor.seek_within(after.as_ref(), prefix)?;
    }
    Ok(ControlFlow::Continue(()))
}
