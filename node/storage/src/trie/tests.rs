//! Tries in memory against tries built at once, and proofs of them.

use super::{
    build::{NodeUpdates, build},
    proof::way_to,
    source::TrieSource,
    walk::{proof_after, root_after, root_after_in_parallel},
};
use crate::{StorageResult, codec::Branch};
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, proof::verify_proof};
use nybbles::Nibbles;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A trie in memory, with the counts of what was read from it.
#[derive(Clone, Debug, Default)]
struct Trie {
    leaves: BTreeMap<B256, U256>,
    branches: BTreeMap<Nibbles, Branch>,
    position: Option<B256>,
    reads: usize,
}

impl TrieSource for Trie {
    type Leaf = U256;

    fn seek_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Branch)>> {
        self.reads += 1;
        let found = self.branches.range(from..).next();
        Ok(found
            .filter(|(at, _)| at.starts_with(within))
            .map(|(at, branch)| (*at, branch.clone())))
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, U256)>> {
        self.reads += 1;
        let found = self.leaves.range(key..).next();
        let found = found.map(|(key, value)| (*key, *value));
        self.position = found.map(|(key, _)| key);
        Ok(found)
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, U256)>> {
        self.reads += 1;
        let Some(position) = self.position else {
            return Ok(None);
        };
        let mut after = self.leaves.range(position..).skip(1);
        let found = after.next().map(|(key, value)| (*key, *value));
        self.position = found.map(|(key, _)| key);
        Ok(found)
    }
}

type Change = BTreeMap<B256, Option<U256>>;

impl Trie {
    /// What changes lead to, computed in one go and with the subtries side by side.
    fn after(&self, changes: &Change) -> (B256, NodeUpdates) {
        let changes: Vec<_> = changes.iter().map(|(key, value)| (*key, *value)).collect();
        let at_once = root_after(&mut self.clone(), &changes, &|| Ok(())).unwrap();
        let views = vec![self.clone(); 3];
        let open = |view: &Self| Ok(view.clone());
        let in_parallel = root_after_in_parallel(&views, open, &changes, &|| Ok(())).unwrap();
        assert_eq!(at_once, in_parallel);
        at_once
    }

    /// Applies changes incrementally and returns the new root.
    fn change(&mut self, changes: &Change) -> B256 {
        let (root, nodes) = self.after(changes);
        for (path, node) in nodes {
            match node {
                Some(node) => self.branches.insert(path, node),
                None => self.branches.remove(&path),
            };
        }
        for (key, value) in changes {
            match value {
                Some(value) => self.leaves.insert(*key, *value),
                None => self.leaves.remove(key),
            };
        }
        root
    }

    /// Root and stored branches are those of a trie with the same leaves that was built at once,
    /// and the root is that which alloy computes.
    fn assert_rebuilt(&self, root: B256) {
        let (rebuilt, nodes) = build(self.leaves.iter().map(|(key, value)| (*key, *value)));
        let branches: BTreeMap<_, _> = nodes
            .into_iter()
            .map(|(path, node)| (path, node.unwrap()))
            .collect();
        assert_eq!((root, &self.branches), (rebuilt, &branches));
        let mut builder = HashBuilder::default();
        for (key, value) in &self.leaves {
            builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
        }
        assert_eq!(root, builder.root());
    }
}

/// Proofs of all of `keys` after `changes` verify, those of keys without a leaf too.
fn assert_proofs(trie: &mut Trie, changes: &Change, keys: &[B256]) {
    let mut after = trie.leaves.clone();
    for (key, value) in changes {
        match value {
            Some(value) => after.insert(*key, *value),
            None => after.remove(key),
        };
    }
    let (root, _) = trie.after(changes);
    let changes: Vec<_> = changes.iter().map(|(key, value)| (*key, *value)).collect();
    let mut targets = keys.to_vec();
    targets.sort_unstable();
    targets.dedup();
    let (proven, nodes) = proof_after(trie, &changes, &targets, &|| Ok(())).unwrap();
    assert_eq!(proven, root);
    for key in targets {
        let leaf = after.get(&key).map(alloy_rlp::encode);
        let way = way_to(&nodes, key);
        verify_proof(root, Nibbles::unpack(key), leaf, &way).unwrap();
    }
}

/// Keys that share prefixes of all lengths, as hashes practically never do: extensions, deep
/// branches, and branches so small that their parent holds them inline.
fn key() -> impl Strategy<Value = B256> {
    let byte = prop_oneof![Just(0x00), Just(0x01), Just(0x10), Just(0x11), any::<u8>()];
    (
        prop::sample::subsequence((0..32).collect::<Vec<usize>>(), 0..4),
        byte,
    )
        .prop_map(|(positions, byte)| {
            let mut key = B256::ZERO;
            for position in positions {
                key[position] = byte;
            }
            key
        })
}

