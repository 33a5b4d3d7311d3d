//! `wattline node`: runs a node as infrastructure.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use wattline_daemon::{keystore, password, shutdown_on_signal};
use wattline_pool::PoolConfig;
use wattline_rpc::Namespaces;

use super::{
    ChainArgs,
    database::{DatabaseArgs, DiskArgs},
    peers::PeerArgs,
    rpc::RpcArgs,
};
use crate::node::{Node, NodeConfig};

/// The port on which a node serves metrics unless told otherwise.
const METRICS_PORT: u16 = 6060;
/// What must be free on a large disk unless told otherwise, in bytes.
const MIN_FREE: u64 = 1 << 30;

/// Run a node. With --signer it takes part in the agreement on blocks, and seals one when its turn
/// comes; without, it follows the chain and serves it.
#[derive(Args, Debug)]
pub(crate) struct NodeCommand {
    #[command(flatten)]
    chain: ChainArgs,

    /// Keystore of the key that seals blocks
    #[arg(long, value_name = "KEYSTORE")]
    signer: Option<PathBuf>,

    /// File whose first line is the keystore's password; asked for when absent
    #[arg(long, value_name = "FILE", requires = "signer")]
    password_file: Option<PathBuf>,

    /// Acknowledge a transaction before the disk has it: then it survives the death of the process,
    /// but not that of the machine
    #[arg(help_heading = "Pool", long = "pool.no-journal-sync")]
    no_journal_sync: bool,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    disk: DiskArgs,

    #[command(flatten)]
    peers: PeerArgs,

    #[command(flatten)]
    listen: ListenArgs,
}

/// Where the node listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,

    /// Address that serves /metrics (Prometheus) and /health
    #[arg(help_heading = "Metrics", long = "metrics.addr", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    metrics_addr: IpAddr,

    /// Port of /metrics and /health; 0 takes a free one [default: 6060; with `dev`, not served]
    #[arg(help_heading = "Metrics", long = "metrics.port", value_name = "PORT")]
    metrics_port: Option<u16>,
}

impl ListenArgs {
    /// Where metrics are served: on the named port, else on `default`.
    pub(crate) fn metrics(&self, default: Option<u16>) -> Option<SocketAddr> {
        self.metrics_port
            .or(default)
            .map(|port| SocketAddr::new(self.metrics_addr, port))
    }
}

impl NodeCommand {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let chain = self.chain.load()?;
        let signer = match &self.signer {
            Some(path) => {
                let password = match &self.password_file {
                    Some(file) => password::from_file(file)?,
                    None => password::ask(&format!("Password of {}: ", path.display()))?,
                };
                Some(keystore::load(path, &password)?)
            }
            None => None,
        };
        let rpc = self
            .listen
            .rpc
            .config(&self.chain.datadir, Namespaces::PUBLIC)?;
        let mut node = Node::start(NodeConfig {
            peers: self.peers.config(&self.chain.datadir),
            datadir: self.chain.datadir,
            chain,
            storage: self.database.config(),
            min_free: self.disk.min_free(MIN_FREE),
            signer,
            rpc,
            pool: PoolConfig {
                journal_fsync: !self.no_journal_sync,
                ..PoolConfig::default()
            },
            metrics: self.listen.metrics(Some(METRICS_PORT)),
            accounts: Vec::new(),
        })
        .await?;
        let shutdown = shutdown_on_signal()?;
        println!("JSON-RPC on http://{0} and ws://{0}", node.rpc_addr());
        if let Some(addr) = node.rpc().auth_addr() {
            println!("with a JWT, all namespaces on http://{addr} and ws://{addr}");
        }
        if let Some(path) = node.rpc().ipc_path() {
            println!("all namespaces on {}", path.display());
        }
        if let Some(addr) = node.metrics_addr() {
            println!("metrics on http://{addr}/metrics, health on http://{addr}/health");
        }

        tokio::select! {
            () = shutdown.cancelled() => {
                node.stop().await;
                Ok(())
            }
            report = node.failed() => {
                node.stop().await;
                Err(report)
            }
        }
    }
}
