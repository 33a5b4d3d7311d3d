use crate::{
    EvmConfig, ExecutionError, FatalError,
    body::{check_transactions_root, validate_layout},
    builder::body_roots,
    error::TransactionFailure,
    validate_body,
};
use alloy_consensus::{Header, TxReceipt};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_evm::{
    block::{BlockExecutionError, BlockExecutor, BlockExecutorFactory},
    eth::EthBlockExecutionCtx,
};
use alloy_primitives::{Address, B256, Bloom};
use revm::{
    DatabaseRef,
    database::{BundleState, State, WrapDatabaseRef, states::bundle_state::BundleRetention},
};
use std::fmt::Debug;
use wattline_primitives::{Receipt, RecoveredBlock};

/// What executing a block leaves behind.
#[derive(Debug, Clone)]
pub struct ExecutionOutput {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// Changed accounts, slots and code, with what they were before.
    pub state: BundleState,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Hash of the block's execution-layer requests, of which there are none.
    pub requests_hash: B256,
}

impl ExecutionOutput {
    pub(crate) fn new(receipts: Vec<Receipt>, gas_used: u64, state: BundleState) -> Self {
        Self {
            receipts,
            state,
            gas_used,
            requests_hash: EMPTY_REQUESTS_HASH,
        }
    }

    /// The root of the receipts' trie.
    pub fn receipts_root(&self) -> B256 {
        Receipt::calculate_receipt_root_no_memo(&self.receipts)
    }

    /// The bloom filter over the logs of all receipts.
    pub fn logs_bloom(&self) -> Bloom {
        self.receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom())
    }

    /// Checks what a header says about the execution, the state root excepted.
    fn validate(&self, header: &Header, receipts_root: B256) -> Result<(), ExecutionError> {
        if header.gas_used != self.gas_used {
            return Err(ExecutionError::GasUsed {
                got: header.gas_used,
                expected: self.gas_used,
            });
        }
        if header.receipts_root != receipts_root {
            return Err(ExecutionError::ReceiptsRoot {
                got: header.receipts_root,
                expected: receipts_root,
            });
        }
        let expected = self.logs_bloom();
        if header.logs_bloom != expected {
            return Err(ExecutionError::LogsBloom {
                got: Box::new(header.logs_bloom),
                expected: Box::new(expected),
            });
        }
        if header.requests_hash != Some(self.requests_hash) {
            return Err(ExecutionError::RequestsHash {
                got: header.requests_hash,
                expected: self.requests_hash,
            });
        }
        let (got, excess) = (header.blob_gas_used, header.excess_blob_gas);
        if (got, excess) != (Some(0), Some(0)) {
            return Err(ExecutionError::BlobGas { got, excess });
        }
        Ok(())
    }
}

impl EvmConfig {
    /// Executes a block on the state of its parent and checks the header's word on it: gas used,
    /// receipts root, logs bloom, requests hash and blob gas; also the body against the header.
    /// The state root is the caller's to check, and the seal, which names `signer`.
    ///
    /// # Errors
    ///
    /// An [`ExecutionError`]; only [`ExecutionError::Fatal`] leaves open whether the block is
    /// valid.
    pub fn execute<DB: DatabaseRef + Debug>(
        &self,
        db: DB,
        block: &RecoveredBlock,
        signer: Address,
    ) -> Result<ExecutionOutput, ExecutionError> {
        self.execute_beside(db, block, signer, |_| ())
            .map(|(output, ())| output)
    }

    /// As [`execute`](Self::execute), and computes what `beside` wants to know of the changed state,
    /// such as its root, while other threads compute the roots of transactions and receipts.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_beside<DB: DatabaseRef + Debug, T>(
        &self,
        db: DB,
        block: &RecoveredBlock,
        signer: Address,
        beside: impl FnOnce(&BundleState) -> T,
    ) -> Result<(ExecutionOutput, T), ExecutionError> {
        validate_layout(block.sealed_block())?;
        let output = self
            .execute_transactions(db, block, signer)
            .or_else(|error| {
                // Nobody answers for the execution of a body that is not the header's.
                validate_body(block.sealed_block())?;
                Err(error)
            })?;
        let (roots, beside) = body_roots(&block.body().transactions, &output, beside);
        check_transactions_root(block.header(), roots.transactions)?;
        output.validate(block.header(), roots.receipts)?;
        Ok((output, beside))
    }

    fn execute_transactions<DB: DatabaseRef + Debug>(
        &self,
        db: DB,
        block: &RecoveredBlock,
        signer: Address,
    ) -> Result<ExecutionOutput, ExecutionError> {
        let header = block.header();
        let mut state = block_state(db);
        let evm = self.evm(&mut state, self.evm_env(header, signer));
        let ctx = execution_ctx(header.parent_hash);
        let mut executor = self.executor_factory().create_executor(evm, ctx);
        executor.apply_pre_execution_changes().map_err(fatal)?;
        for (index, tx) in block.transactions_recovered().enumerate() {
            let hash = *tx.tx_hash();
            executor
                .execute_transaction(tx)
                .map_err(|error| match error.into() {
                    TransactionFailure::Invalid(error) => {
                        ExecutionError::Transaction { index, hash, error }
                    }
                    TransactionFailure::GasExhausted {
                        gas_limit,
                        available,
                    } => ExecutionError::GasExhausted {
                        index,
                        hash,
                        gas_limit,
                        available,
                    },
                    TransactionFailure::Fatal(error) => ExecutionError::Fatal(error),
                })?;
        }
        let result = executor.apply_post_execution_changes().map_err(fatal)?;
        state.merge_transitions(BundleRetention::Reverts);
        Ok(ExecutionOutput::new(
            result.receipts,
            result.gas_used,
            state.take_bundle(),
        ))
    }
}

/// The parent's state with room for a block's changes on top.
pub(crate) fn block_state<DB: DatabaseRef>(db: DB) -> State<WrapDatabaseRef<DB>> {
    State::builder()
        .with_database_ref(db)
        .with_bundle_update()
        .build()
}

/// What a block says about its surroundings: its parent, and nothing of a beacon chain.
pub(crate) fn execution_ctx(parent_hash: B256) -> EthBlockExecutionCtx<'static> {
    EthBlockExecutionCtx {
        parent_hash,
        parent_beacon_block_root: Some(B256::ZERO),
        ommers: &[],
        withdrawals: None,
        extra_data: Default::default(),
        tx_count_hint: None,
        slot_number: None,
    }
}

/// Outside transactions nothing depends on the block, so only this node can have failed.
pub(crate) fn fatal(error: BlockExecutionError) -> FatalError {
    FatalError(Box::new(error))
}