fn hashed_key() -> impl Strategy<Value = B256> {
    (0u16..600).prop_map(|n| keccak256(n.to_be_bytes()))
}

fn changes(key: impl Strategy<Value = B256>, count: usize) -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        2 => (1u64..200).prop_map(|value| Some(U256::from(value))),
        1 => any::<u128>().prop_map(|value| Some(U256::from(value).saturating_add(U256::ONE))),
        2 => Just(None),
    ];
    prop::collection::btree_map(key, value, 0..count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn root_and_branches_equal_a_full_rebuild_for_keys_with_long_common_prefixes(
        rounds in prop::collection::vec(changes(key(), 12), 1..12)
    ) {
        let mut trie = Trie::default();
        for round in &rounds {
            let root = trie.change(round);
            trie.assert_rebuilt(root);
        }
    }

    #[test]
    fn proofs_verify_also_where_nodes_are_part_of_their_parents(
        base in changes(key(), 40),
        change in changes(key(), 12),
        keys in prop::collection::vec(key(), 1..12),
    ) {
        let mut trie = Trie::default();
        trie.change(&base);
        let present = base.keys().take(4).copied();
        let keys: Vec<_> = keys.into_iter().chain(present).collect();
        assert_proofs(&mut trie, &BTreeMap::new(), &keys);
        assert_proofs(&mut trie, &change, &keys);
    }

    #[test]
    fn root_and_branches_equal_a_full_rebuild_for_hashed_keys(
        rounds in prop::collection::vec(changes(hashed_key(), 200), 1..6)
    ) {
        let mut trie = Trie::default();
        for round in &rounds {
            let root = trie.change(round);
            trie.assert_rebuilt(root);
        }
    }
}

#[test]
fn the_cost_of_a_change_follows_the_depth_and_not_the_size() {
    const NEW: u32 = 100;
    let leaf = |n: u32| (keccak256(n.to_be_bytes()), Some(U256::from(n)));
    let reads_at = |size: u32| {
        let mut trie = Trie::default();
        trie.change(&(1..=size).map(leaf).collect());
        trie.reads = 0;
        for n in 1..=NEW {
            root_after(&mut trie, &[leaf(size + n)], &|| Ok(())).unwrap();
        }
        trie.reads
    };
    let (small, large) = (reads_at(500), reads_at(32_000));
    // 64 times the leaves is one and a half levels more, with one branch to read in each.
    let most = small + 2 * NEW as usize;
    assert!(
        large <= most,
        "{small} reads for {NEW} leaves among 500, {large} among 32,000"
    );
}

#[test]
fn only_the_changed_leaf_is_read_where_its_neighbours_have_hashes() {
    // Sixteen leaves below a branch that leads to a branch, so that it is stored.
    let key = |first: u8, last: u8| {
        let mut key = B256::ZERO;
        (key[0], key[31]) = (first, last);
        key
    };
    let mut base: Change = (0..16)
        .map(|n| (key(n << 4, 0), Some(U256::from(1))))
        .collect();
    base.insert(key(0, 1), Some(U256::from(1)));
    let mut trie = Trie::default();
    trie.change(&base);
    trie.reads = 0;
    let change = [(key(0x50, 0), Some(U256::from(2)))];
    root_after(&mut trie, &change, &|| Ok(())).unwrap();
    // The branch, the leaf, and that nothing comes after it.
    assert_eq!(trie.reads, 3);
}

#[test]
fn a_branch_that_is_left_with_one_child_takes_the_shape_of_that_child() {
    let keys: Vec<_> = [0x10, 0x20, 0x21].map(B256::with_last_byte).to_vec();
    let mut trie = Trie::default();
    let base: Change = keys.iter().map(|key| (*key, Some(U256::from(9)))).collect();
    trie.change(&base);
    assert_eq!(trie.branches.len(), 1);
    // What is left is a branch, then a leaf, then nothing.
    for (gone, branches) in [(keys[0], 0), (keys[1], 0), (keys[2], 0)] {
        let root = trie.change(&std::iter::once((gone, None)).collect());
        trie.assert_rebuilt(root);
        assert_eq!(trie.branches.len(), branches);
    }
    assert_eq!(trie.after(&BTreeMap::new()).0, EMPTY_ROOT_HASH);
}

#[test]
fn deleting_every_leaf_leaves_the_empty_trie() {
    let mut trie = Trie::default();
    let keys: Vec<_> = (0u32..300).map(|n| keccak256(n.to_be_bytes())).collect();
    trie.change(&keys.iter().map(|key| (*key, Some(U256::from(7)))).collect());
    assert!(!trie.branches.is_empty());
    let root = trie.change(&keys.iter().map(|key| (*key, None)).collect());
    assert_eq!(root, EMPTY_ROOT_HASH);
    assert!(trie.branches.is_empty());
}
