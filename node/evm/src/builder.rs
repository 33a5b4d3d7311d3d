use crate::{
    BuildError, EvmConfig, ExecutionError, ExecutionOutput, MAX_BLOCK_SIZE, NextBlock,
    TransactionError, WattlineBlockExecutor, WattlineEvm,
    error::TransactionFailure,
    execute::{block_state, execution_ctx, fatal},
    executor::Progress,
};
use alloy_consensus::{
    Header, Transaction, constants::EMPTY_WITHDRAWALS, proofs::calculate_transaction_root,
};
use alloy_evm::{EvmEnv, block::BlockExecutor};
use alloy_primitives::{Address, B256};
use alloy_rlp::Encodable;
use revm::{
    DatabaseRef,
    context_interface::result::InvalidTransaction,
    database::{BundleState, State, WrapDatabaseRef, states::bundle_state::BundleRetention},
};
use std::{
    fmt::Debug,
    io,
    thread::{self, ScopedJoinHandle},
};
use wattline_primitives::{
    BlockBody, Millis, RecoveredTransaction, SealedHeader, TransactionSigned,
};

/// Bytes of a block kept free for all but its transactions: the header, whose `extraData` on a
/// checkpoint holds 20 bytes per signer, and the lists' own encoding.
const RESERVED_SIZE: usize = 256 * 1024;

/// The bytes that a block has for transactions.
const TRANSACTIONS_SIZE: usize = MAX_BLOCK_SIZE - RESERVED_SIZE;

/// From how many transactions on a root is worth a thread: some hundred microseconds.
const PARALLEL_TRANSACTIONS: usize = 128;

/// A block in the making: it executes transactions one by one on the state of its parent.
///
/// It can be kept for as long as the parent's state can and move between threads. The EVM itself
/// cannot; it lives in a [`BuildSession`], of which there may be many one after another.
#[derive(Debug)]
pub struct BlockBuilder<DB: DatabaseRef> {
    surroundings: Surroundings,
    state: State<WrapDatabaseRef<DB>>,
    contents: Contents,
}

/// What is given before the first transaction.
#[derive(Debug)]
struct Surroundings {
    config: EvmConfig,
    env: EvmEnv,
    /// The environment knows its seconds only.
    time: Millis,
    parent_hash: B256,
}

/// What the transactions have come to.
#[derive(Debug, Default)]
struct Contents {
    /// Absent while an executor has it, and before the first one.
    progress: Option<Progress>,
    transactions: Vec<TransactionSigned>,
    senders: Vec<Address>,
    size: usize,
}

type Executor<'a, DB> =
    WattlineBlockExecutor<'static, WattlineEvm<&'a mut State<WrapDatabaseRef<DB>>>>;

impl Surroundings {
    /// An executor that goes on where the last one stopped.
    fn executor<'a, DB: DatabaseRef + Debug>(
        &self,
        state: &'a mut State<WrapDatabaseRef<DB>>,
        progress: Option<Progress>,
    ) -> Executor<'a, DB> {
        let progress = progress.unwrap_or_else(|| Progress::new(self.config.spec()));
        let evm = self.config.evm(state, self.env.clone());
        let ctx = execution_ctx(self.parent_hash);
        self.config.executor_factory().resume(evm, ctx, progress)
    }
}

/// A block that wants only its state root and its seal.
#[derive(Debug, Clone)]
pub struct BuiltBlock {
    /// Complete but for `stateRoot`, `extraData`, `difficulty`, `beneficiary` and `nonce`.
    pub header: Header,
    /// The transactions.
    pub body: BlockBody,
    /// Their senders.
    pub senders: Vec<Address>,
    /// What executing them left behind.
    pub output: ExecutionOutput,
}

impl<DB: DatabaseRef + Debug> BlockBuilder<DB> {
    pub(crate) fn new(
        config: EvmConfig,
        db: DB,
        parent: &SealedHeader,
        next: NextBlock,
    ) -> Result<Self, ExecutionError> {
        let env = config.next_evm_env(parent, &next);
        let mut builder = Self {
            surroundings: Surroundings {
                config,
                env,
                time: next.time,
                parent_hash: parent.hash(),
            },
            state: block_state(db),
            contents: Contents::default(),
        };
        builder
            .resume()
            .executor
            .apply_pre_execution_changes()
            .map_err(fatal)?;
        Ok(builder)
    }

