//! The way of a block into the chain.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wattline_clique::{
    CliqueError, Snapshot,
    fork_choice::{Candidate, turn_distance},
    seal_hash, validate_header, validate_time,
};
use wattline_primitives::{BlockWithReceipts, SealedBlock, SealedHeader};
use wattline_storage::{ExecutedBlock, Reader};

use crate::{
    CanonicalUpdate, Chain, ChainError,
    chain::{Head, Importer},
    execute::validate_body,
    metrics,
    side::MAX_SIDE_BLOCKS,
};

/// What became of a block that breaks no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is the new head.
    Canonical,
    /// It is stored beside the canonical chain, which fork choice prefers.
    SideChain,
    /// It was stored before.
    AlreadyKnown,
    /// It is from the near future and is imported when its time has come.
    Waiting {
        /// That time, since the Unix epoch.
        until: Duration,
    },
}

/// A block whose header was checked against its parent.
struct Placed {
    signer: alloy_primitives::Address,
    parent: Arc<Snapshot>,
}

impl Chain {
    /// Checks `block`, executes it if it is on the preferable branch, and commits it. Blocking and
    /// heavy on the processor: call it off the async threads. One block is imported at a time.
    ///
    /// # Errors
    ///
    /// A [`ChainError`]; [`ChainError::is_invalid_block`] tells whether the block is at fault.
    /// Whatever the error, the canonical chain is as before.
    pub fn import(&self, block: SealedBlock) -> Result<Imported, ChainError> {
        let started = Instant::now();
        let mut importer = self.inner.importer.lock();
        let now = self.inner.clock.now();
        self.import_due_at(&mut importer, now);
        let imported = self.import_at(&mut importer, block, now)?;
        if matches!(imported, Imported::Canonical | Imported::SideChain) {
            metrics::imported(started.elapsed());
        }
        Ok(imported)
    }

    /// Commits a block that was executed and sealed here, on the head, without executing it again.
    ///
    /// The seal is entered into the safety journal in the same transaction as the block. So once
    /// this returns the seal may be released, and a crash at any instant leaves either both or
    /// neither: the signer neither seals twice on one parent nor locks itself out.
    ///
    /// # Errors
    ///
    /// [`ChainError::NotOnHead`] if another block became the head meanwhile,
    /// [`ChainError::Header`] if the header breaks a rule,
    /// [`ChainError::Storage`] if this signer sealed another block on that parent or the database
    /// fails. The seal must not be released then.
    pub fn import_sealed(&self, block: ExecutedBlock) -> Result<Imported, ChainError> {
        let started = Instant::now();
        let _importer = self.inner.importer.lock();
        let head = self.inner.head.load_full();
        let header = block.block.sealed_block().sealed_header();
        if header.parent_hash != head.header.hash() {
            return Err(ChainError::NotOnHead {
                parent: header.parent_hash,
                head: head.header.hash(),
            });
        }
        let placed = self.place(&self.inner.storage.reader()?, header, &head.header)?;
        let candidate = candidate(&head, header, &placed);
        let seal = (header.number, header.parent_hash, seal_hash(header));
        self.commit_on_head(block, &placed.parent, candidate, Some(seal))?;
        metrics::imported(started.elapsed());
        Ok(Imported::Canonical)
    }

    /// Imports the blocks of the future whose time has come, and returns what became of each.
    /// Blocking, as [`Chain::import`].
    pub fn import_due(&self) -> Vec<(B256, Result<Imported, ChainError>)> {
        let mut importer = self.inner.importer.lock();
        self.import_due_at(&mut importer, self.inner.clock.now())
    }

