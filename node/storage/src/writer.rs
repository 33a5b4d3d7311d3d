//! The one write transaction.

use crate::{
    StorageError, StorageResult, TrieUpdates, blocks,
    env::{Env, WriterGuard},
    history, logs, prune,
    tables::Snapshots,
    tx::RwTx,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use revm::database::BundleState;
use std::{sync::Arc, time::Instant};
use wattline_primitives::{Receipt, RecoveredBlock};

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
    /// [`Overlay::state_root`](crate::Overlay::state_root).
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
            blocks::put_canonical(tx, block, receipts)?;
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
