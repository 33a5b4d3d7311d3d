//! The database of a node: blocks, the state with its whole history, and the state trie, in one
//! MDBX environment to which whole blocks are appended, one or several in a write transaction, so
//! that a node killed at any instant restarts at a whole block.
//!
//! - [`Storage`] is the database; [`Reader`] a consistent view of it; [`Writer`] the one write
//!   transaction.
//! - [`StateReader`] is the state after any block, as the EVM's database.
//! - [`Overlay`] is the state after a block that is executed but not stored yet, and computes state
//!   roots on it incrementally.

mod agreement;
mod blocks;
mod chain_config;
mod codec;
mod config;
mod env;
mod error;
mod genesis;
mod history;
mod logs;
mod overlay;
mod proof;
mod prune;
mod reader;
mod slots;
mod state;
mod storage;
mod tables;
#[cfg(feature = "test-utils")]
pub mod test_utils;
mod trie;
mod tx;
mod verify;
mod writer;

pub use blocks::TransactionLookup;
pub use config::{DatabaseSpace, StorageConfig};
pub use error::{StorageError, StorageResult};
pub use genesis::ChainIdentity;
pub use logs::{LogBlocks, LogPattern};
pub use overlay::Overlay;
pub use proof::{AccountProof, ProofBudget, SlotProof};
pub use reader::Reader;
pub use state::StateReader;
pub use storage::{Storage, TableStats};
pub use trie::TrieUpdates;
pub use writer::{ExecutedBlock, Writer};
