//! `wattline dev`: the whole market on this machine, in one command.

use std::path::PathBuf;

use alloy_signer_local::PrivateKeySigner;
use clap::{Args, value_parser};
use eyre::WrapErr;
use jiff::Timestamp;
use wattline_daemon::shutdown_on_signal;
use wattline_devnet::{DEVELOPMENT_CHAIN_ID, development_key};
use wattline_pool::PoolConfig;
use wattline_rpc::Namespaces;

use super::{
    database::{DatabaseArgs, DiskArgs},
    node::ListenArgs,
    peers::PeerArgs,
};
use crate::{
    market::{Market, MarketConfig},
    node::{Node, NodeConfig},
    spec::LoadedSpec,
};

/// Development accounts that are funded in the development genesis.
const ACCOUNTS: u32 = 10;
/// The one signer among them.
const SIGNER: u32 = 0;
/// An account that no part of the market uses, for a wallet.
const WALLET: usize = 1;
/// What must be free on a large disk unless told otherwise, in bytes; a development chain is small.
const MIN_FREE: u64 = 64 << 20;

/// Run the whole market on this machine: a chain of one signer, a neighbourhood that trades on
/// real meter data, and the oracle that reads its meters. Everything is thrown away at the end
/// unless --datadir names a place to keep it.
#[derive(Args, Debug)]
pub(crate) struct Dev {
    /// Only the chain and its funded accounts
    #[arg(long)]
    no_market: bool,

    /// Directory in which the chain is kept and continued [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    datadir: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Market")]
    market: MarketArgs,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    disk: DiskArgs,

    #[command(flatten, next_help_heading = "Listen")]
    listen: ListenArgs,
}

#[derive(Args, Debug)]
struct MarketArgs {
    /// Folder with meters.csv and intervals.csv [default: a village of 93 connection points]
    #[arg(long, value_name = "DIR", conflicts_with = "no_market")]
    data: Option<PathBuf>,

    /// First quarter hour of the data, such as 2016-06-07T11:00:00Z [default: the first in which
    /// somebody has a surplus]
    #[arg(long, value_name = "TIME", conflicts_with = "no_market")]
    from: Option<Timestamp>,

    /// Trade so many intervals, then end once all are settled [default: to the end of the data]
    #[arg(long, value_name = "N", conflicts_with = "no_market", value_parser = value_parser!(u64).range(1..))]
    intervals: Option<u64>,

    /// Length of a delivery interval on the chain, in seconds
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = value_parser!(u32).range(2..=900))]
    interval_seconds: u32,

    /// What forecasts and bids follow from: the same seed, the same orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Write a JSON report of every interval here
    #[arg(long, value_name = "FILE", conflicts_with = "no_market")]
    report: Option<PathBuf>,
}

impl Dev {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let scratch = tempfile::tempdir().wrap_err("cannot make a temporary directory")?;
        let datadir = self
            .datadir
            .clone()
            .unwrap_or_else(|| scratch.path().to_owned());
        let market = if self.no_market {
            None
        } else {
            Some(Market::new(
                self.market
                    .config(datadir.join("meterd").join("outbox.redb")),
            )?)
        };
        let accounts = (0..ACCOUNTS)
            .map(development_key)
            .collect::<Result<Vec<_>, _>>()?;
        let mut rpc = self.listen.rpc.config(&datadir, Namespaces::ALL)?;
        // Whatever page a developer serves may talk to a chain whose keys are public.
        rpc.server.allowed_origins.push("*".to_owned());
        let mut node = Node::start(NodeConfig {
            chain: LoadedSpec::load(Some("dev"), &datadir)?,
            peers: PeerArgs::alone(&datadir),
            datadir,
            storage: self.database.config(),
            min_free: self.disk.min_free(MIN_FREE),
            signer: Some(development_key(SIGNER)?),
            rpc,
            pool: PoolConfig {
                // Nothing of a temporary directory outlives the process.
                journal_fsync: self.datadir.is_some(),
                ..PoolConfig::default()
            },
            metrics: self.listen.metrics(None),
            accounts: accounts.clone(),
        })
        .await?;
        let shutdown = shutdown_on_signal()?;
        print_connection(
            &node,
            if self.no_market {
                &accounts
            } else {
                &accounts[WALLET..=WALLET]
            },
        );

        let addr = node.rpc_addr();
        let mut playing = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                match market {
                    Some(market) => {
                        let say = |text: &str| println!("{text}");
                        market.play(addr, say, shutdown).await
                    }
                    None => std::future::pending().await,
                }
            }
        });
        let (ended, played) = tokio::select! {
            () = shutdown.cancelled() => (Ok(()), false),
            report = node.failed() => (Err(report), false),
            played = &mut playing => (played?, true),
        };
        shutdown.cancel();
        if !played && !self.no_market {
            // What it is at in the middle of an interval goes on in the next run.
            let _ = playing.await;
        }
        node.stop().await;
        ended
    }
}

impl MarketArgs {
    fn config(&self, outbox: PathBuf) -> MarketConfig {
        MarketConfig {
            data: self.data.clone(),
            from: self.from,
            intervals: self.intervals,
            interval_seconds: self.interval_seconds,
            seed: self.seed,
            report: self.report.clone(),
            outbox,
        }
    }
}

/// Says how to connect a wallet.
fn print_connection(node: &Node, keys: &[PrivateKeySigner]) {
    println!("Wattline development chain\n");
    println!("  JSON-RPC  http://{0}  ws://{0}", node.rpc_addr());
    println!("  Chain id  {DEVELOPMENT_CHAIN_ID}");
    if let Some(addr) = node.rpc().auth_addr() {
        println!("  with JWT  http://{addr}  ws://{addr}");
    }
    if let Some(path) = node.rpc().ipc_path() {
        println!("  IPC       {}", path.display());
    }
    if let Some(addr) = node.metrics_addr() {
        println!("  Metrics   http://{addr}/metrics");
    }
    println!("\nFor MetaMask: add a network with this address and chain id, and import a key.");
    println!("The keys are public; use them for development only.");
    for key in keys {
        println!("  {}  {}", key.address(), key.to_bytes());
    }
    println!();
}
