//! Execution of blocks and comparison of what comes out with their headers.

use std::{sync::Arc, time::Instant};

use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{Address, B256};
use rayon::prelude::*;
use tracing::{debug, warn};
use wattline_clique::validate_header;
use wattline_evm::{ExecutionError, ExecutionOutput};
use wattline_primitives::{RecoveredBlock, SealedBlock, SealedHeader};
use wattline_storage::ExecutedBlock;

use crate::{Chain, ChainError, MAX_UNSTORED, RefusedBlock, metrics, tree::Misfit};

impl Chain {
    /// Checks a block whose parent is the head or executed here, executes it, compares its roots,
    /// and keeps the result in memory. A block that is here already is returned as it is.
    ///
    /// `senders` names the senders of transactions, by their hash, that need not be recovered from
    /// the signatures once more. Blocking and heavy on the processor: call it off the async threads.
    /// One block is executed at a time.
    ///
    /// # Errors
    ///
    /// A [`ChainError`]; [`ChainError::is_invalid_block`] tells whether the block is at fault.
    pub fn execute(
        &self,
        block: SealedBlock,
        senders: &(dyn Fn(&B256) -> Option<Address> + Sync),
    ) -> Result<Arc<ExecutedBlock>, ChainError> {
        let started = Instant::now();
        let _turn = self.inner.executing.lock();
        if let Some(known) = self.executed(&block.hash()) {
            return Ok(known);
        }
        let signer = self.place(block.sealed_header())?;
        let block = recover_senders(block, senders)?;
        let executed = self
            .execute_placed(block, signer)
            .and_then(|executed| self.keep(executed))?;
        metrics::executed(started.elapsed());
        debug!(
            number = executed.block.number,
            hash = %executed.block.hash(),
            transactions = executed.receipts.len(),
            took = ?started.elapsed(),
            "executed a block"
        );
        Ok(executed)
    }

    /// Takes in a block that was executed and sealed here, on the head or on a block that was
    /// executed here, without executing it again.
    ///
    /// # Errors
    ///
    /// A [`ChainError`] if the header breaks a rule or the parent is not here any more.
    pub fn adopt(&self, block: ExecutedBlock) -> Result<Arc<ExecutedBlock>, ChainError> {
        self.place(block.block.sealed_header())?;
        self.keep(block)
    }

    /// Checks a header against its parent, and returns who sealed it.
    fn place(&self, header: &SealedHeader) -> Result<Address, ChainError> {
        let placed = self.inner.tree.read().place(header.parent_hash);
        let parent = placed.map_err(|misfit| self.misplaced(header, misfit))?;
        let snapshot = self.snapshot(parent.hash())?;
        validate_header(&self.inner.spec, header, &parent, &snapshot).map_err(|source| {
            ChainError::Header {
                number: header.number,
                hash: header.hash(),
                source,
            }
        })
    }

    /// Why no block of this header can be put into the tree.
    fn misplaced(&self, header: &SealedHeader, misfit: Misfit) -> ChainError {
        let (number, hash, parent) = (header.number, header.hash(), header.parent_hash);
        let is_final = |hash| {
            let reader = self.inner.storage.reader()?;
            Ok(reader.block_number(hash)?.is_some())
        };
        match (misfit, is_final(hash), is_final(parent)) {
            (Misfit::TooDeep, ..) => ChainError::TooDeep {
                number,
                hash,
                limit: MAX_UNSTORED,
            },
            (_, Err(error), _) | (.., Err(error)) => ChainError::Storage(error),
            (_, Ok(true), _) => ChainError::AlreadyFinal { number, hash },
            (.., Ok(true)) => ChainError::Contradiction {
                number,
                hash,
                parent,
            },
            _ => ChainError::UnknownParent {
                number,
                hash,
                parent,
            },
        }
    }

    /// Executes a block of which only the body and what execution leads to are still to be checked.
    fn execute_placed(
        &self,
        block: RecoveredBlock,
        signer: Address,
    ) -> Result<ExecutedBlock, ChainError> {
        let overlay = self.overlay(block.parent_hash)?;
        let executed = self
            .inner
            .evm
            .execute_beside(overlay.clone(), &block, signer, |changes| {
                overlay.state_root(changes)
            });
        let (output, root) =
            executed.map_err(|error| self.refuse(&block, execution_error(&block, error)))?;
        let (root, trie) = root?;
        check_state_root(&block, root).map_err(|error| self.refuse(&block, error))?;
        let ExecutionOutput {
            receipts, state, ..
        } = output;
        Ok(ExecutedBlock {
            block,
            receipts,
            state,
            trie,
        })
    }

    /// Puts an executed block into the tree.
    fn keep(&self, block: ExecutedBlock) -> Result<Arc<ExecutedBlock>, ChainError> {
        let block = Arc::new(block);
        let mut tree = self.inner.tree.write();
        let inserted = tree.insert(block.clone());
        metrics::unstored(tree.len());
        drop(tree);
        inserted.map_err(|misfit| self.misplaced(block.block.sealed_header(), misfit))
    }

    /// Keeps a block for people to look at, if `error` says that it is invalid.
    fn refuse(&self, block: &RecoveredBlock, error: ChainError) -> ChainError {
        if error.is_bad_block() {
            metrics::bad_block();
            let reason = error.to_string();
            warn!(number = block.number, hash = %block.hash(), %reason, "refused a block");
            self.inner.refused.lock().push(RefusedBlock {
                block: block.clone(),
                reason,
            });
        }
        error
    }
}

/// Finds out all senders, on all cores.
fn recover_senders(
    block: SealedBlock,
    known: &(dyn Fn(&B256) -> Option<Address> + Sync),
) -> Result<RecoveredBlock, ChainError> {
    let transactions = &block.body().transactions;
    let senders: Result<Vec<_>, _> = transactions
        .par_iter()
        .map(|transaction| {
            known(transaction.tx_hash()).map_or_else(|| transaction.recover_signer(), Ok)
        })
        .collect();
    match senders {
        Ok(senders) => Ok(RecoveredBlock::new_sealed(block, senders)),
        Err(error) => {
            // The block of this hash is at fault only if this is its body.
            wattline_evm::validate_body(&block).map_err(|source| ChainError::Body {
                number: block.number,
                hash: block.hash(),
                source,
            })?;
            Err(ChainError::Signature {
                hash: block.hash(),
                reason: error.to_string(),
            })
        }
    }
}

fn check_state_root(block: &RecoveredBlock, got: B256) -> Result<(), ChainError> {
    if got == block.state_root {
        return Ok(());
    }
    Err(ChainError::StateRoot {
        number: block.number,
        hash: block.hash(),
        got,
        expected: block.state_root,
    })
}

fn execution_error(block: &RecoveredBlock, source: ExecutionError) -> ChainError {
    let (number, hash) = (block.number, block.hash());
    match source {
        ExecutionError::Body(source) => ChainError::Body {
            number,
            hash,
            source,
        },
        source => ChainError::Execution {
            number,
            hash,
            source: Box::new(source),
        },
    }
}
