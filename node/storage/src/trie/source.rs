//! Where a trie's branch nodes and leaves come from.

use super::{
    layered::{Layer, Layered},
    updates::TrieUpdates,
};
use crate::{
    StorageResult,
    codec::{Branch, HashedAccount, Key},
    tables::{AccountTrie, HashedAccounts, HashedStorage, StorageTrie},
    tx::{Cursor, Kind, Tx},
};
use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;
use nybbles::Nibbles;

/// One trie as it is before a change.
pub(crate) trait TrieSource {
    /// What a leaf holds.
    type Leaf: TrieLeaf;

    /// The first branch at or after the path `from`, in the order of paths, if it is at or below
    /// `within`. If both are the same, that is the topmost one there.
    fn seek_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Branch)>>;

    /// The first leaf at or after `key`.
    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, Self::Leaf)>>;

    /// The leaf after the last one returned.
    fn next_leaf(&mut self) -> StorageResult<Option<(B256, Self::Leaf)>>;
}

/// What a leaf holds.
pub(crate) trait TrieLeaf: Copy + Send + Sync {
    /// Appends its RLP, as the trie hashes it.
    fn encode_value(&self, out: &mut Vec<u8>);
}

impl TrieLeaf for HashedAccount {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.account
            .into_trie_account(self.storage_root)
            .encode(out);
    }
}

impl TrieLeaf for U256 {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

/// The tries after a block: as they are stored, under what later blocks changed in them.
pub(crate) struct TrieView<'a, K: Kind> {
    /// Where they are stored.
    pub(crate) tx: &'a Tx<K>,
    /// What blocks that are not stored changed, oldest first.
    pub(crate) layers: &'a [&'a TrieUpdates],
}

impl<K: Kind> Clone for TrieView<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for TrieView<'_, K> {}

impl<'a, K: Kind> TrieView<'a, K> {
    /// The tries as they are stored.
    pub(crate) const fn stored(tx: &'a Tx<K>) -> Self {
        Self { tx, layers: &[] }
    }

    /// The state trie.
    pub(super) fn accounts(self) -> StorageResult<Layered<'a, AccountSource<'a, K>>> {
        let stored = AccountSource {
            branches: self.tx.cursor()?,
            leaves: self.tx.cursor()?,
        };
        let layer = |updates: &&'a TrieUpdates| Layer::new(&updates.nodes, &updates.accounts);
        Ok(Layered::new(
            stored,
            self.layers.iter().map(layer).collect(),
        ))
    }

    /// The storage trie of the account whose address has this hash; without anything in it if the
    /// change begins by wiping it.
    pub(super) fn storage(
        self,
        address: B256,
        mut wiped: bool,
    ) -> StorageResult<Layered<'a, StorageSource<'a, K>>> {
        let mut layers = Vec::new();
        for updates in self.layers.iter().rev() {
            if wiped {
                break;
            }
            if let Some(storage) = updates.storage(&address) {
                layers.push(Layer::new(&storage.nodes, &storage.slots));
                wiped = storage.wiped;
            }
        }
        layers.reverse();
        let stored = StorageSource {
            branches: self.tx.cursor()?,
            leaves: self.tx.cursor()?,
            address,
            wiped,
        };
        Ok(Layered::new(stored, layers))
    }

    /// A leaf of the state trie.
    pub(super) fn account(self, address: &B256) -> StorageResult<Option<HashedAccount>> {
        let changed = |updates: &&TrieUpdates| updates.account(address);
        match self.layers.iter().rev().find_map(changed) {
            Some(account) => Ok(account),
            None => self.tx.get::<HashedAccounts>(address),
        }
    }
}

/// The state trie as it is stored.
pub(crate) struct AccountSource<'tx, K: Kind> {
    branches: Cursor<'tx, AccountTrie, K>,
    leaves: Cursor<'tx, HashedAccounts, K>,
}

impl<K: Kind> TrieSource for AccountSource<'_, K> {
    type Leaf = HashedAccount;

    fn seek_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Branch)>> {
        self.branches
            .seek_within(from.encode().as_ref(), within.encode().as_ref())
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, HashedAccount)>> {
        self.leaves.seek(&key)
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, HashedAccount)>> {
        self.leaves.next()
    }
}

/// The storage trie of one account as it is stored.
pub(crate) struct StorageSource<'tx, K: Kind> {
    branches: Cursor<'tx, StorageTrie, K>,
    leaves: Cursor<'tx, HashedStorage, K>,
    address: B256,
    /// Whether nothing of it counts any more.
    wiped: bool,
}

impl<K: Kind> TrieSource for StorageSource<'_, K> {
    type Leaf = U256;

    fn seek_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Branch)>> {
        if self.wiped {
            return Ok(None);
        }
        let (from, within) = ((self.address, *from), (self.address, *within));
        let found = self
            .branches
            .seek_within(from.encode().as_ref(), within.encode().as_ref())?;
        Ok(found.map(|((_, path), branch)| (path, branch)))
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, U256)>> {
        if self.wiped {
            return Ok(None);
        }
        let key = (self.address, key).encode();
        let found = self
            .leaves
            .seek_within(key.as_ref(), self.address.as_slice())?;
        Ok(found.map(|((_, slot), value)| (slot, value)))
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, U256)>> {
        let found = self.leaves.next_within(self.address.as_slice())?;
        Ok(found.map(|((_, slot), value)| (slot, value)))
    }
}
