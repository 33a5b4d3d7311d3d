//! The plain state with its history: every block's changes are kept as the values before it, so
//! that any past state can be read.

use crate::{
    StorageResult,
    codec::Key,
    tables::{
        AccountChangeSets, AccountHistory, Bytecodes, PlainAccounts, PlainStorage,
        StorageChangeSets, StorageHistory,
    },
    tx::{Kind, RwTx, Tx},
};
use alloy_primitives::{Address, B256, BlockNumber, U256};
use reth_primitives_traits::{Account, Bytecode};
use revm::database::{BundleAccount, BundleState};
use std::collections::BTreeMap;

/// The account as it was after `block`, if a later block changed it; otherwise it is as it is now.
pub(crate) fn account_after<K: Kind>(
    tx: &Tx<K>,
    address: &Address,
    block: BlockNumber,
) -> StorageResult<Option<Option<Account>>> {
    let from = (*address, block.saturating_add(1)).encode();
    let next = tx
        .cursor::<AccountHistory>()?
        .seek_within(from.as_ref(), address.as_slice())?;
    let Some(((_, changed), ())) = next else {
        return Ok(None);
    };
    tx.expect::<AccountChangeSets>(&(changed, *address))
        .map(Some)
}

/// The slot as it was after `block`, if a later block changed it; otherwise it is as it is now.
pub(crate) fn slot_after<K: Kind>(
    tx: &Tx<K>,
    address: &Address,
    slot: B256,
    block: BlockNumber,
) -> StorageResult<Option<U256>> {
    let prefix = (*address, slot).encode();
    let from = (*address, slot, block.saturating_add(1)).encode();
    let next = tx
        .cursor::<StorageHistory>()?
        .seek_within(from.as_ref(), prefix.as_ref())?;
    let Some(((_, _, changed), ())) = next else {
        return Ok(None);
    };
    tx.expect::<StorageChangeSets>(&(changed, *address, slot))
        .map(Some)
}

/// Applies what block `number` did to the plain state, and records what was before.
pub(crate) fn apply(tx: &RwTx, number: BlockNumber, state: &BundleState) -> StorageResult<()> {
    // In the order of keys, so that the database's pages are visited once each.
    let accounts: BTreeMap<_, _> = state.state.iter().collect();
    for (address, account) in accounts {
        let after = account.info.as_ref().map(Account::from);
        let before = tx.get::<PlainAccounts>(address)?;
        if before != after {
            tx.put::<AccountChangeSets>(&(number, *address), &before)?;
            tx.put::<AccountHistory>(&(*address, number), &())?;
            put_account(tx, address, after.as_ref())?;
        }
        for (slot, after) in slots_after(tx, address, account)? {
            let before = tx
                .get::<PlainStorage>(&(*address, slot))?
                .unwrap_or_default();
            if before != after {
                tx.put::<StorageChangeSets>(&(number, *address, slot), &before)?;
                tx.put::<StorageHistory>(&(*address, slot, number), &())?;
                put_slot(tx, address, slot, after)?;
            }
        }
    }
    for (hash, code) in &state.contracts {
        if tx.get::<Bytecodes>(hash)?.is_none() {
            tx.put::<Bytecodes>(hash, &Bytecode(code.clone()))?;
        }
    }
    Ok(())
}

/// New values of all slots that may have changed: those the block wrote and, if the storage was
/// wiped, all that existed.
fn slots_after(
    tx: &RwTx,
    address: &Address,
    account: &BundleAccount,
) -> StorageResult<BTreeMap<B256, U256>> {
    let mut slots = BTreeMap::new();
    if account.info.is_none() || account.was_destroyed() {
        for (_, slot) in tx.keys_with_prefix::<PlainStorage>(address.as_slice())? {
            slots.insert(slot, U256::ZERO);
        }
    }
    if account.info.is_some() {
        slots.extend(
            account
                .storage
                .iter()
                .map(|(slot, v)| (B256::from(*slot), v.present_value)),
        );
    }
    Ok(slots)
}

pub(crate) fn put_account(
    tx: &RwTx,
    address: &Address,
    account: Option<&Account>,
) -> StorageResult<()> {
    match account {
        Some(account) => tx.put::<PlainAccounts>(address, account),
        None => tx.delete::<PlainAccounts>(address).map(drop),
    }
}

pub(crate) fn put_slot(tx: &RwTx, address: &Address, slot: B256, value: U256) -> StorageResult<()> {
    if value.is_zero() {
        tx.delete::<PlainStorage>(&(*address, slot)).map(drop)
    } else {
        tx.put::<PlainStorage>(&(*address, slot), &value)
    }
}

/// The plain values that blocks changed, as they were before the first of them.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// Accounts; also those of which only the storage changed.
    pub(crate) accounts: BTreeMap<Address, Option<Account>>,
    /// Slots.
    pub(crate) slots: BTreeMap<Address, BTreeMap<B256, U256>>,
}

/// A record of a change: its key in the table of change sets.
pub(crate) enum Record {
    /// Of an account.
    Account((BlockNumber, Address)),
    /// Of a slot.
    Slot((BlockNumber, Address, B256)),
}

/// The plain values that blocks after `target` changed, as they were after it. `each` sees every
/// record of these blocks.
pub(crate) fn before<K: Kind>(
    tx: &Tx<K>,
    target: BlockNumber,
    mut each: impl FnMut(Record) -> StorageResult<()>,
) -> StorageResult<Undone> {
    let mut undone = Undone::default();
    let first = target.saturating_add(1);

    // From the first of these blocks upwards: the oldest record of a key is its value at the target.
    let mut cursor = tx.cursor::<AccountChangeSets>()?;
    let mut entry = cursor.seek(&(first, Address::ZERO))?;
    while let Some((key, before)) = entry {
        each(Record::Account(key))?;
        undone.accounts.entry(key.1).or_insert(before);
        entry = cursor.next()?;
    }
    let mut cursor = tx.cursor::<StorageChangeSets>()?;
    let mut entry = cursor.seek(&(first, Address::ZERO, B256::ZERO))?;
    while let Some((key, before)) = entry {
        each(Record::Slot(key))?;
        undone
            .slots
            .entry(key.1)
            .or_default()
            .entry(key.2)
            .or_insert(before);
        entry = cursor.next()?;
    }
    for address in undone.slots.keys() {
        if !undone.accounts.contains_key(address) {
            let account = tx.get::<PlainAccounts>(address)?;
            undone.accounts.insert(*address, account);
        }
    }
    Ok(undone)
}

/// Drops the record of what `block` changed; the state stays. Returns how much that was.
pub(crate) fn forget(tx: &RwTx, block: BlockNumber) -> StorageResult<usize> {
    let prefix = block.to_be_bytes();
    let accounts = tx.keys_with_prefix::<AccountChangeSets>(&prefix)?;
    let slots = tx.keys_with_prefix::<StorageChangeSets>(&prefix)?;
    let count = accounts.len() + slots.len();
    let accounts = accounts.into_iter().map(Record::Account);
    for record in accounts.chain(slots.into_iter().map(Record::Slot)) {
        delete(tx, &record)?;
    }
    Ok(count)
}

fn delete(tx: &RwTx, record: &Record) -> StorageResult<()> {
    match *record {
        Record::Account(key @ (block, address)) => {
            tx.delete::<AccountChangeSets>(&key)?;
            tx.delete::<AccountHistory>(&(address, block))?;
        }
        Record::Slot(key @ (block, address, slot)) => {
            tx.delete::<StorageChangeSets>(&key)?;
            tx.delete::<StorageHistory>(&(address, slot, block))?;
        }
    }
    Ok(())
}
