//! Which of two heads a node prefers: EIP-3436.
//!
//! In this order: the greater total difficulty; the lower block number; the head whose signer was
//! in turn most recently; the lower hash. The order is total, so that every node ends on the same
//! head from the same set of blocks, in whatever order the blocks arrive.

use crate::Snapshot;
use alloy_primitives::{Address, B256, U256};
use std::cmp::Ordering;

/// What the rule looks at in a head. The greater candidate is the one to prefer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Sum of the difficulties from genesis to this block.
    pub total_difficulty: U256,
    /// Block number.
    pub number: u64,
    /// How many blocks ago the block's signer was in turn, see [`turn_distance`].
    pub turn_distance: u64,
    /// Block hash.
    pub hash: B256,
}

impl Candidate {
    /// Whether this head replaces `other`.
    pub fn is_preferred_to(&self, other: &Self) -> bool {
        self > other
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.total_difficulty
            .cmp(&other.total_difficulty)
            .then_with(|| other.number.cmp(&self.number))
            .then_with(|| other.turn_distance.cmp(&self.turn_distance))
            .then_with(|| other.hash.cmp(&self.hash))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How many blocks before `number` its signer was last in turn:
/// `(number − signerIndex) mod signerCount`, zero being in turn. The genesis block, which nobody
/// signed, has distance zero.
///
/// `snapshot` is that of the block's parent, by which the block was sealed. A signer that the
/// snapshot does not know counts as furthest from its turn.
pub fn turn_distance(number: u64, signer: Address, snapshot: &Snapshot) -> u64 {
    let count = snapshot.signers.len() as u64;
    match snapshot.index_of(signer) {
        // The index is below the count, so the sum neither underflows nor leaves the residue.
        Some(index) => (number % count + (count - index as u64)) % count,
        None => count,
    }
}
