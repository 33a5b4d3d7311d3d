//! `wattline node`: runs a node as infrastructure.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use wattline_rpc::RpcConfig;

use super::ChainArgs;
use crate::{
    keystore,
    node::{Node as Running, NodeConfig, stop_requested},
};

/// The port on which a node serves metrics unless told otherwise.
const METRICS_PORT: u16 = 6060;

/// Run a node. With --signer it seals blocks when its turn comes; without, it serves the chain it
/// has.
#[derive(Args, Debug)]
pub(crate) struct Node {
    #[command(flatten)]
    chain: ChainArgs,

    /// Keystore of the key that seals blocks
    #[arg(long, value_name = "KEYSTORE")]
    signer: Option<PathBuf>,

    /// File whose first line is the keystore's password; asked for when absent
    #[arg(long, value_name = "FILE", requires = "signer")]
    password_file: Option<PathBuf>,

    #[command(flatten)]
    listen: ListenArgs,
}

/// Where the node listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListenArgs {
    /// Address that serves JSON-RPC over HTTP and WebSocket
    #[arg(long = "http.addr", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) http_addr: IpAddr,

    /// Port of JSON-RPC over HTTP and WebSocket; 0 takes a free one
    #[arg(long = "http.port", value_name = "PORT", default_value_t = 8545)]
    pub(crate) http_port: u16,

    /// Host names, besides localhost and IP addresses, that requests may be addressed to; `*` for
    /// all
    #[arg(long = "http.vhosts", value_name = "NAME", value_delimiter = ',')]
    http_vhosts: Vec<String>,

    /// Origins of web pages that may use RPC from a browser; `*` for all
    #[arg(long = "http.corsdomain", value_name = "ORIGIN", value_delimiter = ',')]
    http_corsdomain: Vec<String>,

    /// Let RPC clients change this node's votes (clique_propose, clique_discard) also where RPC is
    /// served beyond this machine
    #[arg(long = "http.voting")]
    http_voting: bool,

    /// Address that serves /metrics (Prometheus) and /health
    #[arg(long = "metrics.addr", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    metrics_addr: IpAddr,

    /// Port of /metrics and /health; 0 takes a free one [default: 6060; with `dev`, not served]
    #[arg(long = "metrics.port", value_name = "PORT")]
    metrics_port: Option<u16>,
}

impl ListenArgs {
    /// How RPC is served: to these hosts and origins, besides what is always allowed.
    pub(crate) fn rpc(&self) -> RpcConfig {
        let mut config = RpcConfig::new(SocketAddr::new(self.http_addr, self.http_port));
        config
            .allowed_hosts
            .extend(self.http_vhosts.iter().cloned());
        config
            .allowed_origins
            .extend(self.http_corsdomain.iter().cloned());
        config
    }

    /// Where metrics are served: on the named port, else on `default`.
    pub(crate) fn metrics(&self, default: Option<u16>) -> Option<SocketAddr> {
        self.metrics_port
            .or(default)
            .map(|port| SocketAddr::new(self.metrics_addr, port))
    }
}

impl Node {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let chain = self.chain.load()?;
        let signer = match &self.signer {
            Some(path) => {
                let password = keystore::password(
                    self.password_file.as_deref(),
                    &format!("Password of {}: ", path.display()),
                )?;
                Some(keystore::unlock(path, &password)?)
            }
            None => None,
        };
        let mut node = Running::start(NodeConfig {
            datadir: self.chain.datadir,
            chain,
            signer,
            rpc: self.listen.rpc(),
            metrics: self.listen.metrics(Some(METRICS_PORT)),
            accounts: Vec::new(),
        })
        .await?;
        println!("JSON-RPC on http://{0} and ws://{0}", node.rpc_addr());
        if let Some(addr) = node.metrics_addr() {
            println!("metrics on http://{addr}/metrics, health on http://{addr}/health");
        }

        tokio::select! {
            requested = stop_requested() => {
                node.stop().await;
                requested
            }
            report = node.failed() => {
                node.stop().await;
                Err(report)
            }
        }
    }
}
