//! The one write transaction.

use crate::{
    StorageError, StorageResult, TrieUpdates, WriterState, blocks,
    env::{Env, WriterGuard},
    history, logs, prune, seals,
    tables::{Headers, Snapshots, TotalDifficulties},
    trie::{self, HashedChanges, TrieView},
    tx::RwTx,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, BlockNumber, U256};
use revm::database::BundleState;
use std::{sync::Arc, time::Instant};
use wattline_primitives::{BlockWithReceipts, Receipt, RecoveredBlock, SealedBlock};

/// A block with all that its execution led to.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    /// The block and the senders of its transactions.
    pub block: RecoveredBlock,
    /// One receipt per transaction, in their order.
    pub receipts: Vec<Receipt>,
    /// What execution changed in the state.
    pub state: BundleState,
    /// What that changes in the state trie, from
    /// [`Storage::state_root`](crate::Storage::state_root) or [`Writer::state_root`].
    pub trie: TrieUpdates,
}

/// The write transaction: everything it does becomes durable and visible at once by
/// [`commit`](Self::commit), or never happened if it is dropped. There is one at a time; asking for
/// a second waits for the first to end, so a thread must not ask for one while it holds one.
#[derive(Debug)]
pub struct Writer {
    tx: RwTx,
    /// Set while a change is half done; stays set if it failed.
    unfinished: bool,
    /// Declared last: the next writer's turn begins when this transaction is over.
    _guard: WriterGuard,
}

impl Writer {
    pub(crate) fn begin(env: &Arc<Env>) -> StorageResult<Self> {
        let (tx, guard) = env.begin_rw()?;
        Ok(Self {
            tx,
            unfinished: false,
            _guard: guard,
        })
    }

