//! The state trie: its root after a block, computed from the branch nodes of the state before it
//! and what the block touched.
//!
//! Stored are the branch nodes that lead to other branches, each with the hashes of all its
//! children; leaves are the hashed tables themselves. A block's root is computed by walking down
//! from the topmost stored branch only where keys changed, and taking the stored hash everywhere
//! else, so that the cost follows the number of changed keys times the depth of the trie. The 16
//! subtries below the root are independent of each other, so a large change is computed on all
//! cores.

mod build;
mod changes;
mod compute;
mod layered;
mod path;
mod proof;
mod share;
mod source;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod updates;
mod walk;

use crate::StorageResult;

/// Asked now and then in long work: an error ends it.
pub(crate) type Check<'a> = &'a (dyn Fn() -> StorageResult<()> + Sync);

pub(crate) use build::build;
pub(crate) use changes::{HashedChanges, genesis_account};
pub(crate) use compute::compute;
pub(crate) use proof::prove;
pub(crate) use source::{TrieLeaf, TrieView};
pub use updates::TrieUpdates;
