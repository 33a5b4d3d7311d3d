use alloy_evm::{
    Database, EthEvmFactory, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmBuilder, EthEvmContext},
    precompiles::PrecompilesMap,
};
use alloy_primitives::Address;
use revm::{
    Inspector,
    context::{BlockEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason},
    inspector::NoOpInspector,
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};
use wattline_precompiles::install::install;

/// An Ethereum EVM whose precompiles include the batch auction.
pub type WattlineEvm<DB, I = NoOpInspector> = EthEvm<DB, I, PrecompilesMap>;

/// Makes EVMs that have the batch auction beside the precompiles of their fork.
#[derive(Debug, Clone, Copy)]
pub struct WattlineEvmFactory {
    auction: Address,
}

impl WattlineEvmFactory {
    /// A factory of EVMs whose batch auction answers at `auction`.
    pub const fn new(auction: Address) -> Self {
        Self { auction }
    }

    fn precompiles(&self, spec: SpecId) -> PrecompilesMap {
        let builtin = Precompiles::new(PrecompileSpecId::from_spec_id(spec));
        let mut precompiles = PrecompilesMap::from_static(builtin);
        install(&mut precompiles, self.auction);
        precompiles
    }
}

impl EvmFactory for WattlineEvmFactory {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = WattlineEvm<DB, I>;
    type Context<DB: Database> = <EthEvmFactory as EvmFactory>::Context<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> Self::Evm<DB, NoOpInspector> {
        let precompiles = self.precompiles(env.cfg_env.spec);
        EthEvmBuilder::new(db, env).precompiles(precompiles).build()
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<Self::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        let precompiles = self.precompiles(env.cfg_env.spec);
        EthEvmBuilder::new(db, env)
            .activate_inspector(inspector)
            .precompiles(precompiles)
            .build()
    }
}
