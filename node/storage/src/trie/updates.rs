//! A computed state root with all that storing it takes.

use super::build::NodeUpdates;
use crate::{
    StorageResult,
    codec::HashedAccount,
    tables::{AccountTrie, HashedAccounts, HashedStorage, StorageTrie},
    tx::RwTx,
};
use alloy_primitives::{B256, U256};

/// The state root after a block, with the hashed state and the trie nodes that change with it, so
/// that appending the block computes nothing again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    /// Hash of the block on whose state they apply.
    pub(crate) parent: B256,
    /// Root after them.
    pub(crate) root: B256,
    /// Accounts by hash of the address, sorted; None for one that is gone.
    pub(crate) accounts: Vec<(B256, Option<HashedAccount>)>,
    /// Branch nodes of the state trie.
    pub(crate) nodes: NodeUpdates,
    /// Storage by hash of the address, sorted.
    pub(crate) storages: Vec<(B256, StorageUpdates)>,
}

/// What changes in one account's storage and its trie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StorageUpdates {
    /// Whether everything stored before goes first.
    pub(crate) wiped: bool,
    /// Values by hash of the slot; None for one that is gone.
    pub(crate) slots: Vec<(B256, Option<U256>)>,
    /// Branch nodes of the storage trie.
    pub(crate) nodes: NodeUpdates,
}

impl TrieUpdates {
    /// The state root that they lead to.
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// Hash of the block on whose state they apply.
    pub const fn parent(&self) -> B256 {
        self.parent
    }

    /// What becomes of an account, if it changes.
    pub(super) fn account(&self, address: &B256) -> Option<Option<HashedAccount>> {
        find(&self.accounts, address).copied()
    }

    /// What changes in an account's storage.
    pub(super) fn storage(&self, address: &B256) -> Option<&StorageUpdates> {
        find(&self.storages, address)
    }

    /// Stores them.
    pub(crate) fn write(&self, tx: &RwTx) -> StorageResult<()> {
        for (address, account) in &self.accounts {
            match account {
                Some(account) => tx.put::<HashedAccounts>(address, account)?,
                None => drop(tx.delete::<HashedAccounts>(address)?),
            }
        }
        for (path, node) in &self.nodes {
            match node {
                Some(node) => tx.put::<AccountTrie>(path, node)?,
                None => drop(tx.delete::<AccountTrie>(path)?),
            }
        }
        self.storages
            .iter()
            .try_for_each(|(address, storage)| storage.write(tx, *address))
    }
}

/// The entry of an account.
pub(super) fn find<'a, T>(sorted: &'a [(B256, T)], address: &B256) -> Option<&'a T> {
    let index = sorted.binary_search_by_key(address, |(address, _)| *address);
    sorted.get(index.ok()?).map(|(_, found)| found)
}

impl StorageUpdates {
    fn write(&self, tx: &RwTx, address: B256) -> StorageResult<()> {
        if self.wiped {
            for key in tx.keys_with_prefix::<HashedStorage>(address.as_slice())? {
                tx.delete::<HashedStorage>(&key)?;
            }
            for key in tx.keys_with_prefix::<StorageTrie>(address.as_slice())? {
                tx.delete::<StorageTrie>(&key)?;
            }
        }
        for (slot, value) in &self.slots {
            match value {
                Some(value) => tx.put::<HashedStorage>(&(address, *slot), value)?,
                None => drop(tx.delete::<HashedStorage>(&(address, *slot))?),
            }
        }
        for (path, node) in &self.nodes {
            match node {
                Some(node) => tx.put::<StorageTrie>(&(address, *path), node)?,
                None => drop(tx.delete::<StorageTrie>(&(address, *path))?),
            }
        }
        Ok(())
    }
}
