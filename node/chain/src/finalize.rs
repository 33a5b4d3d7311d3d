//! What becomes final is stored, and told.

use std::{sync::Arc, time::Instant};

use alloy_primitives::B256;
use tracing::info;
use wattline_primitives::{BlockWithReceipts, SealedHeader};
use wattline_storage::{ExecutedBlock, StorageResult, Writer};

use crate::{CanonicalUpdate, Chain, ChainError, metrics, snapshots::STORE_INTERVAL};

impl Chain {
    /// Makes the executed block of hash `tip` and those before it final: one commit stores them and
    /// whatever `extra` writes; then siblings and what stands on them leave memory, the head moves,
    /// and subscribers are told once. A block that is final already is not stored again, but `extra`
    /// is. Blocking: call it off the async threads.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`] if the block is neither final nor executed here,
    /// [`ChainError::Storage`] if the database fails. Nothing has changed then, on disk or in
    /// memory, and the same may be tried again.
    pub fn finalize(
        &self,
        tip: B256,
        extra: &dyn Fn(&mut Writer) -> StorageResult<()>,
    ) -> Result<(), ChainError> {
        let started = Instant::now();
        let _turn = self.inner.storing.lock();
        let path = match self.unstored(tip) {
            Ok(path) => path,
            Err(_) if self.is_known(&tip)? => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut snapshots = Vec::new();
        for block in &path {
            if block.block.number.is_multiple_of(STORE_INTERVAL) {
                let hash = block.block.hash();
                snapshots.push((hash, self.encoded_snapshot(hash)?));
            }
        }
        let mut writer = self.inner.storage.writer()?;
        for block in &path {
            writer.append(block)?;
        }
        for (hash, snapshot) in snapshots {
            writer.put_snapshot(hash, &snapshot)?;
        }
        extra(&mut writer)?;
        writer.commit()?;
        if let Some(tip) = path.last() {
            let head = tip.block.clone_sealed_header();
            self.publish(path, head);
        }
        metrics::finalized(started.elapsed());
        Ok(())
    }

    fn encoded_snapshot(&self, hash: B256) -> Result<Vec<u8>, ChainError> {
        serde_json::to_vec(&*self.snapshot(hash)?)
            .map_err(|source| ChainError::EncodeSnapshot { hash, source })
    }

    /// Makes the committed blocks visible: the head first, then the subscribers.
    fn publish(&self, committed: Vec<Arc<ExecutedBlock>>, head: SealedHeader) {
        let started = Instant::now();
        let mut tree = self.inner.tree.write();
        let gone = tree.finalize(head.clone());
        metrics::unstored(tree.len());
        drop(tree);
        let dropped = gone.len().saturating_sub(committed.len());
        drop(gone);

        let (blocks, mut transactions) = (committed.len(), 0);
        for block in &committed {
            transactions += block.receipts.len();
            metrics::committed(block.block.gas_used, block.receipts.len());
        }
        metrics::head(&head);
        info!(
            number = head.number,
            hash = %head.hash(),
            blocks,
            dropped,
            transactions,
            gas = head.gas_used,
            "new head"
        );
        let committed = committed.into_iter().map(|executed| {
            // Copied only if somebody still builds on it.
            let (block, receipts) = match Arc::try_unwrap(executed) {
                Ok(executed) => (executed.block, executed.receipts),
                Err(shared) => (shared.block.clone(), shared.receipts.clone()),
            };
            Arc::new(BlockWithReceipts { block, receipts })
        });
        let update = CanonicalUpdate::new(committed.collect(), head);
        // Without subscribers there is nobody to tell.
        let _ = self.inner.updates.send(Arc::new(update));
        metrics::notified(started.elapsed());
    }

    /// Tells the subscribers of the block of hash `tip`, and of those before it, before they are
    /// stored: what must never be done.
    #[cfg(feature = "mutants")]
    pub fn show_early(&self, tip: B256) {
        let Ok(path) = self.unstored(tip) else {
            return;
        };
        let Some(head) = path.last().map(|tip| tip.block.clone_sealed_header()) else {
            return;
        };
        let committed = path.iter().map(|executed| {
            Arc::new(BlockWithReceipts {
                block: executed.block.clone(),
                receipts: executed.receipts.clone(),
            })
        });
        let update = CanonicalUpdate::new(committed.collect(), head);
        let _ = self.inner.updates.send(Arc::new(update));
    }
}
