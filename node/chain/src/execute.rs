//! Execution of blocks and comparison of what comes out with their headers.

use alloy_primitives::{Address, B256};
use tracing::warn;
use wattline_clique::recover_signer;
use wattline_evm::{ExecutionError, ExecutionOutput};
use wattline_primitives::{RecoveredBlock, SealedBlock, SealedHeader};
use wattline_storage::{ExecutedBlock, Writer};

use crate::{Chain, ChainError, RefusedBlock};

impl Chain {
    /// Executes a child of the head on the head's state, beside all readers.
    pub(crate) fn execute_on_head(
        &self,
        block: SealedBlock,
        signer: Address,
        head: &SealedHeader,
    ) -> Result<ExecutedBlock, ChainError> {
        let block = recover_senders(block)?;
        let storage = &self.inner.storage;
        let output = self
            .inner
            .evm
            .execute(storage.state()?, &block, signer)
            .map_err(|error| self.refuse(&block, execution_error(&block, error)))?;
        let (root, trie) = storage.state_root(head.num_hash(), &output.state)?;
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

    /// Executes a child of the writer's head on what the writer has written.
    pub(crate) fn execute_in(
        &self,
        writer: &Writer,
        block: SealedBlock,
    ) -> Result<ExecutedBlock, ChainError> {
        let signer = recover_signer(&block).map_err(|source| ChainError::Header {
            number: block.number,
            hash: block.hash(),
            source,
        })?;
        let block = recover_senders(block)?;
        let output = self
            .inner
            .evm
            .execute(writer.state()?, &block, signer)
            .map_err(|error| self.refuse(&block, execution_error(&block, error)))?;
        let (root, trie) = writer.state_root(&output.state)?;
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

    /// Keeps a block for people to look at, if `error` says that it is invalid.
    fn refuse(&self, block: &RecoveredBlock, error: ChainError) -> ChainError {
        if error.is_bad_block() {
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

/// Checks that `block`'s body is the one its header commits to.
pub(crate) fn validate_body(block: &SealedBlock) -> Result<(), ChainError> {
    wattline_evm::validate_body(block).map_err(|source| ChainError::Body {
        number: block.number,
        hash: block.hash(),
        source,
    })
}

/// Recovers all senders, in parallel.
fn recover_senders(block: SealedBlock) -> Result<RecoveredBlock, ChainError> {
    match block.senders() {
        Ok(senders) => Ok(RecoveredBlock::new_sealed(block, senders)),
        Err(error) => {
            // The block of this hash is at fault only if this is its body.
            validate_body(&block)?;
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
