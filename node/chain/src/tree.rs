//! Executed blocks above the last final one.

use std::{collections::HashSet, sync::Arc};

use alloy_primitives::B256;
use wattline_primitives::SealedHeader;
use wattline_storage::ExecutedBlock;

/// How deep blocks may stand above the last final one, and so how many one commit stores at most.
pub const MAX_UNSTORED: usize = 64;

/// How many blocks are kept in all. More than any two branches hold together, so that there is
/// always one to let go beside the two that count: the pending one and that of the newest block.
const MAX_KEPT: usize = 2 * MAX_UNSTORED;

/// The last final block and the executed ones that descend from it, of which each may have
/// siblings.
pub(crate) struct Tree {
    head: Arc<SealedHeader>,
    pending: Arc<SealedHeader>,
    /// In the order of arrival, so a block comes after its parent.
    blocks: Vec<Arc<ExecutedBlock>>,
}

/// Why a block cannot be put into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Its parent is not there.
    Orphan,
    /// It would stand too deep.
    TooDeep,
}

impl Tree {
    /// A tree of the last final block alone.
    pub(crate) fn new(head: SealedHeader) -> Self {
        let head = Arc::new(head);
        Self {
            pending: head.clone(),
            head,
            blocks: Vec::new(),
        }
    }

    /// The last final block.
    pub(crate) const fn head(&self) -> &Arc<SealedHeader> {
        &self.head
    }

    /// The block that the next one is expected to stand on.
    pub(crate) const fn pending(&self) -> &Arc<SealedHeader> {
        &self.pending
    }

    /// Expects the next block on that of `hash`, if it is here.
    pub(crate) fn set_pending(&mut self, hash: &B256) {
        if let Some(header) = self.header(hash) {
            self.pending = Arc::new(header);
        }
    }

    /// The block of `hash`, if it is executed and not final.
    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<ExecutedBlock>> {
        self.blocks.iter().find(|block| block.block.hash() == *hash)
    }

    /// The header of the last final block or of one above it.
    pub(crate) fn header(&self, hash: &B256) -> Option<SealedHeader> {
        if self.head.hash() == *hash {
            return Some((*self.head).clone());
        }
        self.get(hash)
            .map(|block| block.block.clone_sealed_header())
    }

    /// The blocks above the last final one up to that of `tip`, oldest first; `None` if that is
    /// neither final nor here.
    pub(crate) fn path(&self, tip: B256) -> Option<Vec<Arc<ExecutedBlock>>> {
        let mut at = tip;
        let mut path = Vec::new();
        for block in self.blocks.iter().rev() {
            if block.block.hash() == at {
                at = block.block.parent_hash;
                path.push(block.clone());
            }
        }
        path.reverse();
        (at == self.head.hash()).then_some(path)
    }

    /// The header of the parent that a block is to stand on.
    pub(crate) fn place(&self, parent: B256) -> Result<SealedHeader, Misfit> {
        match self.path(parent) {
            None => Err(Misfit::Orphan),
            Some(below) if below.len() >= MAX_UNSTORED => Err(Misfit::TooDeep),
            Some(_) => self.header(&parent).ok_or(Misfit::Orphan),
        }
    }

    /// Puts a block on its parent, and returns what stands there: the block that came first, should
    /// it have been there already. If there are too many, another is let go, which can be executed
    /// again.
    pub(crate) fn insert(
        &mut self,
        block: Arc<ExecutedBlock>,
    ) -> Result<Arc<ExecutedBlock>, Misfit> {
        if let Some(known) = self.get(&block.block.hash()) {
            return Ok(known.clone());
        }
        let parent = block.block.parent_hash;
        self.place(parent)?;
        if self.blocks.len() >= MAX_KEPT {
            self.remove_surplus(parent);
        }
        self.blocks.push(block.clone());
        Ok(block)
    }

    /// Takes out the oldest block that nothing stands on, neither what is here nor what comes.
    fn remove_surplus(&mut self, parent: B256) {
        let parents = self.blocks.iter().map(|block| block.block.parent_hash);
        let needed: HashSet<_> = parents.chain([parent, self.pending.hash()]).collect();
        self.blocks
            .iter()
            .position(|block| !needed.contains(&block.block.hash()))
            .map(|surplus| self.blocks.remove(surplus));
    }

    /// Makes `head`, which is here, the last final block, and returns what has left the tree: that
    /// block, those before it and all that contradict it.
    pub(crate) fn finalize(&mut self, head: SealedHeader) -> Vec<Arc<ExecutedBlock>> {
        let mut kept = HashSet::from([head.hash()]);
        let (blocks, gone) = std::mem::take(&mut self.blocks)
            .into_iter()
            .partition(|block| {
                kept.contains(&block.block.parent_hash) && kept.insert(block.block.hash())
            });
        self.blocks = blocks;
        self.head = Arc::new(head);
        if !kept.contains(&self.pending.hash()) {
            self.pending = self.head.clone();
        }
        gone
    }

    /// How many blocks are not final.
    pub(crate) const fn len(&self) -> usize {
        self.blocks.len()
    }
}
