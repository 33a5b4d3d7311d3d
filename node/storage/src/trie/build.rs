//! Putting the nodes of a trie together, from the leaves up.

use super::{
    path::{is_below, lowest_key, nibble_of},
    source::TrieLeaf,
};
use crate::codec::Branch;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use nybbles::Nibbles;
use std::collections::BTreeMap;

/// Branches to store, or to remove where there is None, sorted by path.
pub(crate) type NodeUpdates = Vec<(Nibbles, Option<Branch>)>;

/// RLP of nodes by path.
pub(crate) type ProofNodes = BTreeMap<Nibbles, Bytes>;

/// A leaf or a branch whose parent is not decided yet. The parent's place makes the rest of its
/// path: part of the leaf, or an extension of the branch.
#[derive(Clone, Debug)]
pub(super) enum Node<L> {
    /// A key and its value.
    Leaf(B256, L),
    /// A branch.
    Branch {
        /// Where it is.
        path: Nibbles,
        /// Its hash, or itself if that is shorter.
        rlp: RlpNode,
        /// Whether it is stored.
        stored: bool,
    },
}

impl<L> Node<L> {
    /// The path to it, which is not that of its parent only.
    fn path(&self) -> Nibbles {
        match self {
            Self::Leaf(key, _) => Nibbles::unpack(key),
            Self::Branch { path, .. } => *path,
        }
    }

    /// The nibble of its path at `depth`.
    fn nibble(&self, depth: usize) -> u8 {
        match self {
            Self::Leaf(key, _) => nibble_of(key, depth),
            Self::Branch { path, .. } => path.get(depth).unwrap_or_default(),
        }
    }
}

/// A child of a branch.
#[derive(Clone, Debug)]
pub(super) enum Child<L> {
    /// One that was put together anew.
    Known(Node<L>),
    /// One that stays as it is.
    Hashed {
        /// Its hash.
        hash: B256,
        /// Whether it is not a leaf.
        is_branch: bool,
        /// Whether its branch is stored.
        stored: bool,
    },
}

/// The children of a branch by nibble.
pub(super) type Children<L> = [Option<Child<L>>; 16];

/// Puts nodes together, and remembers which of them are to be stored and which are wanted.
#[derive(Default)]
pub(super) struct Builder<'a> {
    /// Stored branches that are new or changed, and those that are gone, in no order.
    pub(super) updates: NodeUpdates,
    /// Keys on whose way all nodes are wanted, sorted.
    targets: &'a [B256],
    /// The nodes on their way, by path.
    wanted: ProofNodes,
    value: Vec<u8>,
    rlp: Vec<u8>,
}

