//! Checking a database against itself: everything that was kept up incrementally is computed anew
//! from the plain state and compared.

use crate::{
    StorageError, StorageResult, blocks,
    codec::{Branch, HashedAccount},
    tables::{
        AccountTrie, HashedAccounts, HashedStorage, Headers, PlainAccounts, PlainStorage,
        StorageTrie, Table,
    },
    trie::{self, TrieLeaf},
    tx::{Kind, Tx},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::HashBuilder;
use nybbles::Nibbles;
use std::{collections::BTreeMap, fmt::Debug};

/// What the hashed tables and tries must hold, given the plain state.
struct Expected {
    accounts: BTreeMap<B256, HashedAccount>,
    storage: BTreeMap<(B256, B256), U256>,
    nodes: Nodes,
    storage_nodes: BTreeMap<(B256, Nibbles), Branch>,
    root: B256,
}

type Nodes = BTreeMap<Nibbles, Branch>;

/// The state root computed from the plain state alone.
pub(crate) fn state_root<K: Kind>(tx: &Tx<K>) -> StorageResult<B256> {
    Ok(expected(tx)?.root)
}

/// Compares the hashed tables, the tries and the head's state root with the plain state.
pub(crate) fn verify<K: Kind>(tx: &Tx<K>) -> StorageResult<()> {
    let expected = expected(tx)?;
    compare::<HashedAccounts, K>(tx, &expected.accounts)?;
    compare::<HashedStorage, K>(tx, &expected.storage)?;
    compare::<AccountTrie, K>(tx, &expected.nodes)?;
    compare::<StorageTrie, K>(tx, &expected.storage_nodes)?;
    let number = blocks::head(tx)?.number;
    let stated = tx.expect::<Headers>(&number)?.state_root;
    if stated != expected.root {
        let computed = expected.root;
        return Err(StorageError::StateRootMismatch {
            number,
            expected: stated,
            computed,
        });
    }
    Ok(())
}

fn expected<K: Kind>(tx: &Tx<K>) -> StorageResult<Expected> {
    let mut slots: BTreeMap<Address, BTreeMap<B256, U256>> = BTreeMap::new();
    for ((address, slot), value) in tx.with_prefix::<PlainStorage>(&[])? {
        slots
            .entry(address)
            .or_default()
            .insert(keccak256(slot), value);
    }
    let mut expected = Expected {
        accounts: BTreeMap::new(),
        storage: BTreeMap::new(),
        nodes: Nodes::new(),
        storage_nodes: BTreeMap::new(),
        root: B256::ZERO,
    };
    for (address, account) in tx.with_prefix::<PlainAccounts>(&[])? {
        let hash = keccak256(address);
        let slots = slots.remove(&address).unwrap_or_default();
        let (storage_root, nodes) = build(&slots);
        expected.accounts.insert(
            hash,
            HashedAccount {
                account,
                storage_root,
            },
        );
        expected
            .storage
            .extend(slots.into_iter().map(|(slot, value)| ((hash, slot), value)));
        expected
            .storage_nodes
            .extend(nodes.into_iter().map(|(path, node)| ((hash, path), node)));
    }
    if let Some(address) = slots.keys().next() {
        let reason = format!("{address} has storage but is not in the table of accounts");
        return Err(StorageError::Decode {
            table: PlainStorage::NAME,
            reason,
        });
    }
    (expected.root, expected.nodes) = build(&expected.accounts);
    Ok(expected)
}

/// Root and stored branches of the trie with these leaves. The root is computed by other means than
/// elsewhere.
fn build<L: TrieLeaf>(leaves: &BTreeMap<B256, L>) -> (B256, Nodes) {
    let mut builder = HashBuilder::default();
    let mut value = Vec::new();
    for (key, leaf) in leaves {
        value.clear();
        leaf.encode_value(&mut value);
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    let (_, nodes) = trie::build(leaves.iter().map(|(key, leaf)| (*key, *leaf)));
    let nodes = nodes.into_iter();
    let nodes = nodes.filter_map(|(path, node)| Some((path, node?)));
    (builder.root(), nodes.collect())
}

fn compare<T: Table, K: Kind>(
    tx: &Tx<K>,
    expected: &BTreeMap<T::Key, T::Value>,
) -> StorageResult<()>
where
    T::Key: Debug + PartialEq,
    T::Value: Debug + PartialEq,
{
    let wrong = |reason| {
        Err(StorageError::Decode {
            table: T::NAME,
            reason,
        })
    };
    let mut expected = expected.iter();
    for (key, value) in tx.with_prefix::<T>(&[])? {
        match expected.next() {
            Some((k, v)) if *k == key && *v == value => {}
            Some((k, v)) => {
                return wrong(format!(
                    "has {key:?} = {value:?} where {k:?} = {v:?} belongs"
                ));
            }
            None => return wrong(format!("has {key:?}, which belongs to nothing")),
        }
    }
    match expected.next() {
        Some((key, _)) => wrong(format!("lacks {key:?}")),
        None => Ok(()),
    }
}
