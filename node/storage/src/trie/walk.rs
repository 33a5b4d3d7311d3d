//! The root of one trie after some of its leaves changed.
//!
//! alloy's `HashBuilder` computes a root from leaves and finished subtrees given in the order of
//! their paths. The walk gives it exactly that: the stored hash of every subtree without a changed
//! key, and single leaves where there is nothing stored to use.

use super::{Check, KEY_NIBBLES, source::TrieSource};
use crate::{StorageError, StorageResult};
use alloy_primitives::{B256, map::HashMap};
use alloy_trie::{
    BranchNodeCompact, HashBuilder,
    proof::{ProofNodes, ProofRetainer},
};
use nybbles::Nibbles;

/// Branch nodes to store, or to remove where there is None, sorted by path.
pub(crate) type NodeUpdates = Vec<(Nibbles, Option<BranchNodeCompact>)>;

/// Computes the root of the trie in `source` after `changes`, which are sorted by key and hold
/// None for a leaf that is gone, and which branch nodes change with it.
pub(crate) fn root_after<S: TrieSource>(
    source: &mut S,
    changes: &[(B256, Option<S::Leaf>)],
    check: Check<'_>,
) -> StorageResult<(B256, NodeUpdates)> {
    let mut walk = Walk {
        source,
        builder: HashBuilder::default().with_updates(true),
        targets: &[],
        visited: HashMap::default(),
        rlp: Vec::new(),
        check,
    };
    walk.subtree(Nibbles::new(), changes, true)?;
    let Walk {
        mut builder,
        mut visited,
        ..
    } = walk;
    let root = builder.root();
    let (_, built) = builder.split();

    let mut updates: NodeUpdates = Vec::with_capacity(built.len());
    for (path, node) in built {
        if visited.remove(&path).as_ref() != Some(&node) {
            updates.push((path, Some(node)));
        }
    }
    // Every stored branch on the way to a change was visited, so one that was not built again is
    // no longer a branch.
    updates.extend(visited.into_keys().map(|path| (path, None)));
    updates.sort_unstable_by_key(|(path, _)| *path);
    Ok((root, updates))
}

/// Computes the root of the trie in `source` after `changes`, and its nodes on the ways to
/// `targets`. Both are sorted by key.
pub(crate) fn proof_after<S: TrieSource>(
    source: &mut S,
    changes: &[(B256, Option<S::Leaf>)],
    targets: &[B256],
    check: Check<'_>,
) -> StorageResult<(B256, ProofNodes)> {
    let retainer = ProofRetainer::new(targets.iter().map(Nibbles::unpack).collect());
    let mut walk = Walk {
        source,
        builder: HashBuilder::default().with_proof_retainer(retainer),
        targets,
        visited: HashMap::default(),
        rlp: Vec::new(),
        check,
    };
    walk.subtree(Nibbles::new(), changes, true)?;
    let mut builder = walk.builder;
    let root = builder.root();
    Ok((root, builder.take_proof_nodes()))
}

struct Walk<'a, S: TrieSource> {
    source: &'a mut S,
    builder: HashBuilder,
    /// Keys on whose way no stored hash may stand for a node, sorted.
    targets: &'a [B256],
    /// Stored branches that the walk went through.
    visited: HashMap<Nibbles, BranchNodeCompact>,
    rlp: Vec<u8>,
    /// Asked at every branch whether to go on.
    check: Check<'a>,
}

