use crate::{
    TransactionError, WattlineEvm, WattlineEvmFactory, WattlineReceiptBuilder,
    permission::ParentPermissions, rules,
};
use alloy_consensus::{Transaction, TxType};
use alloy_eips::eip7685::Requests;
use alloy_evm::{
    Database, Evm, EvmFactory, FromRecoveredTx, FromTxWithEncoded, RecoveredTx,
    block::{
        BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockExecutorFactory,
        BlockValidationError, ExecutableTx, GasOutput, StateDB, TxResult,
    },
    eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmContext, EthTxResult},
};
use alloy_primitives::Address;
use revm::{Inspector, context_interface::result::HaltReason};
use std::sync::Arc;
use wattline_chainspec::ChainSpec;
use wattline_primitives::{Receipt, TransactionSigned};

/// The Ethereum executor that [`WattlineBlockExecutor`] stands on.
type Inner<'a, E> = EthBlockExecutor<'a, E, Arc<ChainSpec>, WattlineReceiptBuilder>;

/// What a block has come to so far, apart from the state: it outlives the EVM that executes.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) gas_used: u64,
    permissions: Option<ParentPermissions>,
}

impl Progress {
    pub(crate) fn new(spec: &ChainSpec) -> Self {
        Self {
            receipts: Vec::new(),
            gas_used: 0,
            permissions: spec.permissions().map(ParentPermissions::new),
        }
    }
}

/// Executes a block by Ethereum's rules and this chain's: senders need permission, blob
/// transactions are refused, and there are no execution-layer requests.
#[derive(Debug)]
pub struct WattlineBlockExecutor<'a, E> {
    inner: Inner<'a, E>,
    permissions: Option<ParentPermissions>,
}

impl<'a, E: Evm> WattlineBlockExecutor<'a, E> {
    fn new(
        evm: E,
        ctx: EthBlockExecutionCtx<'a>,
        spec: Arc<ChainSpec>,
        progress: Progress,
    ) -> Self {
        let mut inner = Inner::new(evm, ctx, spec, WattlineReceiptBuilder);
        inner.receipts = progress.receipts;
        inner.cumulative_tx_gas_used = progress.gas_used;
        Self {
            inner,
            permissions: progress.permissions,
        }
    }

    /// Stops for now, leaving the executor as at the start of a block without permissions.
    pub(crate) fn suspend(&mut self) -> Progress {
        Progress {
            receipts: std::mem::take(&mut self.inner.receipts),
            gas_used: self.inner.cumulative_tx_gas_used,
            permissions: self.permissions.take(),
        }
    }

    /// Gas used by the transactions so far.
    pub(crate) const fn gas_used(&self) -> u64 {
        self.inner.cumulative_tx_gas_used
    }

    /// Checks what this chain asks of a transaction beyond Ethereum. Of a type 4 transaction only
    /// the sender is asked for permission: whoever signed an authorisation (EIP-7702) sends
    /// nothing.
    fn check_rules(
        &mut self,
        tx: &TransactionSigned,
        sender: Address,
    ) -> Result<(), BlockExecutionError> {
        let invalid = |error: TransactionError| {
            BlockExecutionError::Validation(BlockValidationError::InvalidTx {
                hash: *tx.tx_hash(),
                error: Box::new(error),
            })
        };
        if tx.is_eip4844() {
            return Err(invalid(TransactionError::Blob));
        }
        let Some(permissions) = &mut self.permissions else {
            return Ok(());
        };
        permissions
            .get(self.inner.evm.db_mut(), sender)
            .map_err(BlockExecutionError::other)?
            .check(sender, tx.is_create())
            .map_err(|error| invalid(error.into()))
    }
}

