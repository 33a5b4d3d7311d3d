//! The root of one trie after some of its leaves changed.
//!
//! The walk goes down from the topmost stored branch only where keys changed, and puts nodes
//! together again on its way back. Whatever did not change is taken by the hash that the branch
//! above it has, be it a leaf or a whole subtree. Only where a branch is left with a single child
//! does that child have to be read, since it becomes part of what was above the branch.

use super::{
    Check,
    build::{Builder, Child, Children, Node, NodeUpdates, ProofNodes},
    path::{KEY_NIBBLES, by_nibble, is_below, lowest_key},
    share::share_out,
    source::TrieSource,
};
use crate::{StorageError, StorageResult, codec::Branch};
use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;
use nybbles::Nibbles;

/// New contents of leaves, sorted by key; None for one that is gone.
pub(super) type Changes<L> = [(B256, Option<L>)];

/// Computes the root of the trie in `source` after `changes`, and which stored branches change
/// with it.
pub(crate) fn root_after<S: TrieSource>(
    source: &mut S,
    changes: &Changes<S::Leaf>,
    check: Check<'_>,
) -> StorageResult<(B256, NodeUpdates)> {
    let mut walk = Walk::new(source, Builder::default(), check);
    let top = walk.subtree(Nibbles::new(), changes, true)?;
    let (root, updates, _) = walk.builder.finish(top.as_ref());
    Ok((root, updates))
}

/// As [`root_after`], but the 16 subtries below the root are computed side by side. `open` opens
/// the trie in each of `views`, which all see the same.
pub(crate) fn root_after_in_parallel<V: Sync, S: TrieSource>(
    views: &[V],
    open: impl Fn(&V) -> StorageResult<S> + Sync,
    changes: &Changes<S::Leaf>,
    check: Check<'_>,
) -> StorageResult<(B256, NodeUpdates)> {
    let Some(view) = views.first() else {
        return Ok((EMPTY_ROOT_HASH, Vec::new()));
    };
    let mut source = open(view)?;
    let top = Nibbles::new();
    let found = source.seek_branch(&top, &top)?;
    let Some((_, branch)) = found.filter(|(at, _)| at.is_empty()) else {
        // Of 16 subtries there is one at most.
        return root_after(&mut source, changes, check);
    };
    let parts: Vec<_> = (0..).zip(by_nibble(&top, changes)).collect();
    let done = share_out(views, &parts, |view, (nibble, changed)| {
        let mut source = open(view)?;
        let mut walk = Walk::new(&mut source, Builder::default(), check);
        let child = walk.child(&top, &branch, *nibble, changed)?;
        Ok((child, walk.builder.updates))
    })?;

    let mut walk = Walk::new(&mut source, Builder::default(), check);
    let mut children = Children::default();
    for (child, (computed, updates)) in children.iter_mut().zip(done) {
        *child = computed;
        walk.builder.updates.extend(updates);
    }
    let node = walk.rebuild(top, &branch, children)?;
    let (root, updates, _) = walk.builder.finish(node.as_ref());
    Ok((root, updates))
}

/// Computes the root of the trie in `source` after `changes`, and its nodes on the ways to
/// `targets`, which are sorted.
pub(crate) fn proof_after<S: TrieSource>(
    source: &mut S,
    changes: &Changes<S::Leaf>,
    targets: &[B256],
    check: Check<'_>,
) -> StorageResult<(B256, ProofNodes)> {
    let mut walk = Walk::new(source, Builder::wanting(targets), check);
    let top = walk.subtree(Nibbles::new(), changes, true)?;
    let (root, _, nodes) = walk.builder.finish(top.as_ref());
    Ok((root, nodes))
}

struct Walk<'a, S: TrieSource> {
    source: &'a mut S,
    builder: Builder<'a>,
    /// Asked at every branch whether to go on.
    check: Check<'a>,
}

impl<'a, S: TrieSource> Walk<'a, S> {
    const fn new(source: &'a mut S, builder: Builder<'a>, check: Check<'a>) -> Self {
        Self {
            source,
            builder,
            check,
        }
    }

