//! Executing a block of the chain again, on the state of its parent, exactly as the chain did.

use alloy_consensus::BlockHeader as _;
use alloy_evm::{Evm as _, block::BlockExecutor as _, eth::EthEvmContext};
use alloy_primitives::{Address, B256};
use revm::{
    Inspector,
    context::{BlockEnv, TxEnv, result::ResultAndState},
    database::{State, WrapDatabaseRef, bal::EvmDatabaseError},
};
use wattline_clique::recover_signer;
use wattline_evm::{WattlineBlockExecutor, WattlineEvm};
use wattline_primitives::{RecoveredBlock, TransactionSigned};
use wattline_storage::{Reader, StateReader, StorageError};

use crate::{
    RpcError,
    execution::workers::Stop,
    shared::{
        backend::Backend,
        error::{ReplayError, SignerError},
    },
};

/// The state of a block's parent with what the block did so far on top.
pub(crate) type BlockState = State<WrapDatabaseRef<StateReader>>;
/// What an inspector of a replayed transaction gets to see.
pub(crate) type BlockContext = EthEvmContext<BlockState>;

type Executor<I> = WattlineBlockExecutor<'static, WattlineEvm<BlockState, I>>;

/// A block that is executed again, transaction by transaction.
pub(crate) struct BlockReplay<I> {
    block: RecoveredBlock,
    executor: Executor<I>,
    next: usize,
    stop: Stop,
}

/// A transaction that has been executed again, but not yet added to the block's state.
pub(crate) struct ReplayedTransaction<'a, I> {
    pub(crate) block_hash: B256,
    pub(crate) index: usize,
    pub(crate) tx: &'a TransactionSigned,
    pub(crate) tx_env: TxEnv,
    pub(crate) block_env: BlockEnv,
    pub(crate) result: &'a ResultAndState,
    /// The state before the transaction.
    pub(crate) state: &'a mut BlockState,
    pub(crate) inspector: I,
}

impl<I: Inspector<BlockContext> + Default> BlockReplay<I> {
    /// Begins with `block`, whose parent must be on the chain: carries out what comes before the
    /// first transaction.
    ///
    /// # Errors
    ///
    /// [`RpcError::Replay`]; [`RpcError::Replay`] if the parent's state is not
    /// kept; [`RpcError::Signer`] if the block has no valid seal.
    pub(crate) fn new(
        backend: &Backend,
        reader: &Reader,
        block: RecoveredBlock,
        stop: Stop,
    ) -> Result<Self, RpcError> {
        let parent = block.number().checked_sub(1).ok_or(ReplayError::Genesis)?;
        if reader.block_hash(parent)? != Some(block.parent_hash()) {
            return Err(RpcError::Replay(ReplayError::ParentNotFound(
                block.parent_hash(),
            )));
        }
        let signer = recover_signer(block.header())
            .map_err(|error| RpcError::Signer(SignerError::Seal(error.to_string())))?;
        let state = State::builder()
            .with_database_ref(reader.state_at(parent)?)
            .build();
        let mut executor =
            backend
                .chain()
                .evm()
                .replay(state, block.header(), signer, I::default());
        executor.apply_pre_execution_changes().map_err(failed)?;
        Ok(Self {
            block,
            executor,
            next: 0,
            stop,
        })
    }

    /// Executes up to the transaction at `index`, which is the next one then.
    ///
    /// # Errors
    ///
    /// [`RpcError::Replay`] if there are fewer transactions; [`RpcError::Call`]
    /// if it was stopped.
    pub(crate) fn skip_to(&mut self, index: usize) -> Result<(), RpcError> {
        let count = self.block.senders().len();
        if index > count {
            return Err(RpcError::Replay(ReplayError::TransactionOutOfRange {
                index,
                block: self.block.hash(),
            }));
        }
        // Nobody looks, so the chain's own speed is worth having.
        self.executor.evm_mut().set_inspector_enabled(false);
        let skipped = self.block.transactions_recovered();
        for tx in skipped.take(index).skip(self.next) {
            self.stop.check()?;
            self.executor.execute_transaction(tx).map_err(failed)?;
            self.next += 1;
        }
        self.executor.evm_mut().set_inspector_enabled(true);
        Ok(())
    }

    /// Executes the next transaction under an inspector and has `look` look at it before the
    /// block's state has it. `None` after the last transaction.
    ///
    /// # Errors
    ///
    /// Those of `look`, [`RpcError::Call`] if it was stopped, [`RpcError::Internal`] if the
    /// transaction does not execute.
    pub(crate) fn inspect<T>(
        &mut self,
        inspector: I,
        look: impl FnOnce(ReplayedTransaction<'_, I>) -> Result<T, RpcError>,
    ) -> Result<Option<T>, RpcError> {
        self.stop.check()?;
        let index = self.next;
        let Some(tx) = self.block.transactions_recovered().nth(index) else {
            return Ok(None);
        };
        *self.executor.evm_mut().inspector_mut() = inspector;
        let executed = self.executor.execute_transaction_without_commit(tx);
        let output = executed.map_err(failed)?;
        let evm = self.executor.evm_mut();
        let block_env = evm.block().clone();
        let (state, inspector, _) = evm.components_mut();
        let looked = look(ReplayedTransaction {
            block_hash: self.block.hash(),
            index,
            tx: tx.inner(),
            tx_env: tx_env(tx.inner(), *tx.signer_ref()),
            block_env,
            result: &output.result,
            state,
            inspector: std::mem::take(inspector),
        })?;
        self.executor.commit_transaction(output);
        self.next += 1;
        Ok(Some(looked))
    }

    /// The state as the block left it so far.
    pub(crate) fn into_state(self) -> Result<BlockState, RpcError> {
        let (evm, _) = self.executor.finish().map_err(failed)?;
        let (state, _) = evm.finish();
        Ok(state)
    }
}

fn tx_env(tx: &TransactionSigned, sender: Address) -> TxEnv {
    alloy_evm::FromRecoveredTx::from_recovered_tx(tx, sender)
}

/// The chain has executed this block before, so it is not the client's fault, except for blocks
/// that the client brought.
fn failed(error: alloy_evm::block::BlockExecutionError) -> RpcError {
    use alloy_evm::block::BlockExecutionError;
    match error {
        BlockExecutionError::Validation(invalid) => {
            RpcError::Replay(ReplayError::InvalidBlock(invalid.to_string()))
        }
        other => RpcError::Internal(other.to_string()),
    }
}

/// What went wrong with the database under a block's state.
pub(crate) fn storage_error(error: EvmDatabaseError<StorageError>) -> StorageError {
    match error {
        EvmDatabaseError::Database(error) => error,
        // There are no access lists of whole blocks (EIP-7928) on this chain.
        EvmDatabaseError::Bal(error) => StorageError::Decode {
            table: "block access list",
            reason: error.to_string(),
        },
    }
}
