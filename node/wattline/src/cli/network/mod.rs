//! `wattline network`: a consortium of nodes on this machine, each a process of its own.

mod directory;
mod market;
mod ports;
mod process;
mod screen;
mod setup;
mod status;

use std::{path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use eyre::{ensure, eyre};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wattline_daemon::shutdown_on_signal;

use self::{
    directory::Directory,
    market::NetworkMarket,
    process::{Ended, start},
    screen::Screen,
    status::Watched,
};

/// How often the nodes are asked where they are.
const LOOK: Duration = Duration::from_millis(500);

const AFTER_HELP: &str = "\
Examples:
  wattline network --dir net --validators 4 --observers 1       make it, or go on with it
  wattline network --dir net                                    go on with it
  wattline network --dir net --period-ms 1000 --epoch 600       another pace, at the first start
  cast block-number --rpc-url http://127.0.0.1:8545             ask validator-1
  kill -9 $(cat net/validator-2/pid)                            see what an outage does

Every node has a folder in DIR, which is its data directory: validator-1, …, observer-1, ….
In it are also the keystore of its account, signer.json (the password of all is in
DIR/password.txt), its log, node.log, and while it runs the number of its process, pid.
A node that ended is not started again; `wattline network` prints the command that does.";

/// Run a consortium on this machine: validators that agree and observers that follow, each a
/// process of its own. The first start makes keys and a genesis file in DIR; later ones go on where
/// the last one ended. Ctrl-C ends all of them.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct NetworkCommand {
    /// Directory of the network
    #[arg(long, value_name = "DIR", default_value = "wattline-network")]
    dir: PathBuf,

    #[command(flatten, next_help_heading = "Chain, chosen at the first start")]
    chain: ChainChoice,

    #[command(flatten, next_help_heading = "Listen")]
    listen: ListenChoice,

    /// Let a neighbourhood trade on real meter data, as `wattline dev` does, through the first
    /// observer or, without one, through validator-1
    #[arg(long)]
    market: bool,
}

/// What is chosen once for the life of a network.
#[derive(Args, Clone, Debug, Default)]
struct ChainChoice {
    /// How many nodes agree on blocks [default: 4]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=64))]
    validators: Option<u16>,

    /// How many nodes follow [default: 0]
    #[arg(long, value_name = "M", value_parser = value_parser!(u16).range(0..=64))]
    observers: Option<u16>,

    /// Least milliseconds between two blocks [default: that of the genesis file]
    #[arg(long, value_name = "MS", value_parser = value_parser!(u64).range(1..=3_600_000))]
    period_ms: Option<u64>,

    /// Blocks between two checkpoints, at which the committee may change [default: that of the
    /// genesis file]
    #[arg(long, value_name = "BLOCKS", value_parser = value_parser!(u64).range(2..))]
    epoch: Option<u64>,

    /// Genesis file, or `dev` or `devnet` for a built-in one: its contracts, accounts and settings
    /// are taken, with the signers and the consortium of this network in place of its own
    /// [default: devnet]
    #[arg(long, value_name = "FILE")]
    genesis: Option<String>,

    /// First port for peers; node by node the next, validators first [default: 30303]
    #[arg(long, value_name = "BASE", value_parser = value_parser!(u16).range(1..))]
    p2p_port: Option<u16>,
}

impl ChainChoice {
    /// What the genesis file is made from.
    fn genesis(&self) -> &str {
        self.genesis.as_deref().unwrap_or("devnet")
    }
}

/// Where the nodes listen, besides for peers: on this machine only, and node by node the next port,
/// validators first.
#[derive(Args, Clone, Debug)]
struct ListenChoice {
    /// First port of JSON-RPC, HTTP and WebSocket, with all namespaces
    #[arg(long, value_name = "BASE", default_value_t = 8545, value_parser = value_parser!(u16).range(1..))]
    rpc_port: u16,

    /// First port of /metrics and /health
    #[arg(long, value_name = "BASE", default_value_t = 6060, value_parser = value_parser!(u16).range(1..))]
    metrics_port: u16,
}

