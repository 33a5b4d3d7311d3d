//! Final blocks as the engine keeps them.

use std::sync::Arc;

use commonware_consensus::{Heightable as _, marshal::store::Blocks, types::Height};
use commonware_runtime::{Handle, Spawner};
use commonware_storage::archive::Identifier;

use super::{Store, StoreError};
use crate::{AgreedBlock, BlockHash};

/// The engine's store of final blocks.
pub(crate) struct FinalBlocks<E> {
    store: Store<E>,
}

impl<E> FinalBlocks<E> {
    pub(super) const fn new(store: Store<E>) -> Self {
        Self { store }
    }
}

impl<E: Spawner> Blocks for FinalBlocks<E> {
    type Block = Arc<AgreedBlock>;
    type Error = StoreError;

    async fn put(self, _: BlockHash, block: &Arc<AgreedBlock>) -> Result<Self, StoreError> {
        self.store.keeper.accept_block(block.height().get(), block);
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StoreError> {
        self.store.start_sync().await?;
        Ok(self)
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), StoreError> {
        let handle = self.store.start_sync();
        Ok((self, handle))
    }

    async fn get(
        &self,
        id: Identifier<'_, BlockHash>,
    ) -> Result<Option<Arc<AgreedBlock>>, StoreError> {
        let keeper = &self.store.keeper;
        let number = match id {
            Identifier::Index(number) => number,
            Identifier::Key(hash) => match keeper.number(hash.0)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        keeper.block(number)
    }

    /// The chain keeps its blocks for ever.
    async fn prune(self, _: Height) -> Result<Self, StoreError> {
        Ok(self)
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        let pending = self.store.keeper.pending.lock();
        let missing = pending.index.missing(start.get(), max);
        missing.into_iter().map(Height::new).collect()
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        let pending = self.store.keeper.pending.lock();
        let (end, next) = pending.index.next_gap(value.get());
        (end.map(Height::new), next.map(Height::new))
    }

    fn last_index(&self) -> Option<Height> {
        self.store
            .keeper
            .pending
            .lock()
            .index
            .last()
            .map(Height::new)
    }
}