impl<S: TrieSource> Walk<'_, S> {
    /// Builds the subtree at `path`, under which all of `changes` lie. `stored` says whether it
    /// has stored branches.
    fn subtree(
        &mut self,
        path: Nibbles,
        changes: &[(B256, Option<S::Leaf>)],
        stored: bool,
    ) -> StorageResult<()> {
        (self.check)()?;
        let found = if stored {
            self.source.seek_branch(&path, &path)?
        } else {
            None
        };
        let Some((at, branch)) = found else {
            return self.leaves(&path, changes);
        };
        if at.len() >= KEY_NIBBLES {
            return Err(StorageError::Decode {
                table: "AccountTrie or StorageTrie",
                reason: format!("a branch at {at:?} is as deep as a leaf"),
            });
        }
        // If the branch is further down than `path`, an extension led to it: nothing was beside
        // it, and what changes there now is new.
        let start = changes.partition_point(|(key, _)| *key < lowest_key(&at));
        let (before, rest) = changes.split_at(start);
        let end = rest.partition_point(|(key, _)| is_below(key, &at));
        let (mut below, after) = rest.split_at(end);

        self.insert(before);
        for nibble in 0..16 {
            let end = below.partition_point(|(key, _)| nibble_of(key, at.len()) <= nibble);
            let (changed, rest) = below.split_at(end);
            below = rest;
            self.child(&at, &branch, nibble, changed)?;
        }
        self.insert(after);
        self.visited.insert(at, branch);
        Ok(())
    }

    fn child(
        &mut self,
        at: &Nibbles,
        branch: &BranchNodeCompact,
        nibble: u8,
        changed: &[(B256, Option<S::Leaf>)],
    ) -> StorageResult<()> {
        let mut path = *at;
        path.push(nibble);
        let stored = branch.tree_mask.is_bit_set(nibble);
        if !branch.state_mask.is_bit_set(nibble) {
            self.insert(changed);
            Ok(())
        } else if changed.is_empty()
            && branch.hash_mask.is_bit_set(nibble)
            && !self.leads_to_target(&path)
        {
            self.builder
                .add_branch(path, branch.hash_for_nibble(nibble), stored);
            Ok(())
        } else {
            self.subtree(path, changed, stored)
        }
    }

    fn leads_to_target(&self, path: &Nibbles) -> bool {
        let lowest = lowest_key(path);
        let first = self.targets.partition_point(|key| *key < lowest);
        self.targets
            .get(first)
            .is_some_and(|key| is_below(key, path))
    }

    /// Builds the subtree at `path` from its leaves alone.
    fn leaves(
        &mut self,
        path: &Nibbles,
        mut changes: &[(B256, Option<S::Leaf>)],
    ) -> StorageResult<()> {
        let mut leaf = self.source.seek_leaf(lowest_key(path))?;
        while let Some((key, value)) = leaf.filter(|(key, _)| is_below(key, path)) {
            let new = changes.partition_point(|(changed, _)| *changed < key);
            let (before, rest) = changes.split_at(new);
            self.insert(before);
            changes = rest;
            match rest.split_first() {
                Some(((changed, value), rest)) if *changed == key => {
                    changes = rest;
                    if let Some(value) = value {
                        self.add_leaf(key, value);
                    }
                }
                _ => self.add_leaf(key, &value),
            }
            leaf = self.source.next_leaf()?;
        }
        self.insert(changes);
        Ok(())
    }

    /// Adds leaves where the trie had none.
    fn insert(&mut self, changes: &[(B256, Option<S::Leaf>)]) {
        for (key, value) in changes {
            if let Some(value) = value {
                self.add_leaf(*key, value);
            }
        }
    }

    fn add_leaf(&mut self, key: B256, value: &S::Leaf) {
        self.rlp.clear();
        S::encode_leaf(value, &mut self.rlp);
        self.builder.add_leaf(Nibbles::unpack(key), &self.rlp);
    }
}

/// The first key under `path`.
fn lowest_key(path: &Nibbles) -> B256 {
    let mut key = B256::ZERO;
    path.pack_to(key.as_mut_slice());
    key
}

fn is_below(key: &B256, path: &Nibbles) -> bool {
    Nibbles::unpack(key).starts_with(path)
}

