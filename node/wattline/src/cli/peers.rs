//! How the node meets its peers, as options.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use wattline_consensus::Rejoin;
use wattline_network::Bootnode;

use crate::agreement::PeerConfig;

/// Where a data directory keeps the node key.
pub(crate) const NODE_KEY: &str = "node.key";
/// Where a data directory keeps the keys that the operator denies.
const DENIED: &str = "denied-keys";
/// The port for peers unless told otherwise.
const PORT: u16 = 30303;

/// When a node votes again whose votes may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RejoinWhen {
    /// As soon as the committee has said that no lost vote can be contradicted
    Ask,
    /// At once: for a chain that stands still without this node
    Now,
}

/// The options of the network and of the agreement.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Peers")]
pub(crate) struct PeerArgs {
    /// Address to listen for peers on
    #[arg(long = "p2p.addr", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    addr: IpAddr,

    /// Port to listen for peers on; 0 takes a free one
    #[arg(long = "p2p.port", value_name = "PORT", default_value_t = PORT)]
    port: u16,

    /// The node's ed25519 key, by which peers know it and with which it votes; made on the first
    /// start, never to be copied [default: node.key in the data directory]
    #[arg(long, value_name = "FILE")]
    node_key: Option<PathBuf>,

    /// A peer at another address than the one in the Consortium contract; may be given several
    /// times
    #[arg(long = "bootnode", value_name = "KEY@HOST:PORT")]
    bootnodes: Vec<Bootnode>,

    /// File of node keys, one per line, to have nothing to do with; read again when it changes
    /// [default: denied-keys in the data directory]
    #[arg(long = "p2p.denied", value_name = "FILE")]
    denied: Option<PathBuf>,

    /// Take part although the votes of this node may be lost (a restored backup, a copied disk):
    /// only if no other node runs with its key
    #[arg(
        long = "consensus.rejoin",
        value_name = "WHEN",
        num_args = 0..=1,
        default_missing_value = "ask",
        require_equals = true
    )]
    rejoin: Option<RejoinWhen>,
}

impl PeerArgs {
    /// What the node takes of them, with what lies in its data directory.
    pub(crate) fn config(&self, datadir: &Path) -> PeerConfig {
        let or_in = |path: &Option<PathBuf>, name| match path {
            Some(path) => path.clone(),
            None => datadir.join(name),
        };
        PeerConfig {
            node_key: or_in(&self.node_key, NODE_KEY),
            listen: SocketAddr::new(self.addr, self.port),
            bootnodes: self.bootnodes.clone(),
            denied: or_in(&self.denied, DENIED),
            rejoin: match self.rejoin {
                None => Rejoin::No,
                Some(RejoinWhen::Ask) => Rejoin::Ask,
                Some(RejoinWhen::Now) => Rejoin::Now,
            },
        }
    }

    /// What a node without peers takes.
    pub(crate) fn alone(datadir: &Path) -> PeerConfig {
        PeerConfig {
            node_key: datadir.join(NODE_KEY),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            bootnodes: Vec::new(),
            denied: datadir.join(DENIED),
            rejoin: Rejoin::No,
        }
    }
}
