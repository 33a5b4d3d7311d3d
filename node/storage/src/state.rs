//! Reading state: that of the head, or that of any block before it.

use crate::{
    StorageError, StorageResult, history, slots,
    tables::{Bytecodes, CanonicalHashes, PlainAccounts, PlainStorage},
    tx::RoTx,
};
use alloy_primitives::{Address, B256, BlockNumber, KECCAK256_EMPTY, U256};
use reth_primitives_traits::Account;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{ops::ControlFlow, sync::Arc};

/// The state after one block, as it was or is. Cheap to clone; clones see the same snapshot for as
/// long as they live, which keeps the database from reusing its pages: do not hold one for long.
#[derive(Clone, Debug)]
pub struct StateReader {
    tx: Arc<RoTx>,
    block: BlockNumber,
    /// Whether it is the state of the head.
    is_head: bool,
}

impl StateReader {
    /// The state after `block` of the chain with head `head`.
    pub(crate) const fn new(tx: Arc<RoTx>, block: BlockNumber, head: BlockNumber) -> Self {
        let is_head = block == head;
        Self { tx, block, is_head }
    }

    pub(crate) const fn tx(&self) -> &Arc<RoTx> {
        &self.tx
    }

    /// The block after which this was the state.
    pub const fn block(&self) -> BlockNumber {
        self.block
    }

    /// The account at `address`, if there is one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn account(&self, address: &Address) -> StorageResult<Option<Account>> {
        if !self.is_head
            && let Some(account) = history::account_after(&self.tx, address, self.block)?
        {
            return Ok(account);
        }
        self.tx.get::<PlainAccounts>(address)
    }

    /// The value of a storage slot; zero if it was never set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn storage_at(&self, address: &Address, slot: B256) -> StorageResult<U256> {
        if !self.is_head
            && let Some(value) = history::slot_after(&self.tx, address, slot, self.block)?
        {
            return Ok(value);
        }
        let value = self.tx.get::<PlainStorage>(&(*address, slot))?;
        Ok(value.unwrap_or_default())
    }

    /// The contract code with this hash.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn bytecode(&self, hash: &B256) -> StorageResult<Option<Bytecode>> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Some(Bytecode::default()));
        }
        let codes = self.tx.env().codes();
        if let Some(code) = codes.get(hash) {
            return Ok(Some(code));
        }
        let code = self.tx.get::<Bytecodes>(hash)?.map(|code| code.0);
        if let Some(code) = &code {
            codes.insert(*hash, code.clone());
        }
        Ok(code)
    }

    /// Visits every slot of `address` that has a value in this state, in no order, until `visit`
    /// has seen enough. It may also visit slots that have none, and a slot twice.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn visit_slots(
        &self,
        address: &Address,
        mut visit: impl FnMut(B256) -> ControlFlow<()>,
    ) -> StorageResult<()> {
        let flow = slots::visit_present(&self.tx, address, &mut visit)?;
        if flow.is_continue() && !self.is_head {
            let _ = slots::visit_changed(&self.tx, address, &mut visit)?;
        }
        Ok(())
    }
}

impl DatabaseRef for StateReader {
    type Error = StorageError;

    fn basic_ref(&self, address: Address) -> StorageResult<Option<AccountInfo>> {
        Ok(self.account(&address)?.map(AccountInfo::from))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> StorageResult<Bytecode> {
        self.bytecode(&code_hash)?
            .ok_or_else(|| StorageError::MissingEntry {
                table: "Bytecodes",
                key: code_hash.to_string(),
            })
    }

    fn storage_ref(&self, address: Address, index: U256) -> StorageResult<U256> {
        self.storage_at(&address, index.into())
    }

    /// Zero for blocks after this state's, as the EVM's BLOCKHASH has it.
    fn block_hash_ref(&self, number: u64) -> StorageResult<B256> {
        if number > self.block {
            return Ok(B256::ZERO);
        }
        self.tx.expect::<CanonicalHashes>(&number)
    }
}