    /// Sets up an EVM for a run of transactions.
    pub fn resume(&mut self) -> BuildSession<'_, DB> {
        let Self {
            surroundings,
            state,
            contents,
            ..
        } = self;
        BuildSession {
            executor: surroundings.executor(state, contents.progress.take()),
            gas_limit: surroundings.env.block_env.gas_limit,
            contents,
        }
    }

    /// Executes one transaction and puts it into the block; for many use [`Self::resume`].
    ///
    /// # Errors
    ///
    /// As [`BuildSession::execute`].
    pub fn execute(&mut self, tx: RecoveredTransaction) -> Result<u64, BuildError> {
        self.resume().execute(tx)
    }

    /// Gas used by the transactions so far.
    pub fn gas_used(&self) -> u64 {
        self.contents
            .progress
            .as_ref()
            .map_or(0, |progress| progress.gas_used)
    }

    /// Gas that further transactions may use.
    pub fn gas_left(&self) -> u64 {
        self.env()
            .block_env
            .gas_limit
            .saturating_sub(self.gas_used())
    }

    /// Number of transactions so far.
    pub fn len(&self) -> usize {
        self.contents.transactions.len()
    }

    /// Whether the block has no transaction yet.
    pub fn is_empty(&self) -> bool {
        self.contents.transactions.is_empty()
    }

    /// The block's environment: number, timestamp, gas limit, signer.
    pub const fn env(&self) -> &EvmEnv {
        &self.surroundings.env
    }

    /// Ends the block.
    ///
    /// # Errors
    ///
    /// [`ExecutionError::Fatal`] if the state cannot be read.
    pub fn finish(self) -> Result<BuiltBlock, ExecutionError> {
        self.finish_beside(|_| ()).map(|(built, ())| built)
    }

    /// Ends the block, and computes what `beside` wants to know of the changed state, such as its
    /// root, while other threads compute the roots of transactions and receipts.
    ///
    /// # Errors
    ///
    /// [`ExecutionError::Fatal`] if the state cannot be read.
    pub fn finish_beside<T>(
        self,
        beside: impl FnOnce(&BundleState) -> T,
    ) -> Result<(BuiltBlock, T), ExecutionError> {
        let Self {
            surroundings,
            mut state,
            contents,
        } = self;
        let executor = surroundings.executor(&mut state, contents.progress);
        let result = executor.apply_post_execution_changes().map_err(fatal)?;
        state.merge_transitions(BundleRetention::Reverts);
        let bundle = state.take_bundle();
        let output = ExecutionOutput::new(result.receipts, result.gas_used, bundle);
        let (roots, beside) = body_roots(&contents.transactions, &output, beside);
        let block = &surroundings.env.block_env;
        let header = Header {
            parent_hash: surroundings.parent_hash,
            number: block.number.saturating_to(),
            timestamp: surroundings.time.as_secs(),
            mix_hash: surroundings.time.mix_hash(),
            gas_limit: block.gas_limit,
            gas_used: output.gas_used,
            transactions_root: roots.transactions,
            receipts_root: roots.receipts,
            logs_bloom: output.logs_bloom(),
            base_fee_per_gas: Some(block.basefee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(output.requests_hash),
            ..Header::default()
        };
        let body = BlockBody {
            transactions: contents.transactions,
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        };
        let built = BuiltBlock {
            header,
            body,
            senders: contents.senders,
            output,
        };
        Ok((built, beside))
    }
}

/// The roots over a block's body and its receipts.
pub(crate) struct BodyRoots {
    pub(crate) transactions: B256,
    pub(crate) receipts: B256,
}

