//! Keeping the pool at the chain's head for as long as a node runs.

use std::sync::Arc;

use alloy_primitives::B256;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wattline_primitives::CanonicalUpdate;
use wattline_storage::StorageError;

use super::Pool;

/// How many blocks are read and handed to the pool at once when updates were missed.
const CATCH_UP: u64 = 64;

/// Why the pool can follow the chain no longer.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A block that the pool has seen, or the head itself, is not in the database.
    #[error("the pool cannot follow the chain: block {0} is not in the database")]
    UnknownBlock(B256),
    /// A thread of the pool ended before its work.
    #[error("a worker of the pool ended early: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl Pool {
    /// Follows every change of the canonical chain until `shutdown`, or until there are no more.
    ///
    /// Each update is sent after the storage has it. Updates that are missing, because they came
    /// faster than they were taken or before this began, are made up for from the storage.
    ///
    /// # Errors
    /// A [`MaintainError`] when the storage cannot be read.
    pub async fn maintain(
        self,
        mut updates: Receiver<Arc<CanonicalUpdate>>,
        shutdown: CancellationToken,
    ) -> Result<(), MaintainError> {
        let pool = self.clone();
        tokio::task::spawn_blocking(move || pool.catch_up()).await??;
        loop {
            let received = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                received = updates.recv() => received,
            };
            match received {
                Ok(update) => {
                    let pool = self.clone();
                    tokio::task::spawn_blocking(move || pool.follow(&update)).await??;
                }
                // The next one, which is there already, tells what is missing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// The hash of the newest head that the pool has seen: what it offers fits on that.
    pub fn subscribe_head(&self) -> watch::Receiver<B256> {
        self.0.head.subscribe()
    }

    /// Takes an update over if it begins where the pool stands, and else what the storage holds.
    /// The storage must have the update. [`Pool::maintain`] does this for a whole node.
    ///
    /// # Errors
    /// A [`MaintainError`] when the storage cannot be read.
    pub fn follow(&self, update: &CanonicalUpdate) -> Result<(), MaintainError> {
        let parent = update
            .committed
            .first()
            .map(|first| first.block.parent_hash);
        if parent == Some(*self.0.head.borrow()) {
            self.on_canonical_update(update.head(), &update.committed);
            return Ok(());
        }
        self.catch_up()
    }

    /// Makes up for all that happened since the head that was seen last, from what the storage
    /// holds.
    ///
    /// # Errors
    /// A [`MaintainError`] when the storage cannot be read.
    pub fn catch_up(&self) -> Result<(), MaintainError> {
        let at = *self.0.head.borrow();
        let reader = self.0.storage.reader()?;
        let head = reader.head()?;
        if head.hash == at {
            return Ok(());
        }
        warn!("the pool fell behind the chain and catches up from the database");
        let mut number = reader
            .block_number(at)?
            .ok_or(MaintainError::UnknownBlock(at))?;
        while number < head.number {
            let until = head.number.min(number.saturating_add(CATCH_UP));
            let mut committed = Vec::new();
            for number in number.saturating_add(1)..=until {
                committed.extend(reader.block_with_receipts(number)?.map(Arc::new));
            }
            let header = reader
                .header(until)?
                .ok_or(MaintainError::UnknownBlock(head.hash))?;
            self.on_canonical_update(&header, &committed);
            number = until;
        }
        Ok(())
    }
}