    /// Builds the subtree at `path`, under which all of `changes` lie. `stored` says whether it
    /// has stored branches.
    fn subtree(
        &mut self,
        path: Nibbles,
        changes: &Changes<S::Leaf>,
        stored: bool,
    ) -> StorageResult<Option<Node<S::Leaf>>> {
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
        let (below, after) = rest.split_at(end);

        let mut children = Children::default();
        for (nibble, (child, changed)) in (0..).zip(children.iter_mut().zip(by_nibble(&at, below)))
        {
            *child = self.child(&at, &branch, nibble, changed)?;
        }
        let node = self.rebuild(at, &branch, children)?;
        if before.is_empty() && after.is_empty() {
            return Ok(node);
        }
        let items: Vec<_> = new(before).chain(node).chain(new(after)).collect();
        Ok(self.builder.build(&items))
    }

    /// What becomes of a child of the stored branch at `at`.
    fn child(
        &mut self,
        at: &Nibbles,
        branch: &Branch,
        nibble: u8,
        changed: &Changes<S::Leaf>,
    ) -> StorageResult<Option<Child<S::Leaf>>> {
        let mut path = *at;
        path.push(nibble);
        let is_branch = branch.branches.is_bit_set(nibble);
        let stored = branch.stored.is_bit_set(nibble);
        let node = if !branch.children.is_bit_set(nibble) {
            let items: Vec<_> = new(changed).collect();
            self.builder.build(&items)
        } else if let Some(hash) = branch.hash(nibble)
            && changed.is_empty()
            && !self.builder.leads_to_target(&path)
        {
            return Ok(Some(Child::Hashed {
                hash,
                is_branch,
                stored,
            }));
        } else {
            self.subtree(path, changed, stored)?
        };
        Ok(node.map(Child::Known))
    }

    /// Puts the stored branch at `at` together again, or what is left of it.
    fn rebuild(
        &mut self,
        at: Nibbles,
        branch: &Branch,
        children: Children<S::Leaf>,
    ) -> StorageResult<Option<Node<S::Leaf>>> {
        let node = if children.iter().flatten().count() > 1 {
            Some(self.builder.branch(at, &children))
        } else {
            let mut present = (0..).zip(children);
            match present.find_map(|(nibble, child)| Some((nibble, child?))) {
                Some((nibble, Child::Hashed { stored, .. })) => {
                    let mut path = at;
                    path.push(nibble);
                    self.subtree(path, &[], stored)?
                }
                Some((_, Child::Known(node))) => Some(node),
                None => None,
            }
        };
        let updates = &mut self.builder.updates;
        match updates.last() {
            Some((path, Some(rebuilt))) if *path == at => {
                if rebuilt == branch {
                    updates.pop();
                }
            }
            // It is no branch any more, or none that is stored.
            _ => updates.push((at, None)),
        }
        Ok(node)
    }

    /// Builds the subtree at `path` from its leaves alone.
    fn leaves(
        &mut self,
        path: &Nibbles,
        mut changes: &Changes<S::Leaf>,
    ) -> StorageResult<Option<Node<S::Leaf>>> {
        let mut items = Vec::new();
        let mut leaf = self.source.seek_leaf(lowest_key(path))?;
        while let Some((key, value)) = leaf.filter(|(key, _)| is_below(key, path)) {
            let start = changes.partition_point(|(changed, _)| *changed < key);
            let (before, rest) = changes.split_at(start);
            items.extend(new(before));
            changes = rest;
            match rest.split_first() {
                Some(((changed, value), rest)) if *changed == key => {
                    changes = rest;
                    items.extend(value.map(|value| Node::Leaf(key, value)));
                }
                _ => items.push(Node::Leaf(key, value)),
            }
            leaf = self.source.next_leaf()?;
        }
        items.extend(new(changes));
        Ok(self.builder.build(&items))
    }
}

/// The leaves that changes leave where the trie had none.
fn new<L: Copy>(changes: &Changes<L>) -> impl Iterator<Item = Node<L>> {
    let leaf = |(key, value): &(B256, Option<L>)| value.map(|value| Node::Leaf(*key, value));
    changes.iter().filter_map(leaf)
}
