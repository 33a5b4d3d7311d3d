//! Reading the state through the layers: the newest that knows decides.

use super::Overlay;
use crate::{StorageError, StorageResult};
use alloy_primitives::{Address, B256, BlockNumber, KECCAK256_EMPTY, U256};
use reth_primitives_traits::Account;
use revm::{
    DatabaseRef,
    database::BundleAccount,
    state::{AccountInfo, Bytecode},
};

impl Overlay {
    /// Number of the block after which this is the state.
    pub fn block(&self) -> BlockNumber {
        let newest = self.layers.last();
        newest.map_or_else(|| self.stored.block(), |layer| layer.block.number)
    }

    /// The account at `address`, if there is one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn account(&self, address: &Address) -> StorageResult<Option<Account>> {
        match self.changed(address).next() {
            Some(changed) => Ok(changed.info.as_ref().map(Account::from)),
            None => self.stored.account(address),
        }
    }

    /// The value of a storage slot; zero if it was never set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn storage_at(&self, address: &Address, slot: B256) -> StorageResult<U256> {
        self.slot(address, slot.into())
    }

    /// The contract code with this hash.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn bytecode(&self, hash: &B256) -> StorageResult<Option<Bytecode>> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Some(Bytecode::default()));
        }
        let mut newest_first = self.layers.iter().rev();
        match newest_first.find_map(|layer| layer.state.contracts.get(hash)) {
            Some(code) => Ok(Some(code.clone())),
            None => self.stored.bytecode(hash),
        }
    }

    /// What the layers made of an account, newest first.
    fn changed<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a BundleAccount> {
        let newest_first = self.layers.iter().rev();
        newest_first.filter_map(|layer| layer.state.state.get(address))
    }

    fn slot(&self, address: &Address, slot: U256) -> StorageResult<U256> {
        for account in self.changed(address) {
            if account.info.is_none() {
                return Ok(U256::ZERO);
            }
            if let Some(value) = account.storage.get(&slot) {
                return Ok(value.present_value);
            }
            if account.was_destroyed() {
                return Ok(U256::ZERO);
            }
        }
        self.stored.storage_at(address, slot.into())
    }
}

impl DatabaseRef for Overlay {
    type Error = StorageError;

    fn basic_ref(&self, address: Address) -> StorageResult<Option<AccountInfo>> {
        match self.changed(&address).next() {
            Some(changed) => Ok(changed.info.clone()),
            None => self.stored.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> StorageResult<Bytecode> {
        self.bytecode(&code_hash)?
            .ok_or_else(|| StorageError::MissingEntry {
                table: "Bytecodes",
                key: code_hash.to_string(),
            })
    }

    fn storage_ref(&self, address: Address, index: U256) -> StorageResult<U256> {
        self.slot(&address, index)
    }

    /// Zero for blocks after this state's, as the EVM's BLOCKHASH has it.
    fn block_hash_ref(&self, number: u64) -> StorageResult<B256> {
        let mut layers = self.layers.iter();
        match layers.find(|layer| layer.block.number == number) {
            Some(layer) => Ok(layer.block.hash()),
            None => self.stored.block_hash_ref(number),
        }
    }
}
