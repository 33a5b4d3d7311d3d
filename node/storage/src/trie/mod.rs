//! The state trie: its root after a block, computed from the branch nodes of the state before it
//! and what the block touched.
//!
//! Stored are the branch nodes that have a hashed or a stored child; leaves are the hashed tables
//! themselves. A block's root is computed by walking down from the topmost stored branch only where
//! keys changed, and taking the stored hash everywhere else, so that the cost follows the number of
//! changed keys times the depth of the trie.

mod changes;
mod compute;
mod layered;
mod proof;
mod source;
mod updates;
mod walk;

use crate::StorageResult;

/// Nibbles of a hashed key; a branch is always above that.
const KEY_NIBBLES: usize = 64;

/// Asked now and then in long work: an error ends it.
pub(crate) type Check<'a> = &'a (dyn Fn() -> StorageResult<()> + Sync);

pub(crate) use changes::{HashedChanges, genesis_account};
pub(crate) use compute::compute;
pub(crate) use proof::prove;
pub(crate) use source::TrieView;
pub use updates::TrieUpdates;
