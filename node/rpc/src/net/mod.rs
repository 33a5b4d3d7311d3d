//! The `net` namespace.

use alloy_primitives::U64;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

use crate::shared::backend::Backend;

#[rpc(server, namespace = "net")]
trait Net {
    #[method(name = "version")]
    fn version(&self) -> RpcResult<String>;

    #[method(name = "listening")]
    fn listening(&self) -> RpcResult<bool>;

    #[method(name = "peerCount")]
    fn peer_count(&self) -> RpcResult<U64>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    NetServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

impl NetServer for Handler {
    fn version(&self) -> RpcResult<String> {
        Ok(self.0.chain().spec().chain_id().to_string())
    }

    // Libraries ask this to learn whether the node is there at all, so geth always says yes.
    fn listening(&self) -> RpcResult<bool> {
        Ok(true)
    }

    fn peer_count(&self) -> RpcResult<U64> {
        let count = self.0.peers().map_or(0, |peers| peers.count());
        Ok(U64::from(count))
    }
}
