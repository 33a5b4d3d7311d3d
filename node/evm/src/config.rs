use crate::{
    BlockBuilder, ExecutionError, PermissionError, WattlineBlockExecutorFactory, WattlineEvm,
    permission, rules,
};
use alloy_consensus::Header;
use alloy_evm::{Database, EvmEnv, EvmFactory, block::BlockExecutorFactory, eth::EthEvmContext};
use alloy_primitives::{Address, U256};
use revm::{
    DatabaseRef, Inspector,
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};
use std::{fmt::Debug, sync::Arc};
use wattline_chainspec::ChainSpec;
use wattline_primitives::{Millis, SealedHeader};

/// What a signer decides about the block it builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextBlock {
    /// When the block is to be.
    pub time: Millis,
    /// Block gas limit.
    pub gas_limit: u64,
    /// Who will seal the block and receive its fees.
    pub signer: Address,
}

/// Everything needed to execute on this chain. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EvmConfig {
    factory: WattlineBlockExecutorFactory,
}

impl EvmConfig {
    /// The configuration of the given chain.
    pub fn new(spec: Arc<ChainSpec>) -> Self {
        Self {
            factory: WattlineBlockExecutorFactory::new(spec),
        }
    }

    /// The chain.
    pub const fn spec(&self) -> &Arc<ChainSpec> {
        self.factory.spec()
    }

    /// The factory of block executors, which also holds that of EVMs.
    pub const fn executor_factory(&self) -> &WattlineBlockExecutorFactory {
        &self.factory
    }

    /// The environment in which the block of `header` was executed. `signer` is the account that
    /// sealed it: `COINBASE` and the receiver of fees.
    pub fn evm_env(&self, header: &Header, signer: Address) -> EvmEnv {
        self.env(BlockEnv {
            number: U256::from(header.number),
            beneficiary: signer,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            ..BlockEnv::default()
        })
    }

    /// The environment of a block on top of `parent`.
    pub fn next_evm_env(&self, parent: &SealedHeader, next: &NextBlock) -> EvmEnv {
        self.env(BlockEnv {
            number: U256::from(parent.number.saturating_add(1)),
            beneficiary: next.signer,
            timestamp: U256::from(next.time.as_secs()),
            gas_limit: next.gas_limit,
            ..BlockEnv::default()
        })
    }

    /// The environment for `eth_call` and its like at the block of `header`: without the checks
    /// of nonce, balance, base fee, gas caps and of senders that are contracts (EIP-3607).
    ///
    /// Set `cfg_env.disable_balance_check` to `false` where a lack of funds matters.
    pub fn call_env(&self, header: &Header, signer: Address) -> EvmEnv {
        let mut env = self.evm_env(header, signer);
        let cfg = &mut env.cfg_env;
        cfg.disable_nonce_check = true;
        cfg.disable_balance_check = true;
        cfg.disable_base_fee = true;
        cfg.disable_block_gas_limit = true;
        cfg.disable_eip3607 = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        env
    }

    /// Completes what differs from block to block by what is the same in all of them.
    fn env(&self, mut block: BlockEnv) -> EvmEnv {
        let spec = self.spec();
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA).with_chain_id(spec.chain_id());
        block.difficulty = U256::ZERO;
        // No block has blobs, so their price stays at its floor of 1 wei.
        block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: 1,
        });
        block.slot_num = 0;
        rules::apply_chain_rules(spec, &mut cfg, &mut block);
        EvmEnv::new(cfg, block)
    }

    /// The highest gas limit of one transaction in a block of the given gas limit.
    pub fn transaction_gas_limit_cap(&self, block_gas_limit: u64) -> u64 {
        rules::transaction_gas_cap(self.spec(), block_gas_limit)
    }

    /// An EVM on the given state.
    pub fn evm<DB: Database>(&self, db: DB, env: EvmEnv) -> WattlineEvm<DB> {
        self.factory.evm_factory().create_evm(db, env)
    }

    /// An EVM on the given state that an inspector watches.
    pub fn evm_with_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> WattlineEvm<DB, I> {
        self.factory
            .evm_factory()
            .create_evm_with_inspector(db, env, inspector)
    }

    /// Starts a block on top of `parent`, whose state `db` is.
    ///
    /// # Errors
    ///
    /// [`ExecutionError::Fatal`] if the state cannot be read.
    pub fn builder<DB: DatabaseRef + Debug>(
        &self,
        db: DB,
        parent: &SealedHeader,
        next: NextBlock,
    ) -> Result<BlockBuilder<DB>, ExecutionError> {
        BlockBuilder::new(self.clone(), db, parent, next)
    }

    /// Whether the Permissions contract lets `sender` transact, or create a contract, in the next
    /// block on the state `db`. Always so on a chain without permissions.
    ///
    /// # Errors
    ///
    /// A [`PermissionError`] that says what is not permitted.
    pub fn check_permission<DB: DatabaseRef>(
        &self,
        db: &DB,
        sender: Address,
        is_create: bool,
    ) -> Result<(), PermissionError> {
        let Some(contract) = self.spec().permissions() else {
            return Ok(());
        };
        permission::read(db, contract, sender)
            .map_err(|error| PermissionError::State {
                sender,
                message: error.to_string(),
            })?
            .check(sender, is_create)
    }
}
