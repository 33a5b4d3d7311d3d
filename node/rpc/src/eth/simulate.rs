//! Whole blocks, simulated.

use alloy_eips::BlockId;
use alloy_rpc_types_eth::simulate::{SimulatePayload, SimulatedBlock};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};

use super::call_many::check_calls;
use crate::{
    RpcError,
    execution::blocks::{BlockSimulator, SimulateOptions},
    shared::{backend::Backend, block_id, convert::RpcBlock},
};

#[rpc(server, namespace = "eth")]
trait Simulate {
    #[method(name = "simulateV1")]
    async fn simulate(
        &self,
        payload: SimulatePayload,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<SimulatedBlock<RpcBlock>>>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    SimulateServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl SimulateServer for Handler {
    async fn simulate(
        &self,
        payload: SimulatePayload,
        block: Option<BlockId>,
    ) -> RpcResult<Vec<SimulatedBlock<RpcBlock>>> {
        let blocks = payload.block_state_calls;
        if blocks.is_empty() {
            return Err(RpcError::InvalidParams("empty input".to_owned()).into());
        }
        check_calls(&self.0, blocks.iter().map(|block| block.calls.len()).sum())?;
        let options = SimulateOptions {
            trace_transfers: payload.trace_transfers,
            validation: payload.validation,
            full: payload.return_full_transactions,
        };
        let backend = self.0.clone();
        let simulated = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            let base = block_id::header(&backend, &reader, block.unwrap_or_default())?;
            BlockSimulator::new(&backend, &reader, base, options, stop)?.run(blocks)
        });
        Ok(simulated.await?)
    }
}
