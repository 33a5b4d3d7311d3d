//! The `web3` namespace.

use alloy_primitives::{B256, Bytes, keccak256};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

use crate::shared::backend::Backend;

#[rpc(server, namespace = "web3")]
trait Web3 {
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;

    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> RpcResult<B256>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    Web3Server::into_rpc(Handler(backend))
}

struct Handler(Backend);

impl Web3Server for Handler {
    fn client_version(&self) -> RpcResult<String> {
        Ok(self.0.client_version().to_owned())
    }

    fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }
}
