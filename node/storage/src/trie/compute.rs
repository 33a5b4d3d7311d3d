//! The state root: the roots of all changed storage tries, then that of the state trie.

use super::{
    Check,
    changes::{AccountChange, HashedChanges},
    source::{StorageCursors, TrieView},
    updates::{StorageUpdates, TrieUpdates},
    walk::{NodeUpdates, root_after},
};
use crate::{StorageResult, codec::HashedAccount, tx::Kind};
use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Computes the state root after `changes` on the state of block `parent`, whose root is
/// `parent_root`. `views` are one or more views of that state; the storage tries are shared out
/// between them.
pub(crate) fn compute<K: Kind>(
    views: &[TrieView<'_, K>],
    parent: B256,
    parent_root: B256,
    changes: HashedChanges,
) -> StorageResult<TrieUpdates> {
    let mut updates = TrieUpdates {
        parent,
        root: parent_root,
        ..TrieUpdates::default()
    };
    let Some(view) = views.first() else {
        return Ok(updates);
    };
    (updates.accounts, updates.storages) = leaves(views, changes, &|| Ok(()))?;
    if !updates.accounts.is_empty() {
        let mut accounts = view.accounts()?;
        (updates.root, updates.nodes) = root_after(&mut accounts, &updates.accounts, &|| Ok(()))?;
    }
    Ok(updates)
}

/// Leaves of the state trie that change, and what changes in the storage tries below them; both
/// by hash of the address.
type Leaves = (
    Vec<(B256, Option<HashedAccount>)>,
    Vec<(B256, StorageUpdates)>,
);

/// What `changes` lead to in the leaves of the state trie.
pub(super) fn leaves<K: Kind>(
    views: &[TrieView<'_, K>],
    changes: HashedChanges,
    check: Check<'_>,
) -> StorageResult<Leaves> {
    let (mut accounts, mut storages) = (Vec::new(), Vec::new());
    let Some(view) = views.first() else {
        return Ok((accounts, storages));
    };
    let roots = storage_roots(views, &changes.0, check)?;
    for (change, computed) in changes.0.into_iter().zip(roots) {
        let AccountChange {
            address,
            account,
            storage,
        } = change;
        let before = view.account(&address)?;
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
            accounts.push((address, after));
        }
        if !storage.is_empty() {
            let nodes = computed.map(|(_, nodes)| nodes).unwrap_or_default();
            let storage = StorageUpdates {
                wiped: storage.wiped,
                slots: storage.slots,
                nodes,
            };
            storages.push((address, storage));
        }
    }
    Ok((accounts, storages))
}

type StorageRoot = Option<(B256, NodeUpdates)>;

/// New storage root and nodes of each change that sets slots.
fn storage_roots<K: Kind>(
    views: &[TrieView<'_, K>],
    changes: &[AccountChange],
    check: Check<'_>,
) -> StorageResult<Vec<StorageRoot>> {
    // Storage tries differ in size by orders of magnitude, so whoever is free takes the next.
    let next = AtomicUsize::new(0);
    let work = |view: &TrieView<'_, K>| -> StorageResult<Vec<(usize, StorageRoot)>> {
        let mut cursors = view.storages()?;
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(change) = changes.get(index) else {
                return Ok(done);
            };
            if let Some(root) = storage_root(&mut cursors, change, check)? {
                done.push((index, Some(root)));
            }
        }
    };
    let done = match views {
        [view] => vec![work(view)?],
        views => views.par_iter().map(work).collect::<StorageResult<_>>()?,
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
    check: Check<'_>,
) -> StorageResult<StorageRoot> {
    if storage.slots.is_empty() {
        return Ok(None);
    }
    let mut source = cursors.account(*address, storage.wiped);
    root_after(&mut source, &storage.slots, check).map(Some)
}
