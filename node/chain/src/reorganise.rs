//! From one branch to a preferable one, in one database transaction.

use std::collections::HashMap;

use alloy_primitives::{B256, U256};
use tracing::{info, warn};
use wattline_clique::fork_choice::Candidate;
use wattline_primitives::{BlockWithReceipts, SealedBlock};
use wattline_storage::{Reader, Writer};

use crate::{
    Chain, ChainError, Imported,
    chain::{Importer, signer_turn_distance},
    metrics,
};

/// A stretch of blocks beside the canonical chain.
struct Branch {
    /// The canonical block that the first block of the branch is a child of.
    ancestor: u64,
    /// Oldest first.
    blocks: Vec<SealedBlock>,
}

impl Chain {
    /// Makes the branch that ends in `tip` canonical. If one of its blocks turns out invalid, the
    /// transaction is dropped, so the old head stays, and the block is remembered as bad.
    pub(crate) fn reorganise(
        &self,
        importer: &mut Importer,
        tip: SealedBlock,
        candidate: Candidate,
    ) -> Result<Imported, ChainError> {
        let reader = self.inner.storage.reader()?;
        let branch = branch_to(&reader, tip)?;
        let snapshots = self.snapshots_to_store(&reader, &branch)?;
        drop(reader);

        let mut writer = self.inner.storage.writer()?;
        let mut reverted = writer.unwind_to(branch.ancestor)?;
        reverted.reverse();
        let mut committed = Vec::with_capacity(branch.blocks.len());
        for block in branch.blocks {
            let hash = block.hash();
            match self.append(&mut writer, block) {
                Ok(appended) => committed.push(appended),
                Err(error) => {
                    drop(writer);
                    return Err(self.refuse_branch(importer, hash, candidate.hash, error));
                }
            }
            if let Some(bytes) = snapshots.get(&hash) {
                writer.put_snapshot(hash, bytes)?;
            }
        }
        writer.commit()?;

        self.reindex(importer, &reverted, &committed, candidate.total_difficulty);
        metrics::reorganised(reverted.len());
        info!(
            ancestor = branch.ancestor,
            reverted = reverted.len(),
            committed = committed.len(),
            head = %candidate.hash,
            "the chain reorganised to a preferable branch"
        );
        self.publish(reverted, committed, candidate);
        Ok(Imported::Canonical)
    }

