//! The `admin` namespace: the node itself and its peers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloy_rpc_types_admin::{EthProtocolInfo, NodeInfo, PeerInfo, Ports, ProtocolInfo};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};

use crate::shared::backend::Backend;

#[rpc(server, namespace = "admin")]
trait Admin {
    #[method(name = "nodeInfo")]
    async fn node_info(&self) -> RpcResult<NodeInfo>;

    #[method(name = "peers")]
    async fn peers(&self) -> RpcResult<Vec<PeerInfo>>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    AdminServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl AdminServer for Handler {
    // The node has no network of peers yet: what a peer would have to know is empty, and the
    // address is that of JSON-RPC.
    async fn node_info(&self) -> RpcResult<NodeInfo> {
        let info = self.0.read(|backend, reader| {
            let head = reader.head()?;
            let spec = backend.chain().spec();
            let listen_addr = backend
                .rpc_addr()
                .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
            #[expect(deprecated, reason = "the type still has the field")]
            let eth = EthProtocolInfo {
                network: spec.chain_id(),
                difficulty: None,
                genesis: spec.genesis_hash(),
                config: spec.genesis().config.clone(),
                head: head.hash,
            };
            Ok(NodeInfo {
                id: String::new(),
                name: backend.client_version().to_owned(),
                enode: String::new(),
                enr: String::new(),
                ip: listen_addr.ip(),
                ports: Ports {
                    discovery: 0,
                    listener: listen_addr.port(),
                },
                listen_addr,
                protocols: ProtocolInfo {
                    eth: Some(eth),
                    snap: None,
                },
            })
        });
        Ok(info.await?)
    }

    async fn peers(&self) -> RpcResult<Vec<PeerInfo>> {
        Ok(Vec::new())
    }
}
