//! Merkle proofs of accounts and slots.

use super::{
    Check, build::ProofNodes, changes::HashedChanges, compute::leaves, source::TrieView,
    updates::find, walk::proof_after,
};
use crate::{
    StorageResult,
    tx::{Kind, Tx},
};
use alloy_primitives::{B256, Bytes};
use nybbles::Nibbles;

/// The nodes on the way from a root to an account, and from the root of its storage to some slots.
/// Where there is no such leaf, the nodes show that there is none.
pub(crate) struct Proof {
    /// Root of the state trie.
    pub(crate) root: B256,
    /// Nodes on the way to the account.
    pub(crate) account: Vec<Bytes>,
    /// Root of the account's storage trie.
    pub(crate) storage_root: B256,
    /// Nodes on the way to each slot, in the order in which they were asked for.
    pub(crate) slots: Vec<Vec<Bytes>>,
}

/// Proves what is at `address` and `slots`, all of them hashed, in the state of the head after
/// `changes`.
pub(crate) fn prove<K: Kind>(
    tx: &Tx<K>,
    changes: HashedChanges,
    address: B256,
    slots: &[B256],
    check: Check<'_>,
) -> StorageResult<Proof> {
    let stored = TrieView::stored(tx);
    let (accounts, storages) = leaves(&[stored], changes, check)?;
    let mut source = stored.accounts()?;
    let (root, nodes) = proof_after(&mut source, &accounts, &[address], check)?;
    let account = way_to(&nodes, address);

    let mut targets = slots.to_vec();
    targets.sort_unstable();
    targets.dedup();
    let changed = find(&storages, &address).map_or(&[][..], |storage| storage.slots.as_slice());
    let mut source = stored.storage(address, false)?;
    let (storage_root, nodes) = proof_after(&mut source, changed, &targets, check)?;
    Ok(Proof {
        root,
        account,
        storage_root,
        slots: slots.iter().map(|slot| way_to(&nodes, *slot)).collect(),
    })
}

/// The nodes on the way to `key`, from the root down. Those that are part of their parent, because
/// they are shorter than a hash, are left out, and an empty trie has none.
pub(super) fn way_to(nodes: &ProofNodes, key: B256) -> Vec<Bytes> {
    let key = Nibbles::unpack(key);
    let node = |depth: usize| {
        let node = nodes.get(&key.slice(..depth))?;
        let hashed = node.len() >= B256::len_bytes();
        (hashed || depth == 0 && node.as_ref() != [alloy_rlp::EMPTY_STRING_CODE])
            .then(|| node.clone())
    };
    (0..=key.len()).filter_map(node).collect()
}