/// The processes of the nodes, by their places in the network.
type Running = JoinSet<(usize, Ended)>;

impl NetworkCommand {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let shutdown = shutdown_on_signal()?;
        let Self {
            dir,
            chain,
            listen,
            market,
        } = self;
        // Encrypting the keys takes its time.
        let directory = tokio::task::spawn_blocking(move || Directory::open(&dir, &chain, &listen));
        let directory = directory.await??;
        let market = market.then(|| NetworkMarket::new(&directory)).transpose()?;
        let screen = Screen::new(directory.nodes().len());
        let stop = CancellationToken::new();
        let mut running = Running::new();
        let started = start_all(&directory, &stop, &mut running);
        let outcome = match started {
            Ok(()) => {
                introduce(&directory, &screen);
                attend(&directory, &screen, &mut running, &shutdown, market).await
            }
            Err(report) => Err(report),
        };
        stop.cancel();
        let ended = end(&directory, &screen, &mut running).await;
        outcome.and(ended)
    }
}

fn start_all(
    directory: &Directory,
    stop: &CancellationToken,
    running: &mut Running,
) -> eyre::Result<()> {
    for (place, node) in directory.nodes().iter().enumerate() {
        let process = start(node, directory)?;
        let stop = stop.clone();
        running.spawn(async move { (place, process.attended(stop).await) });
    }
    Ok(())
}

fn introduce(directory: &Directory, screen: &Screen) {
    screen.say(&format!(
        "chain {} in {}: blocks at least {} ms apart, a checkpoint every {} blocks",
        directory.chain_id(),
        directory.path().display(),
        directory.kept().period_ms,
        directory.kept().epoch,
    ));
    for node in directory.nodes() {
        screen.say(&format!(
            "{:<13} JSON-RPC on {}, metrics on http://127.0.0.1:{}/metrics",
            node.name,
            node.url(),
            node.ports.metrics
        ));
    }
}

/// Shows where the nodes are until the user has enough or none is left.
async fn attend(
    directory: &Directory,
    screen: &Screen,
    running: &mut Running,
    shutdown: &CancellationToken,
    mut market: Option<NetworkMarket>,
) -> eyre::Result<()> {
    let watched = directory.nodes().iter().map(Watched::new);
    let mut watched: Vec<_> = watched.collect::<Result<_, _>>()?;
    let mut playing = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    let outcome = loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break Ok(()),
            Some(ended) = running.join_next() => {
                let (place, ended) = ended?;
                if let Some(node) = directory.nodes().get(place) {
                    screen.say(&ended.told(node, directory));
                }
                if let Some(watched) = watched.get_mut(place) {
                    watched.ended(&ended);
                }
                if running.is_empty() {
                    break Err(eyre!("no node is left"));
                }
            }
            _ = look.tick() => {
                status::look(&mut watched).await;
                screen.show(watched.iter().map(Watched::line));
                let ready = |market: &mut NetworkMarket| {
                    watched.iter().any(|it| it.answers_as(market.node()))
                };
                if let Some(market) = market.take_if(ready) {
                    playing.spawn(market.play(screen.clone(), shutdown.child_token()));
                }
            }
        }
    };
    // What it is at in the middle of an interval goes on in the next run.
    shutdown.cancel();
    playing.join_all().await;
    outcome
}

/// Waits for the nodes to end, which they have been told to.
async fn end(directory: &Directory, screen: &Screen, running: &mut Running) -> eyre::Result<()> {
    let mut unclean = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (place, ended) = ended?;
        let Some(node) = directory.nodes().get(place) else {
            continue;
        };
        if !ended.is_clean() {
            screen.say(&ended.told(node, directory));
            unclean.push(node.name.clone());
        }
    }
    screen.finish();
    ensure!(
        unclean.is_empty(),
        "{} did not end in order; see the log in its folder",
        unclean.join(", ")
    );
    Ok(())
}
