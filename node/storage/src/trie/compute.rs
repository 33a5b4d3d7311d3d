//! The state root: the roots of all changed storage tries, then that of the state trie.

use super::{
    Check,
    build::NodeUpdates,
    changes::{AccountChange, HashedChanges},
    share::share_out,
    source::{TrieSource, TrieView},
    updates::{StorageUpdates, TrieUpdates},
    walk::{Changes, root_after, root_after_in_parallel},
};
use crate::{StorageResult, codec::HashedAccount, tx::Kind};
use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;

/// Below this number of changed keys one thread is done sooner than several.
pub(super) const PARALLEL_KEYS: usize = 128;

/// Computes the state root after `changes` on the state of block `parent`, whose root is
/// `parent_root`. `views` are one or more views of that state; the work is shared out between
/// them.
pub(crate) fn compute<'a, K: Kind>(
    views: &[TrieView<'a, K>],
    parent: B256,
    parent_root: B256,
    changes: HashedChanges,
) -> StorageResult<TrieUpdates> {
    let mut updates = TrieUpdates {
        parent,
        root: parent_root,
        ..TrieUpdates::default()
    };
    let check: Check<'_> = &|| Ok(());
    (updates.accounts, updates.storages) = leaves(views, changes, check)?;
    if !updates.accounts.is_empty() {
        let open = |view: &TrieView<'a, K>| view.accounts();
        (updates.root, updates.nodes) = root(views, open, &updates.accounts, check)?;
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
    let is_large = |change: &AccountChange| change.storage.slots.len() >= PARALLEL_KEYS;
    // One after another, each on all threads; then the small ones side by side.
    let large = changes.0.iter().filter(|change| is_large(change));
    let large: Vec<_> = large
        .map(|change| storage_root(views, change, check))
        .collect::<StorageResult<_>>()?;
    let mut large = large.into_iter();
    let small = share_out(views, &changes.0, |view, change| {
        let before = view.account(&change.address)?;
        let skipped = change.storage.slots.is_empty() || is_large(change);
        let root = (!skipped).then(|| storage_root(std::slice::from_ref(view), change, check));
        Ok((before, root.transpose()?))
    })?;

    let (mut accounts, mut storages) = (Vec::new(), Vec::new());
    for (change, (before, small)) in changes.0.into_iter().zip(small) {
        let computed = if is_large(&change) {
            large.next()
        } else {
            small
        };
        let AccountChange {
            address,
            account,
            storage,
        } = change;
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

/// New storage root and nodes of an account of which slots change.
fn storage_root<'a, K: Kind>(
    views: &[TrieView<'a, K>],
    AccountChange {
        address, storage, ..
    }: &AccountChange,
    check: Check<'_>,
) -> StorageResult<(B256, NodeUpdates)> {
    let open = |view: &TrieView<'a, K>| view.storage(*address, storage.wiped);
    root(views, open, &storage.slots, check)
}

/// The root of one trie after `changes`, on all threads if there are many.
fn root<V: Sync, S: TrieSource>(
    views: &[V],
    open: impl Fn(&V) -> StorageResult<S> + Sync,
    changes: &Changes<S::Leaf>,
    check: Check<'_>,
) -> StorageResult<(B256, NodeUpdates)> {
    match views {
        [view, others @ ..] if others.is_empty() || changes.len() < PARALLEL_KEYS => {
            root_after(&mut open(view)?, changes, check)
        }
        views => root_after_in_parallel(views, open, changes, check),
    }
}
