//! The state that a block parameter names.

use alloy_primitives::{Address, B256, U256};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use wattline_storage::{Overlay, StateReader, StorageError};

/// The state after a block.
#[derive(Clone, Debug)]
pub(crate) enum ChainState {
    /// A final one.
    Final(StateReader),
    /// The one that the next block is expected to stand on.
    Pending(Overlay),
}

impl DatabaseRef for ChainState {
    type Error = StorageError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StorageError> {
        match self {
            Self::Final(state) => state.basic_ref(address),
            Self::Pending(state) => state.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StorageError> {
        match self {
            Self::Final(state) => state.code_by_hash_ref(code_hash),
            Self::Pending(state) => state.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StorageError> {
        match self {
            Self::Final(state) => state.storage_ref(address, index),
            Self::Pending(state) => state.storage_ref(address, index),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StorageError> {
        match self {
            Self::Final(state) => state.block_hash_ref(number),
            Self::Pending(state) => state.block_hash_ref(number),
        }
    }
}