impl<'a> Builder<'a> {
    /// One that keeps the nodes on the way to `targets`, which are sorted.
    pub(super) fn wanting(targets: &'a [B256]) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }

    /// Whether `path` is on the way to a target.
    pub(super) fn leads_to_target(&self, path: &Nibbles) -> bool {
        if self.targets.is_empty() {
            return false;
        }
        let lowest = lowest_key(path);
        let first = self.targets.partition_point(|key| *key < lowest);
        let target = self.targets.get(first);
        target.is_some_and(|key| is_below(key, path))
    }

    /// Keeps the node that was encoded last if it is wanted.
    fn retain(&mut self, path: &Nibbles) {
        if self.leads_to_target(path) {
            self.wanted.insert(*path, self.rlp.clone().into());
        }
    }

    /// What `items` amount to, which are sorted by path: none of them is on another's path.
    pub(super) fn build<L: TrieLeaf>(&mut self, items: &[Node<L>]) -> Option<Node<L>> {
        let (first, last) = (items.first()?, items.last()?);
        if items.len() == 1 {
            return Some(first.clone());
        }
        let path = first.path();
        let at = path.slice(..path.common_prefix_length(&last.path()));
        let mut rest = items;
        let mut children = Children::default();
        for (nibble, child) in (0..).zip(&mut children) {
            let end = rest.partition_point(|item| item.nibble(at.len()) <= nibble);
            let (here, after) = rest.split_at(end);
            rest = after;
            *child = self.build(here).map(Child::Known);
        }
        Some(self.branch(at, &children))
    }

    /// The branch at `at` with two or more children.
    pub(super) fn branch<L: TrieLeaf>(&mut self, at: Nibbles, children: &Children<L>) -> Node<L> {
        let mut branch = Branch::default();
        let mut stack = Vec::with_capacity(children.len());
        for (nibble, child) in (0..).zip(children) {
            let Some(child) = child else { continue };
            let (rlp, is_branch, stored) = match child {
                Child::Hashed {
                    hash,
                    is_branch,
                    stored,
                } => (RlpNode::word_rlp(hash), *is_branch, *stored),
                Child::Known(node) => {
                    let mut place = at;
                    place.push(nibble);
                    let rlp = self.reference(&place, node);
                    match node {
                        Node::Leaf(..) => (rlp, false, false),
                        Node::Branch { stored, .. } => (rlp, true, *stored),
                    }
                }
            };
            branch.children.set_bit(nibble);
            if is_branch {
                branch.branches.set_bit(nibble);
            }
            if stored {
                branch.stored.set_bit(nibble);
            }
            stack.push(rlp);
        }
        self.rlp.clear();
        let rlp = BranchNodeRef::new(&stack, branch.children).rlp(&mut self.rlp);
        self.retain(&at);
        let stored = !branch.branches.is_empty();
        if stored {
            let hashes = stack
                .iter()
                .map(|child| child.as_hash().unwrap_or_default());
            branch.hashes = hashes.collect();
            self.updates.push((at, Some(branch)));
        }
        let path = at;
        Node::Branch { path, rlp, stored }
    }

    /// How a parent refers to `node`, if its own path and the nibble make `place`.
    fn reference<L: TrieLeaf>(&mut self, place: &Nibbles, node: &Node<L>) -> RlpNode {
        let rlp = match node {
            Node::Leaf(key, leaf) => {
                self.value.clear();
                leaf.encode_value(&mut self.value);
                let key = Nibbles::unpack(key).slice(place.len()..);
                self.rlp.clear();
                LeafNodeRef::new(&key, &self.value).rlp(&mut self.rlp)
            }
            Node::Branch { path, rlp, .. } if path.len() == place.len() => return rlp.clone(),
            Node::Branch { path, rlp, .. } => {
                let extension = path.slice(place.len()..);
                self.rlp.clear();
                ExtensionNodeRef::new(&extension, rlp).rlp(&mut self.rlp)
            }
        };
        self.retain(place);
        rlp
    }

    /// The root hash of the trie that `node` is all of, the branches to store or to remove, sorted
    /// by path, and the nodes that are wanted.
    pub(super) fn finish<L: TrieLeaf>(
        mut self,
        node: Option<&Node<L>>,
    ) -> (B256, NodeUpdates, ProofNodes) {
        let root = node.map_or(EMPTY_ROOT_HASH, |node| {
            let rlp = self.reference(&Nibbles::new(), node);
            rlp.as_hash().unwrap_or_else(|| keccak256(&rlp))
        });
        self.updates.sort_unstable_by_key(|(path, _)| *path);
        (root, self.updates, self.wanted)
    }
}

/// Root and stored branches of the trie with these leaves, sorted by key.
pub(crate) fn build<L: TrieLeaf>(leaves: impl Iterator<Item = (B256, L)>) -> (B256, NodeUpdates) {
    let leaves: Vec<_> = leaves.map(|(key, leaf)| Node::Leaf(key, leaf)).collect();
    let mut builder = Builder::default();
    let node = builder.build(&leaves);
    let (root, updates, _) = builder.finish(node.as_ref());
    (root, updates)
}
