//! What JSON-RPC asks of the network, and peers as clients see them.

use std::{
    fmt::{self, Debug, Display, Formatter},
    net::SocketAddr,
};

use alloy_primitives::{B256, U64};
use serde::Serialize;

/// The network, as far as clients may ask of it. All of it is quick.
pub trait PeerSource: Debug + Send + Sync {
    /// This node as its peers know it.
    fn local(&self) -> RpcNode;

    /// How many peers are connected and follow this chain.
    fn count(&self) -> usize;

    /// The members of the network, connected or not, and whoever was left for a reason.
    fn peers(&self) -> Vec<RpcPeer>;
}

/// This node as its peers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcNode {
    /// Its node key (ed25519).
    pub node_key: B256,
    /// Where it listens for peers.
    pub listen: SocketAddr,
}

/// `KEY@HOST:PORT`, as `--bootnode` takes it.
impl Display for RpcNode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}@{}", self.node_key, self.listen)
    }
}

/// A peer, in the shape that geth gives its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RpcPeer {
    /// `KEY@HOST:PORT`, as `--bootnode` takes it; empty if only the peer can dial.
    pub enode: String,
    /// Its node key (ed25519).
    pub id: B256,
    /// Its name in the Consortium contract; empty if it has none.
    pub name: String,
    /// What it speaks.
    pub caps: Vec<String>,
    /// Where the two are.
    pub network: RpcPeerNetwork,
    /// What it told of itself.
    pub protocols: RpcPeerProtocols,
}

/// Where a peer and this node are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcPeerNetwork {
    /// Where this node listens.
    pub local_address: String,
    /// Where the peer is dialled, a name or a number, with its port; empty if only it can dial.
    pub remote_address: String,
}

/// What a peer told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RpcPeerProtocols {
    /// Of the chain.
    pub wattline: RpcPeerStatus,
}

/// A peer's part in the chain, and the traffic with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcPeerStatus {
    /// Its part in the newest epoch; `None` if it has none any more, or not yet.
    pub role: Option<RpcPeerRole>,
    /// Since when it is connected, in seconds since the Unix epoch; `None` if it is not.
    pub connected_since: Option<U64>,
    /// The number of its last final block, if it told so lately.
    pub head_number: Option<U64>,
    /// The hash of that block.
    pub head_hash: Option<B256>,
    /// The highest number that a certificate which it holds makes final.
    pub certified_number: Option<U64>,
    /// By how many milliseconds its clock is ahead of this node's.
    pub clock_ahead: Option<i64>,
    /// Bytes sent to it since this node started.
    pub bytes_sent: u64,
    /// Bytes received from it since this node started.
    pub bytes_received: u64,
    /// Why this node wants nothing of it, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
}

/// What a member does in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RpcPeerRole {
    /// It is in the committee: everybody connects to it.
    Validator,
    /// Any other member: it connects to the committee.
    Observer,
}
