//! The `web3` namespace.

use alloy_primitives::{B256, Bytes, keccak256};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

use crate::{
    doc::{Method, Schema, required},
    node::Node,
};

#[rpc(server, namespace = "web3")]
trait Web3 {
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;

    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> RpcResult<B256>;
}

/// The methods of the namespace, described.
pub(crate) const DOCS: &[Method] = &[
    Method {
        name: "web3_clientVersion",
        summary: "Name, version and platform of the node.",
        params: &[],
        result: Schema::Text,
    },
    Method {
        name: "web3_sha3",
        summary: "The Keccak-256 hash of bytes.",
        params: &[required("bytes", Schema::Bytes)],
        result: Schema::Hash,
    },
];

/// All methods of the namespace.
pub(crate) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    Web3Server::into_rpc(Handler(node))
}

struct Handler(Node);

impl Web3Server for Handler {
    fn client_version(&self) -> RpcResult<String> {
        Ok(self.0.client_version().to_owned())
    }

    fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }
}
