//! Which blocks are stored beside the canonical chain, and which of them to let go when there are
//! too many.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{B256, U256};
use wattline_storage::Reader;

use crate::ChainError;

/// How many blocks are kept beside the canonical chain. A minority of the signers stalls within
/// half their number of blocks, so honest branches are far shorter.
pub(crate) const MAX_SIDE_BLOCKS: usize = 4096;

/// The least number of blocks before the head whose state a node must keep to take the chain back
/// to where any stored branch begins: a block out of turn weighs half of one in turn.
pub const MIN_HISTORY: u64 = 2 * (MAX_SIDE_BLOCKS as u64 + 1);

#[derive(Clone, Copy, Debug)]
struct SideEntry {
    parent: B256,
    total_difficulty: U256,
}

/// Parent and weight of every stored side block.
#[derive(Debug, Default)]
pub(crate) struct SideBlocks {
    blocks: HashMap<B256, SideEntry>,
}

impl SideBlocks {
    /// Reads the index of what is stored.
    pub(crate) fn load(reader: &Reader) -> Result<Self, ChainError> {
        let mut side = Self::default();
        for hash in reader.side_hashes()? {
            if let (Some(header), Some(total_difficulty)) =
                (reader.header_by_hash(hash)?, reader.total_difficulty(hash)?)
            {
                side.insert(hash, header.parent_hash, total_difficulty);
            }
        }
        Ok(side)
    }

    pub(crate) fn insert(&mut self, hash: B256, parent: B256, total_difficulty: U256) {
        self.blocks.insert(
            hash,
            SideEntry {
                parent,
                total_difficulty,
            },
        );
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        self.blocks.remove(hash);
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Hash and total difficulty of the blocks that weigh at least `total_difficulty`.
    pub(crate) fn at_least(
        &self,
        total_difficulty: U256,
    ) -> impl Iterator<Item = (B256, U256)> + '_ {
        self.blocks
            .iter()
            .filter(move |(_, entry)| entry.total_difficulty >= total_difficulty)
            .map(|(hash, entry)| (*hash, entry.total_difficulty))
    }

    /// `root` and every stored side block that descends from it.
    pub(crate) fn with_descendants(&self, root: B256) -> Vec<B256> {
        let mut children: HashMap<B256, Vec<B256>> = HashMap::new();
        for (hash, entry) in &self.blocks {
            children.entry(entry.parent).or_default().push(*hash);
        }
        let mut found = vec![root];
        let mut next = 0;
        while let Some(hash) = found.get(next).copied() {
            found.extend(children.remove(&hash).unwrap_or_default());
            next += 1;
        }
        found
    }

    /// The blocks to drop so that at most `limit` are left: ends of branches, the lightest first,
    /// so that what stays is always connected to the chain.
    pub(crate) fn surplus(&self, limit: usize) -> Vec<B256> {
        let mut left = self.blocks.clone();
        let mut surplus = Vec::new();
        while left.len() > limit {
            let parents: HashSet<B256> = left.values().map(|entry| entry.parent).collect();
            let Some(lightest) = left
                .iter()
                .filter(|(hash, _)| !parents.contains(*hash))
                .min_by_key(|(hash, entry)| (entry.total_difficulty, **hash))
                .map(|(hash, _)| *hash)
            else {
                break;
            };
            left.remove(&lightest);
            surplus.push(lightest);
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    /// 1 ← 2 ← 3 and 1 ← 4, and 5 by itself; weights as given.
    fn side() -> SideBlocks {
        let mut side = SideBlocks::default();
        for (block, parent, weight) in [(1, 0, 10), (2, 1, 12), (3, 2, 13), (4, 1, 11), (5, 0, 9)] {
            side.insert(hash(block), hash(parent), U256::from(weight));
        }
        side
    }

    #[test]
    fn the_lightest_ends_of_branches_go_first() {
        let side = side();
        assert!(side.surplus(5).is_empty());
        assert_eq!(side.surplus(3), [hash(5), hash(4)]);
        // What is left hangs together to the last block.
        assert_eq!(side.surplus(0), [5, 4, 3, 2, 1].map(hash));
    }

    #[test]
    fn a_block_falls_with_all_that_descends_from_it() {
        let side = side();
        let mut fallen = side.with_descendants(hash(2));
        assert_eq!(fallen, [hash(2), hash(3)]);
        fallen = side.with_descendants(hash(1));
        fallen.sort();
        assert_eq!(fallen, [1, 2, 3, 4].map(hash));
        assert_eq!(side.with_descendants(hash(9)), [hash(9)]);
    }

    #[test]
    fn weights_tell_what_may_be_preferable() {
        let mut heavy: Vec<_> = side().at_least(U256::from(12)).collect();
        heavy.sort();
        assert_eq!(
            heavy,
            [(hash(2), U256::from(12)), (hash(3), U256::from(13))]
        );
    }
}
