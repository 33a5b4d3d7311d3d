//! Where a trie's stored branch nodes and leaves come from.

use crate::{
    StorageResult,
    codec::{HashedAccount, Key},
    tables::{AccountTrie, HashedAccounts, HashedStorage, StorageTrie},
    tx::{Cursor, Kind, Tx},
};
use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;
use alloy_trie::BranchNodeCompact;
use nybbles::Nibbles;

/// One trie as it is stored before a change.
pub(crate) trait TrieSource {
    /// What a leaf holds.
    type Leaf;

    /// The stored branch at `path`, or else the topmost one below it.
    fn branch_at_or_below(
        &mut self,
        path: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, BranchNodeCompact)>>;

    /// The first leaf at or after `key`.
    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, Self::Leaf)>>;

    /// The leaf after the last one returned.
    fn next_leaf(&mut self) -> StorageResult<Option<(B256, Self::Leaf)>>;

    /// Appends the RLP of a leaf's value, as the trie hashes it.
    fn encode_leaf(leaf: &Self::Leaf, out: &mut Vec<u8>);
}

/// The state trie.
pub(crate) struct AccountSource<'tx, K: Kind> {
    branches: Cursor<'tx, AccountTrie, K>,
    leaves: Cursor<'tx, HashedAccounts, K>,
}

impl<'tx, K: Kind> AccountSource<'tx, K> {
    pub(crate) fn new(tx: &'tx Tx<K>) -> StorageResult<Self> {
        Ok(Self {
            branches: tx.cursor()?,
            leaves: tx.cursor()?,
        })
    }
}

impl<K: Kind> TrieSource for AccountSource<'_, K> {
    type Leaf = HashedAccount;

    fn branch_at_or_below(
        &mut self,
        path: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, BranchNodeCompact)>> {
        let key = path.encode();
        self.branches.seek_within(key.as_ref(), key.as_ref())
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, HashedAccount)>> {
        self.leaves.seek(&key)
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, HashedAccount)>> {
        self.leaves.next()
    }

    fn encode_leaf(leaf: &HashedAccount, out: &mut Vec<u8>) {
        leaf.account
            .into_trie_account(leaf.storage_root)
            .encode(out);
    }
}

/// Cursors over the storage tries of all accounts.
pub(crate) struct StorageCursors<'tx, K: Kind> {
    branches: Cursor<'tx, StorageTrie, K>,
    leaves: Cursor<'tx, HashedStorage, K>,
}

impl<'tx, K: Kind> StorageCursors<'tx, K> {
    pub(crate) fn new(tx: &'tx Tx<K>) -> StorageResult<Self> {
        Ok(Self {
            branches: tx.cursor()?,
            leaves: tx.cursor()?,
        })
    }

    /// The storage trie of the account whose address has this hash; without anything in it if the
    /// change begins by wiping it.
    pub(crate) const fn account(
        &mut self,
        address: B256,
        wiped: bool,
    ) -> StorageSource<'_, 'tx, K> {
        StorageSource {
            cursors: self,
            address,
            wiped,
        }
    }
}

/// The storage trie of one account.
pub(crate) struct StorageSource<'a, 'tx, K: Kind> {
    cursors: &'a mut StorageCursors<'tx, K>,
    address: B256,
    wiped: bool,
}

impl<K: Kind> TrieSource for StorageSource<'_, '_, K> {
    type Leaf = U256;

    fn branch_at_or_below(
        &mut self,
        path: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, BranchNodeCompact)>> {
        if self.wiped {
            return Ok(None);
        }
        let key = (self.address, *path).encode();
        let found = self
            .cursors
            .branches
            .seek_within(key.as_ref(), key.as_ref())?;
        Ok(found.map(|((_, path), branch)| (path, branch)))
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, U256)>> {
        if self.wiped {
            return Ok(None);
        }
        let key = (self.address, key).encode();
        let found = self
            .cursors
            .leaves
            .seek_within(key.as_ref(), self.address.as_slice())?;
        Ok(found.map(|((_, slot), value)| (slot, value)))
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, U256)>> {
        let found = self.cursors.leaves.next_within(self.address.as_slice())?;
        Ok(found.map(|((_, slot), value)| (slot, value)))
    }

    fn encode_leaf(leaf: &U256, out: &mut Vec<u8>) {
        leaf.encode(out);
    }
}