/// Computes the roots and `beside`, of a large block each on a thread of its own. Not on those of
/// rayon: there they would wait behind whatever batch of transactions is being recovered.
pub(crate) fn body_roots<T>(
    transactions: &[TransactionSigned],
    output: &ExecutionOutput,
    beside: impl FnOnce(&BundleState) -> T,
) -> (BodyRoots, T) {
    let of_transactions = || calculate_transaction_root(transactions);
    let of_receipts = || output.receipts_root();
    if transactions.len() < PARALLEL_TRANSACTIONS {
        let roots = BodyRoots {
            transactions: of_transactions(),
            receipts: of_receipts(),
        };
        return (roots, beside(&output.state));
    }
    thread::scope(|scope| {
        // Should there be no thread left, or should one die, this one does its work.
        let transactions = thread::Builder::new().spawn_scoped(scope, of_transactions);
        let receipts = thread::Builder::new().spawn_scoped(scope, of_receipts);
        let beside = beside(&output.state);
        let joined = |root: io::Result<ScopedJoinHandle<'_, B256>>| root.ok()?.join().ok();
        let roots = BodyRoots {
            transactions: joined(transactions).unwrap_or_else(of_transactions),
            receipts: joined(receipts).unwrap_or_else(of_receipts),
        };
        (roots, beside)
    })
}

/// A run of transactions into a [`BlockBuilder`], with one EVM.
pub struct BuildSession<'a, DB: DatabaseRef + Debug> {
    executor: Executor<'a, DB>,
    gas_limit: u64,
    contents: &'a mut Contents,
}

impl<DB: DatabaseRef + Debug> BuildSession<'_, DB> {
    /// Executes a transaction, puts it into the block, and returns the gas it used.
    ///
    /// # Errors
    ///
    /// [`BuildError::Invalid`] if it breaks a rule, [`BuildError::Full`] if the block has no room
    /// for it: either leaves the block as it was. [`BuildError::Fatal`] if the state cannot be
    /// read.
    pub fn execute(&mut self, tx: RecoveredTransaction) -> Result<u64, BuildError> {
        let size = tx.inner().length();
        self.check_room(tx.gas_limit(), size)?;
        let used = self
            .executor
            .execute_transaction(&tx)
            .map_err(|error| match error.into() {
                TransactionFailure::Invalid(error) => BuildError::Invalid(error),
                TransactionFailure::GasExhausted { gas_limit, .. } => self.full(gas_limit, size),
                TransactionFailure::Fatal(error) => BuildError::Fatal(error),
            })?;
        self.contents.size += size;
        let (tx, sender) = tx.into_parts();
        self.contents.transactions.push(tx);
        self.contents.senders.push(sender);
        Ok(used.tx_gas_used())
    }

    /// Gas that further transactions may use.
    pub fn gas_left(&self) -> u64 {
        self.gas_limit.saturating_sub(self.executor.gas_used())
    }

    /// What could never fit into a block is invalid; what does not fit into this one may wait.
    fn check_room(&self, gas: u64, size: usize) -> Result<(), BuildError> {
        if gas > self.gas_limit {
            return Err(
                TransactionError::from(InvalidTransaction::CallerGasLimitMoreThanBlock).into(),
            );
        }
        if size > TRANSACTIONS_SIZE {
            return Err(TransactionError::Oversized {
                size,
                limit: TRANSACTIONS_SIZE,
            }
            .into());
        }
        if gas > self.gas_left() || size > self.size_left() {
            return Err(self.full(gas, size));
        }
        Ok(())
    }

    fn size_left(&self) -> usize {
        TRANSACTIONS_SIZE.saturating_sub(self.contents.size)
    }

    fn full(&self, gas: u64, size: usize) -> BuildError {
        BuildError::Full {
            gas,
            gas_left: self.gas_left(),
            size,
            size_left: self.size_left(),
        }
    }
}

impl<DB: DatabaseRef + Debug> std::fmt::Debug for BuildSession<'_, DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildSession")
            .field("transactions", &self.contents.transactions.len())
            .field("gas_left", &self.gas_left())
            .finish_non_exhaustive()
    }
}

impl<DB: DatabaseRef + Debug> Drop for BuildSession<'_, DB> {
    fn drop(&mut self) {
        self.contents.progress = Some(self.executor.suspend());
    }
}
