//! A stored trie under what blocks that are not stored yet changed in it.

use super::{path::KEY_NIBBLES, source::TrieSource};
use crate::{StorageResult, codec::Branch};
use alloy_primitives::B256;
use nybbles::Nibbles;

/// What one block changed in one trie: None stands for what it removed.
pub(super) struct Layer<'a, L> {
    /// Branches, sorted by path.
    nodes: &'a [(Nibbles, Option<Branch>)],
    /// Leaves, sorted by key.
    leaves: &'a [(B256, Option<L>)],
    /// The first of the leaves that is yet to come.
    next: usize,
}

impl<'a, L> Layer<'a, L> {
    pub(super) const fn new(
        nodes: &'a [(Nibbles, Option<Branch>)],
        leaves: &'a [(B256, Option<L>)],
    ) -> Self {
        Self {
            nodes,
            leaves,
            next: 0,
        }
    }

    /// The leaf that comes next.
    fn leaf(&self) -> Option<&'a (B256, Option<L>)> {
        self.leaves.get(self.next)
    }
}

/// A trie that is read through layers: nothing is merged, every read looks at each layer, and the
/// newest that knows an entry decides.
pub(crate) struct Layered<'a, S: TrieSource> {
    stored: S,
    /// Oldest first.
    layers: Vec<Layer<'a, S::Leaf>>,
    /// The stored leaf that comes next, unless it is `passed`.
    leaf: Option<(B256, S::Leaf)>,
    passed: bool,
}

impl<'a, S: TrieSource> Layered<'a, S> {
    /// `stored` under `layers`, oldest first.
    pub(super) const fn new(stored: S, layers: Vec<Layer<'a, S::Leaf>>) -> Self {
        Self {
            stored,
            layers,
            leaf: None,
            passed: false,
        }
    }

    /// The newest entry of the first path at or after `from`, and at or below `within`.
    fn newest_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Option<Branch>)>> {
        let stored = self.stored.seek_branch(from, within)?;
        let mut first = stored.map(|(path, branch)| (path, Some(branch)));
        for layer in &self.layers {
            let start = layer.nodes.partition_point(|(path, _)| path < from);
            if let Some((path, branch)) = layer.nodes.get(start)
                && path.starts_with(within)
                && first.as_ref().is_none_or(|(first, _)| path <= first)
            {
                first = Some((*path, branch.clone()));
            }
        }
        Ok(first)
    }

    /// The next leaf that is still there.
    fn take_leaf(&mut self) -> StorageResult<Option<(B256, S::Leaf)>> {
        loop {
            if std::mem::take(&mut self.passed) {
                self.leaf = self.stored.next_leaf()?;
            }
            let mut first = self.leaf.map(|(key, leaf)| (key, Some(leaf)));
            for (key, leaf) in self.layers.iter().filter_map(Layer::leaf) {
                if first.is_none_or(|(first, _)| *key <= first) {
                    first = Some((*key, *leaf));
                }
            }
            let Some((key, newest)) = first else {
                return Ok(None);
            };
            self.passed = self.leaf.is_some_and(|(stored, _)| stored == key);
            for layer in &mut self.layers {
                let passed = layer.leaf().is_some_and(|(changed, _)| *changed == key);
                layer.next += usize::from(passed);
            }
            if let Some(leaf) = newest {
                return Ok(Some((key, leaf)));
            }
        }
    }
}

impl<S: TrieSource> TrieSource for Layered<'_, S> {
    type Leaf = S::Leaf;

    fn seek_branch(
        &mut self,
        from: &Nibbles,
        within: &Nibbles,
    ) -> StorageResult<Option<(Nibbles, Branch)>> {
        let mut from = *from;
        loop {
            match self.newest_branch(&from, within)? {
                Some((path, Some(branch))) => return Ok(Some((path, branch))),
                // What a layer removed may still be stored, and hides what comes after it.
                Some((path, None)) if path.len() < KEY_NIBBLES => {
                    from = path;
                    from.push(0);
                }
                _ => return Ok(None),
            }
        }
    }

    fn seek_leaf(&mut self, key: B256) -> StorageResult<Option<(B256, S::Leaf)>> {
        self.leaf = self.stored.seek_leaf(key)?;
        self.passed = false;
        for layer in &mut self.layers {
            layer.next = layer.leaves.partition_point(|(changed, _)| *changed < key);
        }
        self.take_leaf()
    }

    fn next_leaf(&mut self) -> StorageResult<Option<(B256, S::Leaf)>> {
        self.take_leaf()
    }
}