    /// Reorganises to the most preferable of the stored side branches, if it is preferable to the
    /// head. Invalid branches are dropped on the way.
    pub(crate) fn adopt_preferable_branch(&self) -> Result<(), ChainError> {
        let mut importer = self.inner.importer.lock();
        while let Some(candidate) = self.best_side_branch(&importer)? {
            let reader = self.inner.storage.reader()?;
            let missing = candidate.hash;
            let tip = reader
                .side_block(missing)?
                .ok_or(ChainError::UnknownBlock(missing))?;
            drop(reader);
            match self.reorganise(&mut importer, tip, candidate) {
                Ok(_) => {}
                Err(error) if error.is_invalid_block() => {
                    warn!(%error, "dropped an invalid side branch");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The most preferable stored side block, if it is preferable to the head.
    fn best_side_branch(&self, importer: &Importer) -> Result<Option<Candidate>, ChainError> {
        let head = self.inner.head.load().candidate;
        let reader = self.inner.storage.reader()?;
        let mut best: Option<Candidate> = None;
        for (hash, total_difficulty) in importer.side.at_least(head.total_difficulty) {
            let header = reader
                .header_by_hash(hash)?
                .ok_or(ChainError::UnknownBlock(hash))?;
            let parent = self.snapshot_by(&reader, header.parent_hash)?;
            let candidate = Candidate {
                total_difficulty,
                number: header.number,
                turn_distance: signer_turn_distance(&header, &parent)?,
                hash,
            };
            if candidate.is_preferred_to(best.as_ref().unwrap_or(&head)) {
                best = Some(candidate);
            }
        }
        Ok(best)
    }

    /// Executes a block of a branch within the transaction that reorganises, and appends it.
    fn append(
        &self,
        writer: &mut Writer,
        block: SealedBlock,
    ) -> Result<BlockWithReceipts, ChainError> {
        let executed = self.execute_in(writer, block)?;
        writer.append(&executed)?;
        Ok(BlockWithReceipts {
            block: executed.block,
            receipts: executed.receipts,
        })
    }

    /// Snapshots that the database is to hold once the branch is canonical. Computed before the
    /// writer opens, so that nothing reads beside it.
    fn snapshots_to_store(
        &self,
        reader: &Reader,
        branch: &Branch,
    ) -> Result<HashMap<B256, Vec<u8>>, ChainError> {
        let mut snapshots = HashMap::new();
        for block in &branch.blocks {
            if !self.inner.snapshots.is_stored_at(block.number) {
                continue;
            }
            let parent = self.snapshot_by(reader, block.parent_hash)?;
            if let Some(bytes) = self
                .inner
                .snapshots
                .to_store(&parent, block.sealed_header())?
            {
                snapshots.insert(block.hash(), bytes);
            }
        }
        Ok(snapshots)
    }

    /// What importing `tip` fails with because of `error` in the block of `hash`. If that block is
    /// at fault, it and all that descends from it are dropped and remembered as bad.
    fn refuse_branch(
        &self,
        importer: &mut Importer,
        hash: B256,
        tip: B256,
        error: ChainError,
    ) -> ChainError {
        if !error.is_bad_block() {
            return error;
        }
        metrics::bad_block();
        let reason = error.to_string();
        importer.bad.insert(hash, reason.clone());
        let inherited = format!("it descends from the invalid block {hash}: {reason}");
        if tip != hash {
            importer.bad.insert(tip, inherited.clone());
        }
        let dropped = importer.side.with_descendants(hash);
        let removed = (|| {
            let mut writer = self.inner.storage.writer()?;
            for hash in &dropped {
                writer.remove_side_block(*hash)?;
            }
            writer.commit()
        })();
        if let Err(error) = removed {
            return error.into();
        }
        for descendant in dropped {
            importer.side.remove(&descendant);
            if descendant != hash {
                importer.bad.insert(descendant, inherited.clone());
            }
        }
        metrics::side_blocks(importer.side.len());
        if tip == hash {
            error
        } else {
            ChainError::BadAncestor {
                hash: tip,
                ancestor: hash,
                reason,
            }
        }
    }

    /// Brings the index of side blocks up to what the transaction did.
    fn reindex(
        &self,
        importer: &mut Importer,
        reverted: &[BlockWithReceipts],
        committed: &[BlockWithReceipts],
        head: U256,
    ) {
        let added = |blocks: &[BlockWithReceipts]| {
            blocks.iter().fold(U256::ZERO, |sum, block| {
                sum.saturating_add(block.block.difficulty)
            })
        };
        let mut total_difficulty = head.saturating_sub(added(committed));
        for BlockWithReceipts { block, .. } in reverted {
            total_difficulty = total_difficulty.saturating_add(block.difficulty);
            importer
                .side
                .insert(block.hash(), block.parent_hash, total_difficulty);
        }
        for BlockWithReceipts { block, .. } in committed {
            importer.side.remove(&block.hash());
        }
        metrics::side_blocks(importer.side.len());
    }
}

/// The side blocks from the canonical chain up to `tip`.
fn branch_to(reader: &Reader, tip: SealedBlock) -> Result<Branch, ChainError> {
    let hash = tip.hash();
    let mut parent = tip.parent_hash;
    let mut blocks = vec![tip];
    loop {
        if let Some(ancestor) = reader.block_number(parent)? {
            blocks.reverse();
            return Ok(Branch { ancestor, blocks });
        }
        let block = reader.side_block(parent)?.ok_or(ChainError::BrokenBranch {
            hash,
            missing: parent,
        })?;
        parent = block.parent_hash;
        blocks.push(block);
    }
}
