//! The `admin` namespace: the node itself and its peers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloy_rpc_types_admin::{EthProtocolInfo, NodeInfo, Ports, ProtocolInfo};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};

use crate::shared::{backend::Backend, peers::RpcPeer};

#[rpc(server, namespace = "admin")]
trait Admin {
    #[method(name = "nodeInfo")]
    async fn node_info(&self) -> RpcResult<NodeInfo>;

    #[method(name = "peers")]
    fn peers(&self) -> RpcResult<Vec<RpcPeer>>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    AdminServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl AdminServer for Handler {
    // Without a network of peers, what a peer would have to know is empty, and the address is that
    // of JSON-RPC.
    async fn node_info(&self) -> RpcResult<NodeInfo> {
        let info = self.0.read(|backend, reader| {
            let head = reader.head()?;
            let spec = backend.chain().spec();
            let local = backend.peers().map(|peers| peers.local());
            let listen_addr = local
                .map(|local| local.listen)
                .or_else(|| backend.rpc_addr())
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
                id: local
                    .map(|local| local.node_key.to_string())
                    .unwrap_or_default(),
                name: backend.client_version().to_owned(),
                enode: local.map(|local| local.to_string()).unwrap_or_default(),
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

    fn peers(&self) -> RpcResult<Vec<RpcPeer>> {
        let peers = self.0.peers();
        Ok(peers.map(|peers| peers.peers()).unwrap_or_default())
    }
}
