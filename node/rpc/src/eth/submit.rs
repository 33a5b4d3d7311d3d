//! Taking in transactions.

use alloy_eips::{Decodable2718, eip2718::EIP4844_TX_TYPE_ID};
use alloy_primitives::{B256, Bytes};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_pool::PoolError;
use wattline_primitives::TransactionSigned;

use crate::{
    RpcError,
    doc::{Method, Schema, required},
    node::Node,
};

#[rpc(server, namespace = "eth")]
trait Submit {
    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256>;
}

/// The methods of this file, described.
pub(super) const DOCS: &[Method] = &[Method {
    name: "eth_sendRawTransaction",
    summary: "Takes in a signed transaction and answers its hash.",
    params: &[required("signed transaction bytes", Schema::Bytes)],
    result: Schema::Hash,
}];

/// The methods of this file.
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    SubmitServer::into_rpc(Handler(node))
}

struct Handler(Node);

#[async_trait]
impl SubmitServer for Handler {
    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256> {
        let transaction = decode(&transaction)?;
        Ok(self.0.intake().add(transaction).await?)
    }
}

fn decode(bytes: &[u8]) -> Result<TransactionSigned, RpcError> {
    match bytes.first() {
        None => Err(RpcError::DecodeTransaction("no bytes given".to_owned())),
        // With its sidecar it would not even decode.
        Some(&EIP4844_TX_TYPE_ID) => Err(PoolError::BlobRefused.into()),
        Some(_) => TransactionSigned::decode_2718_exact(bytes)
            .map_err(|error| RpcError::DecodeTransaction(error.to_string())),
    }
}