/// Nibble of `key` at `depth`, which is less than [`KEY_NIBBLES`].
fn nibble_of(key: &B256, depth: usize) -> u8 {
    let byte = key[depth / 2];
    if depth.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0xf
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::proof::way_to, *};
    use alloy_primitives::U256;
    use alloy_rlp::Encodable;
    use alloy_trie::proof::verify_proof;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A trie in memory, with the counts of what was read from it.
    #[derive(Debug, Default)]
    struct Trie {
        leaves: BTreeMap<B256, U256>,
        branches: BTreeMap<Vec<u8>, BranchNodeCompact>,
        position: Option<B256>,
        reads: usize,
    }

    impl TrieSource for Trie {
        type Leaf = U256;

        fn seek_branch(
            &mut self,
            from: &Nibbles,
            within: &Nibbles,
        ) -> StorageResult<Option<(Nibbles, BranchNodeCompact)>> {
            self.reads += 1;
            let found = self.branches.range(from.to_vec()..).next();
            Ok(found
                .filter(|(at, _)| at.starts_with(&within.to_vec()))
                .map(|(at, node)| (Nibbles::from_nibbles(at), node.clone())))
        }

        fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, U256)>> {
            self.reads += 1;
            let found = self
                .leaves
                .range(key..)
                .next()
                .map(|(key, value)| (*key, *value));
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

        fn encode_leaf(leaf: &U256, out: &mut Vec<u8>) {
            leaf.encode(out);
        }
    }

    impl Trie {
        /// Applies changes incrementally and returns the new root.
        fn change(&mut self, changes: &BTreeMap<B256, Option<U256>>) -> B256 {
            let changes: Vec<_> = changes.iter().map(|(key, value)| (*key, *value)).collect();
            let (root, nodes) = root_after(self, &changes, &|| Ok(())).unwrap();
            for (path, node) in nodes {
                match node {
                    Some(node) => self.branches.insert(path.to_vec(), node),
                    None => self.branches.remove(&path.to_vec()),
                };
            }
            for (key, value) in changes {
                match value {
                    Some(value) => self.leaves.insert(key, value),
                    None => self.leaves.remove(&key),
                };
            }
            root
        }

        /// The root and stored branches of a trie with the same leaves, built at once.
        fn rebuilt(&self) -> (B256, BTreeMap<Vec<u8>, BranchNodeCompact>) {
            let mut builder = HashBuilder::default().with_updates(true);
            for (key, value) in &self.leaves {
                builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
            }
            let root = builder.root();
            let (_, nodes) = builder.split();
            (
                root,
                nodes
                    .into_iter()
                    .map(|(path, node)| (path.to_vec(), node))
                    .collect(),
            )
        }
    }

    /// Proofs of all of `keys` after `changes` verify, those of keys without a leaf too.
    fn assert_proofs(trie: &mut Trie, changes: &BTreeMap<B256, Option<U256>>, keys: &[B256]) {
        let mut after = trie.leaves.clone();
        for (key, value) in changes {
            match value {
                Some(value) => after.insert(*key, *value),
                None => after.remove(key),
            };
        }
        let changes: Vec<_> = changes.iter().map(|(key, value)| (*key, *value)).collect();
        let (root, _) = root_after(trie, &changes, &|| Ok(())).unwrap();
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

    fn changes(
        key: impl Strategy<Value = B256>,
        count: usize,
    ) -> impl Strategy<Value = BTreeMap<B256, Option<U256>>> {
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
                let (expected, branches) = trie.rebuilt();
                prop_assert_eq!(root, expected);
                prop_assert_eq!(&trie.branches, &branches);
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
            rounds in prop::collection::vec(
                changes((0u16..600).prop_map(|n| alloy_primitives::keccak256(n.to_be_bytes())), 200),
                1..6,
            )
        ) {
            let mut trie = Trie::default();
            for round in &rounds {
                let root = trie.change(round);
                let (expected, branches) = trie.rebuilt();
                prop_assert_eq!(root, expected);
                prop_assert_eq!(&trie.branches, &branches);
            }
        }
    }

    #[test]
    fn the_cost_of_a_change_follows_the_depth_and_not_the_size() {
        let leaf = |n: u32| {
            (
                alloy_primitives::keccak256(n.to_be_bytes()),
                Some(U256::from(n)),
            )
        };
        let reads_at = |size: u32| {
            let mut trie = Trie::default();
            trie.change(&(1..=size).map(leaf).collect());
            trie.reads = 0;
            trie.change(&std::iter::once(leaf(size + 1)).collect());
            trie.reads
        };
        let (small, large) = (reads_at(500), reads_at(32_000));
        // 64 times the leaves is one and a half levels more.
        assert!(
            large <= small + 40,
            "{small} reads among 500 leaves, {large} among 32,000"
        );
    }

    #[test]
    fn deleting_every_leaf_leaves_the_empty_trie() {
        let mut trie = Trie::default();
        let keys: Vec<_> = (0u32..300)
            .map(|n| alloy_primitives::keccak256(n.to_be_bytes()))
            .collect();
        trie.change(&keys.iter().map(|key| (*key, Some(U256::from(7)))).collect());
        assert!(!trie.branches.is_empty());
        let root = trie.change(&keys.iter().map(|key| (*key, None)).collect());
        assert_eq!(root, alloy_trie::EMPTY_ROOT_HASH);
        assert!(trie.branches.is_empty());
    }
}
