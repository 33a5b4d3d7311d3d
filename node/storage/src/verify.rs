//! Checking a database against itself.

use crate::{
    StorageResult,
    tables::{PlainAccounts, PlainStorage},
    tx::{Kind, Tx},
};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use std::collections::BTreeMap;

/// The state root computed from the plain state alone, without the hashed tables and the stored
/// branch nodes.
pub(crate) fn state_root<K: Kind>(tx: &Tx<K>) -> StorageResult<B256> {
    let mut storages: BTreeMap<Address, Vec<(B256, U256)>> = BTreeMap::new();
    for ((address, slot), value) in tx.with_prefix::<PlainStorage>(&[])? {
        storages.entry(address).or_default().push((slot, value));
    }
    let accounts = tx
        .with_prefix::<PlainAccounts>(&[])?
        .into_iter()
        .map(|(address, account)| {
            let slots = storages.remove(&address).unwrap_or_default();
            (
                address,
                account.into_trie_account(storage_root_unhashed(slots)),
            )
        });
    let accounts: Vec<_> = accounts.collect();
    Ok(state_root_unhashed(accounts))
}
