//! Keeping the pool at the chain's head.

use std::sync::Arc;

use alloy_primitives::B256;
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wattline_chain::{CanonicalUpdate, Chain, ChainError};
use wattline_pool::Pool;
use wattline_primitives::{BlockWithReceipts, RecoveredBlock};
use wattline_storage::Reader;

use crate::ProducerError;

/// How many blocks are read and handed to the pool at once when updates were missed.
const CATCH_UP: u64 = 64;

/// Forwards every change of the canonical chain to the pool, until `shutdown`.
///
/// For a node without a signer. A [`Producer`](crate::Producer) does so itself, since it must know
/// that the pool has seen a head before it builds on it.
///
/// # Errors
///
/// [`ProducerError::Chain`] if the database fails.
pub fn forward_canonical_updates(
    chain: Chain,
    pool: Pool,
    shutdown: CancellationToken,
) -> impl Future<Output = Result<(), ProducerError>> + Send + 'static {
    // Now and not when first polled: nothing that happens until then is to be missed.
    let mut follower = Follower::new(chain, pool);
    async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                changed = follower.changed() => changed?,
            }
            follower.forward().await?;
        }
    }
}

/// What the pool knows of the chain, and what it is still to be told.
pub(crate) struct Follower {
    chain: Chain,
    pool: Pool,
    updates: Receiver<Arc<CanonicalUpdate>>,
    pending: Vec<Arc<CanonicalUpdate>>,
    /// The chain went on faster than updates were taken, and some are gone.
    missed: bool,
    /// Hash of the head that the pool knows.
    at: B256,
}

impl Follower {
    /// Follows `chain` from its head, which `pool` must know.
    pub(crate) fn new(chain: Chain, pool: Pool) -> Self {
        let updates = chain.subscribe();
        let at = chain.head().hash();
        Self {
            chain,
            pool,
            updates,
            pending: Vec::new(),
            missed: false,
            at,
        }
    }

    /// Completes when there is something to forward. Nothing is lost if it is cancelled.
    pub(crate) async fn changed(&mut self) -> Result<(), ProducerError> {
        if self.missed || !self.pending.is_empty() {
            return Ok(());
        }
        match self.updates.recv().await {
            Ok(update) => self.pending.push(update),
            Err(RecvError::Lagged(_)) => self.missed = true,
            Err(RecvError::Closed) => return Err(ProducerError::UpdatesEnded),
        }
        Ok(())
    }

    /// Brings the pool to the head, or to where the chain was moments ago.
    pub(crate) async fn forward(&mut self) -> Result<(), ProducerError> {
        loop {
            match self.updates.try_recv() {
                Ok(update) => self.pending.push(update),
                Err(TryRecvError::Lagged(_)) => self.missed = true,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => return Err(ProducerError::UpdatesEnded),
            }
        }
        let pending = std::mem::take(&mut self.pending);
        let (chain, pool, at) = (self.chain.clone(), self.pool.clone(), self.at);
        if self.missed {
            warn!("the pool fell behind the chain and catches up from the database");
            // Anew before the head is read: what comes after that head is in the new queue.
            self.updates = self.chain.subscribe();
            self.at = tokio::task::spawn_blocking(move || catch_up(&chain, &pool, at)).await??;
            self.missed = false;
            return Ok(());
        }
        let Some(last) = pending.last() else {
            return Ok(());
        };
        self.at = last.head().hash();
        tokio::task::spawn_blocking(move || {
            // Catching up may have told the pool what was queued meanwhile.
            for update in pending.iter().filter(|update| update.head().hash() != at) {
                pool.on_canonical_update(update.head(), &update.committed, &update.reverted);
            }
        })
        .await?;
        Ok(())
    }
}

/// Tells the pool of all that happened since the block `at`, from what the database holds, and
/// returns the head it then knows.
fn catch_up(chain: &Chain, pool: &Pool, at: B256) -> Result<B256, ChainError> {
    let reader = chain.storage().reader()?;
    let head = reader.head()?;
    let (mut number, mut reverted) = reverted_since(&reader, at)?;
    while number < head.number || !reverted.is_empty() {
        let until = head.number.min(number.saturating_add(CATCH_UP));
        let mut committed = Vec::new();
        for number in number.saturating_add(1)..=until {
            committed.extend(reader.block_with_receipts(number)?.map(Arc::new));
        }
        let header = reader
            .header(until)?
            .ok_or(ChainError::UnknownBlock(head.hash))?;
        pool.on_canonical_update(&header, &committed, &reverted);
        reverted.clear();
        number = until;
    }
    Ok(head.hash)
}

/// The blocks that were canonical at `at` and are not any more, oldest first and without receipts,
/// which the database keeps of canonical blocks only; and the number of the block before them.
fn reverted_since(
    reader: &Reader,
    at: B256,
) -> Result<(u64, Vec<Arc<BlockWithReceipts>>), ChainError> {
    let mut reverted = Vec::new();
    let mut hash = at;
    loop {
        if let Some(number) = reader.block_number(hash)? {
            reverted.reverse();
            return Ok((number, reverted));
        }
        let block = reader
            .side_block(hash)?
            .ok_or(ChainError::UnknownBlock(hash))?;
        hash = block.parent_hash;
        // It was executed here once, so its senders recover; were it not so, it is worth nothing.
        if let Ok(block) = RecoveredBlock::try_recover_sealed(block) {
            reverted.push(Arc::new(BlockWithReceipts {
                block,
                receipts: Vec::new(),
            }));
        }
    }
}
