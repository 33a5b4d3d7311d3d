//! The state root: the roots of all changed storage tries, then that of the state trie.

use super::{
    changes::{AccountChange, HashedChanges},
    source::{AccountSource, StorageCursors},
    updates::{StorageUpdates, TrieUpdates},
    walk::{NodeUpdates, root_after},
};
use crate::{
    StorageResult,
    codec::HashedAccount,
    tables::HashedAccounts,
    tx::{Kind, Tx},
};
use alloy_primitives::{B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Computes the state root after `changes` on the state of block `parent`, whose root is
/// `parent_root`. `txs` are one or more transactions that all see that state; the storage tries
/// are shared out between them.
pub(crate) fn compute<K: Kind>(
    txs: &[Tx<K>],
    parent: B256,
    parent_root: B256,
    changes: HashedChanges,
) -> StorageResult<TrieUpdates> {
    let mut updates = TrieUpdates {
        parent,
        root: parent_root,
        ..TrieUpdates::default()
    };
    let Some(tx) = txs.first() else {
        return Ok(updates);
    };
    let roots = storage_roots(txs, &changes.0)?;

    let mut accounts = AccountSource::new(tx)?;
    for (change, computed) in changes.0.into_iter().zip(roots) {
        let AccountChange {
            address,
            account,
            storage,
        } = change;
        let before = tx.get::<HashedAccounts>(&address)?;
        let storage_root = match (&computed, before) {
            (Some((root, _)), _) => *root,
            (None, Some(before)) if !storage.wiped => before.storage_root,
            (None, _) => EMPTY_ROOT_HASH,
        };
        let after = account.map(|account| HashedAccount {
            account,
            storage_root,
        });
        if after != before {
            updates.accounts.push((address, after));
        }
        if !storage.is_empty() {
            let nodes = computed.map(|(_, nodes)| nodes).unwrap_or_default();
            let storage = StorageUpdates {
                wiped: storage.wiped,
                slots: storage.slots,
                nodes,
            };
            updates.storages.push((address, storage));
        }
    }
    if !updates.accounts.is_empty() {
        (updates.root, updates.nodes) = root_after(&mut accounts, &updates.accounts)?;
    }
    Ok(updates)
}

type StorageRoot = Option<(B256, NodeUpdates)>;

/// New storage root and nodes of each change that sets slots.
fn storage_roots<K: Kind>(
    txs: &[Tx<K>],
    changes: &[AccountChange],
) -> StorageResult<Vec<StorageRoot>> {
    // Storage tries differ in size by orders of magnitude, so whoever is free takes the next.
    let next = AtomicUsize::new(0);
    let work = |tx: &Tx<K>| -> StorageResult<Vec<(usize, StorageRoot)>> {
        let mut cursors = StorageCursors::new(tx)?;
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(change) = changes.get(index) else {
                return Ok(done);
            };
            if let Some(root) = storage_root(&mut cursors, change)? {
                done.push((index, Some(root)));
            }
        }
    };
    let done = match txs {
        [tx] => vec![work(tx)?],
        txs => txs.par_iter().map(work).collect::<StorageResult<_>>()?,
    };
    let mut roots = vec![None; changes.len()];
    for (index, root) in done.into_iter().flatten() {
        roots[index] = root;
    }
    Ok(roots)
}

fn storage_root<K: Kind>(
    cursors: &mut StorageCursors<'_, K>,
    AccountChange {
        address, storage, ..
    }: &AccountChange,
) -> StorageResult<StorageRoot> {
    if storage.slots.is_empty() {
        return Ok(None);
    }
    let leaf = |(slot, value): &(B256, U256)| (*slot, (!value.is_zero()).then_some(*value));
    let slots: Vec<_> = storage.slots.iter().map(leaf).collect();
    root_after(&mut cursors.account(*address, storage.wiped), &slots).map(Some)
}
