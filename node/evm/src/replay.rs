use crate::{
    EvmConfig, WattlineBlockExecutor, WattlineEvm, execute::execution_ctx, executor::Progress,
};
use alloy_consensus::Header;
use alloy_evm::{block::StateDB, eth::EthEvmContext};
use alloy_primitives::Address;
use revm::Inspector;

impl EvmConfig {
    /// An executor at the start of the block of `header`, which `signer` sealed, on the state `db`
    /// of its parent: it executes the block's transactions as the chain did, while `inspector`
    /// watches.
    pub fn replay<DB: StateDB, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        header: &Header,
        signer: Address,
        inspector: I,
    ) -> WattlineBlockExecutor<'static, WattlineEvm<DB, I>> {
        let evm = self.evm_with_inspector(db, self.evm_env(header, signer), inspector);
        let ctx = execution_ctx(header.parent_hash);
        self.executor_factory()
            .resume(evm, ctx, Progress::new(self.spec()))
    }
}