    /// Imports blocks of the future when their time has come, until `shutdown`. A node runs this
    /// once, as a task of its own.
    pub async fn import_waiting(self, shutdown: CancellationToken) {
        loop {
            let next = self.inner.waiting.lock().next_due();
            let due = async {
                match next {
                    Some(at) => self.inner.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.inner.earlier.notified() => {}
                () = due => {
                    let chain = self.clone();
                    if let Err(error) = tokio::task::spawn_blocking(move || chain.import_due()).await {
                        warn!(%error, "the import of blocks of the future was interrupted");
                    }
                }
            }
        }
    }

    fn import_due_at(
        &self,
        importer: &mut Importer,
        now: Duration,
    ) -> Vec<(B256, Result<Imported, ChainError>)> {
        let mut outcomes = Vec::new();
        loop {
            let due = self.inner.waiting.lock().pop_due(now);
            let Some(block) = due else { break };
            let hash = block.hash();
            let outcome = self.import_at(importer, block, now);
            if let Err(error) = &outcome {
                warn!(%hash, %error, "a block that waited for its time was refused");
            }
            outcomes.push((hash, outcome));
        }
        if !outcomes.is_empty() {
            metrics::waiting_blocks(self.inner.waiting.lock().len());
        }
        outcomes
    }

    fn import_at(
        &self,
        importer: &mut Importer,
        block: SealedBlock,
        now: Duration,
    ) -> Result<Imported, ChainError> {
        let hash = block.hash();
        if let Some(reason) = importer.bad.reason(&hash) {
            return Err(ChainError::KnownBad { hash, reason });
        }
        if let Some(until) = self.inner.waiting.lock().until(&hash) {
            return Ok(Imported::Waiting { until });
        }
        let reader = self.inner.storage.reader()?;
        if reader.header_by_hash(hash)?.is_some() {
            return Ok(Imported::AlreadyKnown);
        }
        let ancestor = block.parent_hash;
        if let Some(reason) = importer.bad.reason(&ancestor) {
            return Err(ChainError::BadAncestor {
                hash,
                ancestor,
                reason,
            });
        }
        let parent = self
            .header(&reader, &ancestor)?
            .ok_or(ChainError::UnknownParent {
                number: block.number,
                hash,
                parent: ancestor,
            })?;
        let placed = self.place(&reader, block.sealed_header(), &parent)?;
        match validate_time(&block, now.as_secs()) {
            Ok(()) => {}
            Err(CliqueError::NotYet { timestamp, .. }) => {
                validate_body(&block)?;
                return self.wait(block, Duration::from_secs(timestamp));
            }
            Err(source) => {
                return Err(ChainError::FutureBlock {
                    number: block.number,
                    hash,
                    source,
                });
            }
        }

        let head = self.inner.head.load_full();
        if ancestor == head.header.hash() {
            drop(reader);
            return self.extend(importer, block, &placed, &head);
        }
        validate_body(&block)?;
        let total_difficulty = reader
            .total_difficulty(ancestor)?
            .ok_or(ChainError::UnknownBlock(ancestor))?;
        let candidate = Candidate {
            total_difficulty: total_difficulty.saturating_add(block.difficulty),
            number: block.number,
            turn_distance: turn_distance(block.number, placed.signer, &placed.parent),
            hash,
        };
        drop(reader);
        if candidate.is_preferred_to(&head.candidate) {
            return self.reorganise(importer, block, candidate);
        }
        self.store_beside(importer, &block, candidate)
    }

    /// Checks a header against its parent's snapshot.
    fn place(
        &self,
        reader: &Reader,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<Placed, ChainError> {
        let snapshot = self.snapshot_by(reader, parent.hash())?;
        let signer =
            validate_header(&self.inner.spec, header, parent, &snapshot).map_err(|source| {
                ChainError::Header {
                    number: header.number,
                    hash: header.hash(),
                    source,
                }
            })?;
        Ok(Placed {
            signer,
            parent: snapshot,
        })
    }

    fn wait(&self, block: SealedBlock, until: Duration) -> Result<Imported, ChainError> {
        debug!(number = block.number, hash = %block.hash(), ?until, "block waits for its time");
        let mut waiting = self.inner.waiting.lock();
        waiting.insert(block)?;
        metrics::waiting_blocks(waiting.len());
        drop(waiting);
        self.inner.earlier.notify_one();
        Ok(Imported::Waiting { until })
    }

    /// Executes and commits a block on the head.
    fn extend(
        &self,
        importer: &mut Importer,
        block: SealedBlock,
        placed: &Placed,
        head: &Head,
    ) -> Result<Imported, ChainError> {
        let hash = block.hash();
        let candidate = candidate(head, block.sealed_header(), placed);
        let executed = self
            .execute_on_head(block, placed.signer, &head.header)
            .inspect_err(|error| {
                if error.is_bad_block() {
                    metrics::bad_block();
                    importer.bad.insert(hash, error.to_string());
                }
            })?;
        self.commit_on_head(executed, &placed.parent, candidate, None)?;
        Ok(Imported::Canonical)
    }

    /// Commits an executed block on the head, and its seal with it if it was sealed here.
    fn commit_on_head(
        &self,
        executed: ExecutedBlock,
        parent: &Snapshot,
        candidate: Candidate,
        seal: Option<(u64, B256, B256)>,
    ) -> Result<(), ChainError> {
        let header = executed.block.sealed_block().sealed_header();
        let snapshot = self.inner.snapshots.to_store(parent, header)?;
        let mut writer = self.inner.storage.writer()?;
        if let Some((number, parent, seal_hash)) = seal {
            writer.journal_seal(number, parent, seal_hash)?;
        }
        writer.append(&executed)?;
        if let Some(bytes) = snapshot {
            writer.put_snapshot(header.hash(), &bytes)?;
        }
        writer.commit()?;
        let ExecutedBlock {
            block, receipts, ..
        } = executed;
        self.publish(
            Vec::new(),
            vec![BlockWithReceipts { block, receipts }],
            candidate,
        );
        Ok(())
    }

    fn store_beside(
        &self,
        importer: &mut Importer,
        block: &SealedBlock,
        candidate: Candidate,
    ) -> Result<Imported, ChainError> {
        let Candidate {
            hash,
            total_difficulty,
            number,
            ..
        } = candidate;
        importer
            .side
            .insert(hash, block.parent_hash, total_difficulty);
        let surplus = importer.side.surplus(MAX_SIDE_BLOCKS);
        let stored = (|| {
            let mut writer = self.inner.storage.writer()?;
            writer.put_side_block(block, total_difficulty)?;
            for hash in &surplus {
                writer.remove_side_block(*hash)?;
            }
            writer.commit()
        })();
        if let Err(error) = stored {
            importer.side.remove(&hash);
            return Err(error.into());
        }
        for hash in &surplus {
            importer.side.remove(hash);
        }
        metrics::side_blocks(importer.side.len());
        debug!(number, %hash, %total_difficulty, "stored a block beside the canonical chain");
        Ok(Imported::SideChain)
    }

    /// Makes the committed change visible: the head first, then the subscribers.
    pub(crate) fn publish(
        &self,
        reverted: Vec<BlockWithReceipts>,
        committed: Vec<BlockWithReceipts>,
        candidate: Candidate,
    ) {
        let started = Instant::now();
        let Some(last) = committed.last() else { return };
        let header = last.block.sealed_block().sealed_header().clone();
        let transactions = last.block.senders().len();
        for block in &committed {
            metrics::committed(block.block.gas_used, block.block.senders().len());
        }
        metrics::head(&header);
        info!(
            number = header.number,
            hash = %header.hash(),
            blocks = committed.len(),
            transactions,
            gas = header.gas_used,
            "new head"
        );
        let arcs = |blocks: Vec<BlockWithReceipts>| blocks.into_iter().map(Arc::new).collect();
        let update = CanonicalUpdate::new(arcs(reverted), arcs(committed), header.clone());
        self.inner.head.store(Arc::new(Head {
            header: Arc::new(header),
            candidate,
        }));
        // Without subscribers there is nobody to tell.
        let _ = self.inner.updates.send(Arc::new(update));
        metrics::notified(started.elapsed());
    }
}

/// The standing of a child of the head.
fn candidate(head: &Head, header: &SealedHeader, placed: &Placed) -> Candidate {
    Candidate {
        total_difficulty: head
            .candidate
            .total_difficulty
            .saturating_add(header.difficulty),
        number: header.number,
        turn_distance: turn_distance(header.number, placed.signer, &placed.parent),
        hash: header.hash(),
    }
}