    /// Number and hash of the head, after what this writer did.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn head(&self) -> StorageResult<BlockNumHash> {
        blocks::head(&self.tx)
    }

    /// The state after the head, after what this writer did.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn state(&self) -> StorageResult<WriterState<'_>> {
        Ok(WriterState::new(&self.tx, self.head()?.number))
    }

    /// The state root after `state` on the head, after what this writer did.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn state_root(&self, state: &BundleState) -> StorageResult<(B256, TrieUpdates)> {
        let head = self.head()?;
        let root = self.tx.expect::<Headers>(&head.number)?.state_root;
        let changes = HashedChanges::of_bundle(state);
        let updates = trie::compute(&[TrieView::stored(&self.tx)], head.hash, root, changes)?;
        Ok((updates.root(), updates))
    }

    /// Makes the block the new head; several blocks one after another become durable in one
    /// [`commit`](Self::commit). Prunes a few of the oldest states if the database is to
    /// keep [fewer](crate::StorageConfig::history).
    ///
    /// # Errors
    /// - [`StorageError::NotNextBlock`] if it is not a child of the head.
    /// - [`StorageError::NotHead`] if its trie updates were computed on another block.
    /// - [`StorageError::StateRootMismatch`] if they lead to another root than its header has.
    /// - [`StorageError::ReceiptCount`], [`StorageError::UnsupportedBody`] if it cannot be stored.
    pub fn append(&mut self, executed: &ExecutedBlock) -> StorageResult<()> {
        let ExecutedBlock {
            block,
            receipts,
            state,
            trie,
        } = executed;
        let started = Instant::now();
        let head = self.head()?;
        check_next(head, executed)?;
        self.change(|tx| {
            let difficulty = tx.expect::<TotalDifficulties>(&head.hash)?;
            let difficulty = difficulty.saturating_add(block.difficulty);
            blocks::put_canonical(tx, block, receipts, difficulty)?;
            logs::append(tx, block.number, receipts)?;
            history::apply(tx, block.number, state)?;
            trie.write(tx)?;
            match tx.env().history() {
                Some(keep) => prune::advance(tx, block.number, keep),
                None => Ok(()),
            }
        })?;
        metrics::histogram!("wattline_storage_append_seconds").record(started.elapsed());
        Ok(())
    }

    /// Takes the chain back to block `number`: state, history and trie are as they were after it.
    /// Returns the removed blocks, newest first; they stay known as side blocks.
    ///
    /// # Errors
    /// - [`StorageError::MissingBlock`] if the head is before that block.
    /// - [`StorageError::StatePruned`] if its state was pruned.
    pub fn unwind_to(&mut self, number: BlockNumber) -> StorageResult<Vec<BlockWithReceipts>> {
        let head = self.head()?;
        if number > head.number {
            return Err(StorageError::MissingBlock {
                number,
                head: head.number,
            });
        }
        if number == head.number {
            return Ok(Vec::new());
        }
        prune::check(&self.tx, number)?;
        self.change(|tx| {
            let root = tx.expect::<Headers>(&head.number)?.state_root;
            let removed = (number + 1..=head.number)
                .rev()
                .map(|number| blocks::remove_head(tx, number))
                .collect::<StorageResult<Vec<_>>>()?;
            logs::unwind_to(tx, number)?;
            let undone = history::undo_to(tx, number)?;
            let changes = HashedChanges::of_plain(&undone.accounts, &undone.slots);
            let updates = trie::compute(&[TrieView::stored(tx)], head.hash, root, changes)?;
            let expected = tx.expect::<Headers>(&number)?.state_root;
            if updates.root() != expected {
                let computed = updates.root();
                return Err(StorageError::StateRootMismatch {
                    number,
                    expected,
                    computed,
                });
            }
            updates.write(tx)?;
            Ok(removed)
        })
    }

    /// Remembers a block that is not canonical.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn put_side_block(
        &mut self,
        block: &SealedBlock,
        total_difficulty: U256,
    ) -> StorageResult<()> {
        self.change(|tx| blocks::put_side(tx, block, total_difficulty))
    }

    /// Forgets a block that is not canonical; nothing happens if it is not known.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn remove_side_block(&mut self, hash: B256) -> StorageResult<()> {
        self.change(|tx| blocks::remove_side(tx, hash))
    }

    /// Records that this node's signer is about to release a seal, as
    /// [`Storage::journal_seal`](crate::Storage::journal_seal) does, but together with the rest of
    /// this transaction: a crash leaves the entry and the sealed block, or neither.
    ///
    /// # Errors
    /// - [`StorageError::AlreadySealed`] if it sealed another block on that parent before. The same
    ///   one again is fine.
    /// - [`StorageError::SealForgotten`] if it sealed blocks so far ahead of this one that it cannot
    ///   know.
    pub fn journal_seal(
        &mut self,
        number: BlockNumber,
        parent: B256,
        seal_hash: B256,
    ) -> StorageResult<()> {
        if seals::check(&self.tx, number, parent, seal_hash)? {
            return Ok(());
        }
        self.change(|tx| seals::record(tx, number, parent, seal_hash))
    }

    /// Remembers the consensus snapshot after a block.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn put_snapshot(&mut self, hash: B256, snapshot: &[u8]) -> StorageResult<()> {
        self.change(|tx| tx.put::<Snapshots>(&hash, &snapshot.to_vec()))
    }

    /// Makes everything durable and visible at once. When this returns, it survives a crash of the
    /// process and of the machine.
    ///
    /// # Errors
    /// - [`StorageError::WriterFailed`] if an earlier change of this writer failed.
    /// - [`StorageError::MapFull`], [`StorageError::Disk`] if there is no space left. Nothing of
    ///   this writer is stored then, and another writer may try again.
    pub fn commit(self) -> StorageResult<()> {
        if self.unfinished {
            return Err(StorageError::WriterFailed);
        }
        let started = Instant::now();
        let env = Arc::clone(self.tx.env());
        let committed = self.tx.commit();
        env.note_stored(&committed);
        committed?;
        metrics::histogram!("wattline_storage_commit_seconds").record(started.elapsed());
        Ok(())
    }

    /// Makes a change of several steps, which is not to be committed if one of them fails.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&RwTx) -> StorageResult<T>,
    ) -> StorageResult<T> {
        let failed_before = std::mem::replace(&mut self.unfinished, true);
        let done = change(&self.tx);
        if done.is_err() {
            self.tx.env().note_stored(&done);
        }
        self.unfinished = failed_before || done.is_err();
        done
    }
}

fn check_next(head: BlockNumHash, executed: &ExecutedBlock) -> StorageResult<()> {
    let ExecutedBlock {
        block,
        receipts,
        trie,
        ..
    } = executed;
    let (number, parent) = (block.number, block.parent_hash);
    if head.number.checked_add(1) != Some(number) || parent != head.hash {
        return Err(StorageError::NotNextBlock {
            number,
            parent,
            head,
        });
    }
    if trie.parent() != head.hash {
        let parent = BlockNumHash {
            number: head.number,
            hash: trie.parent(),
        };
        return Err(StorageError::NotHead { parent, head });
    }
    if trie.root() != block.state_root {
        let (expected, computed) = (block.state_root, trie.root());
        return Err(StorageError::StateRootMismatch {
            number,
            expected,
            computed,
        });
    }
    let transactions = block.body().transactions.len();
    if receipts.len() != transactions {
        let receipts = receipts.len();
        return Err(StorageError::ReceiptCount {
            number,
            transactions,
            receipts,
        });
    }
    Ok(())
}
