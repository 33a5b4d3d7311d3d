//! The state after blocks that are executed but not stored yet: what each of them changed lies as
//! a layer over the stored state. A layer that is given up leaves no trace in the database.

mod state;

use crate::{
    ExecutedBlock, StateReader, StorageError, StorageResult, TrieUpdates, blocks,
    tables::Headers,
    trie::{self, HashedChanges, TrieView},
    tx::RoTx,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use revm::database::BundleState;
use std::sync::Arc;

/// The state after a block that is the head, or that was executed on it and is not stored yet.
/// Cheap to clone. It stays as it is whatever is committed meanwhile, and like every snapshot it
/// keeps the database from reusing pages: do not hold one for long.
#[derive(Clone, Debug)]
pub struct Overlay {
    parent: B256,
    /// The state after the head.
    stored: StateReader,
    /// The blocks after the head, oldest first; the last is `parent`.
    layers: Arc<[Arc<ExecutedBlock>]>,
}

impl Overlay {
    pub(crate) fn open(
        tx: RoTx,
        parent: B256,
        layers: &[Arc<ExecutedBlock>],
    ) -> StorageResult<Self> {
        let head = blocks::head(&tx)?;
        let layers = not_stored(head, parent, layers)?.into();
        Ok(Self {
            parent,
            stored: StateReader::new(Arc::new(tx), head.number, head.number),
            layers,
        })
    }

    /// Hash of the block after which this is the state.
    pub const fn block_hash(&self) -> B256 {
        self.parent
    }

    /// The state root after `state` on this one, and all that [`Writer::append`] needs to store it
    /// once this block is the head. The cost follows the number of changed keys times the depth of
    /// the trie.
    ///
    /// # Errors
    /// If the database cannot be read.
    ///
    /// [`Writer::append`]: crate::Writer::append
    pub fn state_root(&self, state: &BundleState) -> StorageResult<(B256, TrieUpdates)> {
        let changes = HashedChanges::of_bundle(state);
        let own = self.stored.tx();
        let threads = changes.threads();
        if threads > 1 {
            // A transaction serves one thread at a time, and the others' see what is committed
            // now: the same state with fewer layers, unless another branch was stored.
            let txs = own.env().begin_ro_many(threads)?;
            match not_stored(blocks::head(&txs[0])?, self.parent, &self.layers) {
                Ok(layers) => return self.compute(&txs, layers, changes),
                Err(StorageError::NotConnected { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.compute(std::slice::from_ref(own.as_ref()), &self.layers, changes)
    }

    fn compute(
        &self,
        txs: &[RoTx],
        layers: &[Arc<ExecutedBlock>],
        changes: HashedChanges,
    ) -> StorageResult<(B256, TrieUpdates)> {
        let root = match self.layers.last() {
            Some(parent) => parent.trie.root(),
            None => {
                let head = self.stored.block();
                self.stored.tx().expect::<Headers>(&head)?.state_root
            }
        };
        let layers: Vec<_> = layers.iter().map(|block| &block.trie).collect();
        let view = |tx| TrieView {
            tx,
            layers: &layers,
        };
        let views: Vec<_> = txs.iter().map(view).collect();
        let updates = trie::compute(&views, self.parent, root, changes)?;
        Ok((updates.root(), updates))
    }
}

/// Those of `layers` that are above the head, which lead from it to `parent`.
fn not_stored(
    head: BlockNumHash,
    parent: B256,
    layers: &[Arc<ExecutedBlock>],
) -> StorageResult<&[Arc<ExecutedBlock>]> {
    let stored = layers.partition_point(|layer| layer.block.number <= head.number);
    let (_, above) = layers.split_at(stored);
    let mut tip = head;
    for layer in above {
        let next = layer.block.num_hash();
        if layer.block.parent_hash != tip.hash || tip.number.checked_add(1) != Some(next.number) {
            return Err(StorageError::NotConnected { parent, head });
        }
        tip = next;
    }
    if tip.hash != parent {
        return Err(StorageError::NotConnected { parent, head });
    }
    Ok(above)
}
