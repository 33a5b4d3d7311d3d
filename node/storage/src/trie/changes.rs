//! State changes by hashed keys, as the tries need them.

use super::compute::PARALLEL_KEYS;
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, keccak256};
use rayon::prelude::*;
use reth_primitives_traits::Account;
use revm::database::{BundleAccount, BundleState};
use std::collections::BTreeMap;

/// Parts of a trie that are independent of each other: those below its root.
const SUBTRIES: usize = 16;

/// State changes, sorted by hash of the address.
#[derive(Clone, Debug, Default)]
pub(crate) struct HashedChanges(pub(crate) Vec<AccountChange>);

/// What became of one account.
#[derive(Clone, Debug)]
pub(crate) struct AccountChange {
    /// Hash of its address.
    pub(crate) address: B256,
    /// Its new contents; None if it is gone.
    pub(crate) account: Option<Account>,
    /// What became of its storage.
    pub(crate) storage: StorageChange,
}

/// What became of one account's storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct StorageChange {
    /// Whether all earlier slots are gone.
    pub(crate) wiped: bool,
    /// New values by hash of the slot, sorted; None for one that is gone.
    pub(crate) slots: Vec<(B256, Option<U256>)>,
}

impl StorageChange {
    /// Of slots that are not hashed yet; a trie has no leaf for zero.
    pub(crate) fn new(wiped: bool, slots: impl IntoIterator<Item = (B256, U256)>) -> Self {
        let mut slots: Vec<_> = slots
            .into_iter()
            .map(|(slot, value)| (keccak256(slot), (!value.is_zero()).then_some(value)))
            .collect();
        slots.sort_unstable_by_key(|(slot, _)| *slot);
        Self { wiped, slots }
    }

    /// Whether nothing changed.
    pub(crate) const fn is_empty(&self) -> bool {
        !self.wiped && self.slots.is_empty()
    }
}

impl AccountChange {
    fn of_bundle(address: &Address, account: &BundleAccount) -> Self {
        let wiped = account.info.is_none() || account.was_destroyed();
        let slots = account
            .storage
            .iter()
            // After a wipe the original values mean nothing: what is not zero now is new.
            .filter(|(_, slot)| {
                if wiped {
                    !slot.present_value.is_zero()
                } else {
                    slot.is_changed()
                }
            })
            .filter(|_| account.info.is_some())
            .map(|(slot, value)| (B256::from(*slot), value.present_value));
        Self {
            address: keccak256(address),
            account: account.info.as_ref().map(Account::from),
            storage: StorageChange::new(wiped, slots),
        }
    }

    fn of_genesis(address: &Address, account: &GenesisAccount) -> Self {
        let slots = account.storage.iter().flatten();
        let slots = slots
            .map(|(slot, value)| (*slot, U256::from_be_bytes(value.0)))
            .filter(|(_, value)| !value.is_zero());
        Self {
            address: keccak256(address),
            account: Some(genesis_account(account)),
            storage: StorageChange::new(false, slots),
        }
    }
}

/// The account that a genesis file describes. Empty code is no code.
pub(crate) fn genesis_account(account: &GenesisAccount) -> Account {
    let code = account.code.as_ref().filter(|code| !code.is_empty());
    Account {
        nonce: account.nonce.unwrap_or_default(),
        balance: account.balance,
        bytecode_hash: code.map(keccak256),
    }
}

impl HashedChanges {
    fn sorted(mut changes: Vec<AccountChange>) -> Self {
        changes.sort_unstable_by_key(|change| change.address);
        Self(changes)
    }

    /// On how many threads their root is to be computed.
    pub(crate) fn threads(&self) -> usize {
        let keys = self.0.iter().map(|change| 1 + change.storage.slots.len());
        if keys.sum::<usize>() < PARALLEL_KEYS {
            return 1;
        }
        rayon::current_num_threads().min(SUBTRIES)
    }

    /// The changes that the execution of a block made.
    pub(crate) fn of_bundle(state: &BundleState) -> Self {
        let accounts: Vec<_> = state.state.iter().collect();
        // Hashing a handful of keys takes less time than waking the other threads.
        let changes = accounts
            .par_iter()
            .with_min_len(128)
            .map(|(address, account)| AccountChange::of_bundle(address, account));
        Self::sorted(changes.collect())
    }

    /// The changes that turn an empty state into that of the genesis block.
    pub(crate) fn of_genesis(alloc: &BTreeMap<Address, GenesisAccount>) -> Self {
        let accounts: Vec<_> = alloc.iter().collect();
        let changes = accounts
            .par_iter()
            .with_min_len(128)
            .map(|(address, account)| AccountChange::of_genesis(address, account));
        Self::sorted(changes.collect())
    }

    /// The changes that bring back these accounts and slots.
    pub(crate) fn of_plain(
        accounts: &BTreeMap<Address, Option<Account>>,
        slots: &BTreeMap<Address, BTreeMap<B256, U256>>,
    ) -> Self {
        let change = |(address, account): (&Address, &Option<Account>)| AccountChange {
            address: keccak256(address),
            account: *account,
            storage: StorageChange::new(
                false,
                slots
                    .get(address)
                    .into_iter()
                    .flatten()
                    .map(|(slot, value)| (*slot, *value)),
            ),
        };
        Self::sorted(accounts.iter().map(change).collect())
    }
}