impl<E> BlockExecutor for WattlineBlockExecutor<'_, E>
where
    E: Evm<
            DB: StateDB,
            Tx: FromRecoveredTx<TransactionSigned> + FromTxWithEncoded<TransactionSigned>,
        >,
{
    type Transaction = TransactionSigned;
    type Receipt = Receipt;
    type Evm = E;
    type Result = EthTxResult<E::HaltReason, TxType>;

    /// Stores the parent's hash (EIP-2935) and the empty beacon root (EIP-4788) in their system
    /// contracts, if the genesis state has them.
    fn apply_pre_execution_changes(&mut self) -> Result<(), BlockExecutionError> {
        self.inner.apply_pre_execution_changes()
    }

    fn execute_transaction_without_commit(
        &mut self,
        tx: impl ExecutableTx<Self>,
    ) -> Result<Self::Result, BlockExecutionError> {
        let (env, tx) = tx.into_parts();
        self.check_rules(tx.tx(), *tx.signer())?;
        self.inner.execute_transaction_without_commit((env, tx))
    }

    fn commit_transaction(&mut self, output: Self::Result) -> GasOutput {
        if let Some(permissions) = &mut self.permissions {
            permissions.before_commit(&output.result().state);
        }
        self.inner.commit_transaction(output)
    }

    /// Ends the block without rewards, withdrawals and requests.
    ///
    /// Ethereum's executor would collect deposits (EIP-6110), withdrawals (EIP-7002) and
    /// consolidations (EIP-7251) for a beacon chain. Here there is none: the header demands an
    /// empty list, and whoever could deploy something at one of those addresses (two of them are
    /// reachable by pre-signed transactions that are valid on every chain) would stop the chain.
    fn finish(self) -> Result<(Self::Evm, BlockExecutionResult<Receipt>), BlockExecutionError> {
        let result = BlockExecutionResult {
            gas_used: self.gas_used(),
            receipts: self.inner.receipts,
            requests: Requests::default(),
            blob_gas_used: 0,
        };
        Ok((self.inner.evm, result))
    }

    fn evm_mut(&mut self) -> &mut Self::Evm {
        &mut self.inner.evm
    }

    fn evm(&self) -> &Self::Evm {
        &self.inner.evm
    }

    fn receipts(&self) -> &[Self::Receipt] {
        &self.inner.receipts
    }
}

/// Makes [`WattlineBlockExecutor`]s.
#[derive(Debug, Clone)]
pub struct WattlineBlockExecutorFactory {
    spec: Arc<ChainSpec>,
    evm_factory: WattlineEvmFactory,
}

impl WattlineBlockExecutorFactory {
    /// A factory for the given chain.
    pub fn new(spec: Arc<ChainSpec>) -> Self {
        let evm_factory = WattlineEvmFactory::new(spec.auction());
        Self { spec, evm_factory }
    }

    /// The chain whose rules the executors apply.
    pub const fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// An executor that goes on where another one stopped. It executes by the chain's rules,
    /// whatever the EVM came with.
    pub(crate) fn resume<'a, DB: Database, I>(
        &self,
        mut evm: WattlineEvm<DB, I>,
        ctx: EthBlockExecutionCtx<'a>,
        progress: Progress,
    ) -> WattlineBlockExecutor<'a, WattlineEvm<DB, I>>
    where
        I: Inspector<EthEvmContext<DB>>,
    {
        let env = evm.ctx_mut();
        rules::apply_chain_rules(&self.spec, &mut env.cfg, &mut env.block);
        WattlineBlockExecutor::new(evm, ctx, self.spec.clone(), progress)
    }
}

impl BlockExecutorFactory for WattlineBlockExecutorFactory {
    type EvmFactory = WattlineEvmFactory;
    type TxExecutionResult = EthTxResult<HaltReason, TxType>;
    type ExecutionCtx<'a> = EthBlockExecutionCtx<'a>;
    type Transaction = TransactionSigned;
    type Receipt = Receipt;
    type Executor<'a, DB: StateDB, I: Inspector<<WattlineEvmFactory as EvmFactory>::Context<DB>>> =
        WattlineBlockExecutor<'a, <WattlineEvmFactory as EvmFactory>::Evm<DB, I>>;

    fn evm_factory(&self) -> &Self::EvmFactory {
        &self.evm_factory
    }

    fn create_executor<'a, DB, I>(
        &'a self,
        evm: <WattlineEvmFactory as EvmFactory>::Evm<DB, I>,
        ctx: Self::ExecutionCtx<'a>,
    ) -> Self::Executor<'a, DB, I>
    where
        DB: StateDB,
        I: Inspector<<WattlineEvmFactory as EvmFactory>::Context<DB>>,
    {
        self.resume(evm, ctx, Progress::new(&self.spec))
    }
}
