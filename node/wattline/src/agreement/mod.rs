//! The node's part in the agreement: the network and the engine, on a thread and a runtime of
//! their own.

mod answers;
mod progress;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_runtime::{Metrics as _, Runner as _, Supervisor as _, tokio as runtime};
use eyre::WrapErr;
use tokio::sync::{broadcast::error::RecvError, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use wattline_chain::Chain;
use wattline_consensus::{
    Agreement, AgreementHandle, Blockers, Channels, PeerHeads, Rejoin, Role, Status,
};
use wattline_network::{Bootnode, Limits, Network, NetworkConfig, PeersHandle, Tip, key};
use wattline_pool::Pool;
use wattline_producer::Producer;

pub(crate) use answers::{AgreementAnswers, PeerAnswers};

use crate::space::{MinFree, shortage};

/// Threads for what waits; what works has threads of its own.
const WORKERS: usize = 2;
/// Less than this on the disk is no room to write.
const ROOM: MinFree = MinFree::Exactly(4 << 20);
/// How long to wait for room before the next look.
const ROOM_RETRY: Duration = Duration::from_secs(2);
/// How the names of the engine's files begin.
const PARTITION: &str = "agreement";
/// Where a node without peers listens: the library has no network that listens nowhere.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How the node meets its peers, and what the operator says of its votes.
#[derive(Clone, Debug)]
pub(crate) struct PeerConfig {
    /// The node key: an ed25519 seed in a file, made where there is none.
    pub(crate) node_key: PathBuf,
    /// Where to listen; without a Consortium contract nobody connects.
    pub(crate) listen: SocketAddr,
    /// Peers whose addresses the operator knows better than the chain.
    pub(crate) bootnodes: Vec<Bootnode>,
    /// The file of denied keys.
    pub(crate) denied: PathBuf,
    /// What to do if the votes of this node may be lost.
    pub(crate) rejoin: Rejoin,
}

/// What the agreement works with.
#[derive(Clone)]
pub(crate) struct AgreementParts {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    /// What makes blocks; none on a node that only follows.
    pub(crate) producer: Option<Producer>,
    pub(crate) key: PrivateKey,
    pub(crate) peers: PeerConfig,
    /// Where the engine keeps its votes.
    pub(crate) directory: PathBuf,
}

/// The agreement while it runs.
pub(crate) struct RunningAgreement {
    /// What may be asked of it.
    pub(crate) agreement: Arc<AgreementAnswers>,
    /// What may be asked of the network.
    pub(crate) peers: Arc<PeerAnswers>,
    parts: AgreementParts,
    handles: Arc<ArcSwap<Handles>>,
    end: End,
    shutdown: CancellationToken,
}

/// How the thread of the agreement ends.
type End = oneshot::Receiver<eyre::Result<()>>;

/// What the thread hands over when all parts run.
struct Handles {
    agreement: AgreementHandle,
    peers: PeersHandle,
    /// Knows the metrics of the engine and the network while they run. Whoever held on to it would
    /// keep their tasks from ending.
    ctx: Weak<runtime::Context>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles")
            .field("agreement", &self.agreement)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

impl RunningAgreement {
    /// What tells the metrics of the engine and the network, in Prometheus' text format.
    pub(crate) fn metrics(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let handles = self.handles.clone();
        move || {
            let ctx = handles.load().ctx.upgrade();
            let mut text = ctx.map(|ctx| ctx.encode()).unwrap_or_default();
            // The mark of an end belongs to the format in which nothing follows.
            if let Some(end) = text.rfind("# EOF") {
                text.truncate(end);
            }
            text
        }
    }

    /// Waits until the agreement has ended, which it does when the node is stopped. Where it ends
    /// because nothing can be written any more, it is started again as soon as there is room: until
    /// then the chain stands still, and the node serves what it has.
    ///
    /// # Errors
    ///
    /// When it can go on no longer; nothing that peers, clients or transactions do leads to that.
    pub(crate) async fn ended(self) -> eyre::Result<()> {
        let mut outcome = outcome(self.end).await;
        while outcome.is_err() && !self.shutdown.is_cancelled() && self.parts.lacks_room().await? {
            error!(
                "no block is made or stored until there is room on the disk and in the database"
            );
            loop {
                tokio::select! {
                    () = self.shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(ROOM_RETRY) => {}
                }
                if !self.parts.lacks_room().await? {
                    break;
                }
            }
            info!("there is room again: the chain goes on");
            outcome = match self.parts.clone().launch(self.shutdown.clone()).await {
                Ok((handles, end)) => {
                    self.handles.store(Arc::new(handles));
                    self::outcome(end).await
                }
                Err(report) => Err(report),
            };
        }
        outcome
    }
}

/// Waits for the end of the thread.
async fn outcome(end: End) -> eyre::Result<()> {
    end.await
        .wrap_err("the thread of the agreement died; the log says why")?
}

impl AgreementParts {
    /// Starts the network and the engine, which run until `shutdown`.
    ///
    /// # Errors
    ///
    /// When a part cannot start, which then names what to change.
    pub(crate) async fn start(self, shutdown: CancellationToken) -> eyre::Result<RunningAgreement> {
        let (handles, end) = self.clone().launch(shutdown.clone()).await?;
        let handles = Arc::new(ArcSwap::from_pointee(handles));
        Ok(RunningAgreement {
            agreement: Arc::new(AgreementAnswers::new(self.chain.clone(), handles.clone())),
            peers: Arc::new(PeerAnswers::new(handles.clone())),
            parts: self,
            handles,
            end,
            shutdown,
        })
    }

    /// Whether there is so little room that writing must fail.
    async fn lacks_room(&self) -> eyre::Result<bool> {
        let (directory, storage) = (self.directory.clone(), self.chain.storage().clone());
        // A disk may take its time to answer.
        let look = move || shortage(&directory, &storage, ROOM, None);
        Ok(tokio::task::spawn_blocking(look).await??.is_some())
    }

    async fn launch(mut self, shutdown: CancellationToken) -> eyre::Result<(Handles, End)> {
        if self.chain.spec().consortium().is_none() {
            self.peers.listen = NOWHERE;
        }
        self.peers.listen = wattline_network::claim_address(self.peers.listen)
            .wrap_err("cannot listen for peers; choose another port with --p2p.port")?;
        let config = runtime::Config::new()
            .with_storage_directory(self.directory.clone())
            .with_worker_threads(WORKERS)
            .with_catch_panics(false);
        let (started, start) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let run = move || {
            let runner = runtime::Runner::new(config);
            let outcome = runner.start(|ctx| self.run(ctx, started, shutdown));
            // Nobody asks any more if the node gave up on its tasks.
            let _ = ended.send(outcome);
        };
        thread::Builder::new()
            .name("agreement".to_owned())
            .spawn(run)
            .wrap_err("cannot start the thread of the agreement")?;
        match start.await {
            Ok(handles) => Ok((handles, end)),
            Err(_) => Err(outcome(end)
                .await
                .err()
                .unwrap_or_else(|| eyre::eyre!("it ended at once"))
                .wrap_err("cannot start the agreement")),
        }
    }

    async fn run(
        self,
        ctx: runtime::Context,
        started: oneshot::Sender<Handles>,
        shutdown: CancellationToken,
    ) -> eyre::Result<()> {
        let config = NetworkConfig {
            node_key: self.key.clone(),
            chain: self.chain.spec().chain_hash(),
            listen: self.peers.listen,
            bootnodes: self.peers.bootnodes,
            denied: Some(self.peers.denied),
            limits: Limits::default(),
        };
        let (tip, told) = watch::channel(tip(&self.chain));
        let Network {
            channels,
            roster,
            blocker,
            peers,
            ended,
        } = Network::start(&ctx, config, self.pool.clone(), told)?;
        let agreement = Agreement {
            chain: self.chain.clone(),
            pool: self.pool,
            producer: self.producer,
            key: self.key,
            partition: PARTITION.to_owned(),
            rejoin: self.peers.rejoin,
        };
        let network = wattline_consensus::Network {
            channels: Channels {
                votes: channels.votes,
                certificates: channels.certificates,
                resolver: channels.resolver,
                blocks: channels.blocks,
                backfill: channels.backfill,
                standings: channels.standings,
            },
            peers: roster,
            blockers: Blockers {
                votes: blocker.clone().of("votes"),
                backfill: blocker.clone().of("backfill"),
                standings: blocker.of("standings"),
            },
            heads: heads(peers.clone()),
        };
        let (handle, agreed) = agreement.start(ctx.child("agreement"), network).await?;
        let status = handle.watch_status();
        let metrics = Arc::new(ctx.child("metrics"));
        let handles = Handles {
            agreement: handle,
            peers: peers.clone(),
            ctx: Arc::downgrade(&metrics),
        };
        if started.send(handles).is_err() {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            agreed = agreed => Ok(agreed??),
            _ = ended => Err(eyre::eyre!("the network ended; the log says why")),
            () = follow_tip(&self.chain, &tip) => Ok(()),
            () = announce(status, &self.chain, &peers) => Ok(()),
            () = progress::report(&self.chain, &peers) => Ok(()),
        }
    }
}

/// How far the chain has come. What is stored has its certificate, or a descendant's.
fn tip(chain: &Chain) -> Tip {
    let head = chain.head();
    Tip {
        number: head.number,
        hash: head.hash(),
        certified: head.number,
    }
}

/// The names of the members that have a node, by the Consortium contract.
fn names(chain: &Chain) -> eyre::Result<Vec<(PublicKey, String)>> {
    let members = chain.evm().members(&chain.storage().state()?)?;
    let active = members.into_iter().filter(|member| member.active);
    Ok(active
        .filter_map(|member| Some((key::from_bytes(&member.node_key).ok()?, member.name)))
        .collect())
}

/// How far the peers are, for a node that is behind.
fn heads(peers: PeersHandle) -> PeerHeads {
    let head = |(peer, tip): (_, Tip)| (peer, tip.certified);
    PeerHeads::new(move || peers.tips().into_iter().map(head).collect())
}

/// Keeps peers told of how far the chain has come.
async fn follow_tip(chain: &Chain, told: &watch::Sender<Tip>) {
    let mut updates = chain.subscribe();
    loop {
        told.send_replace(tip(chain));
        if matches!(updates.recv().await, Err(RecvError::Closed)) {
            return std::future::pending().await;
        }
    }
}

/// Says whenever what this node does in the agreement changes, and gives the peers their names in
/// each epoch.
async fn announce(mut status: watch::Receiver<Status>, chain: &Chain, peers: &PeersHandle) {
    let mut said = None;
    let mut named = None;
    loop {
        let Status {
            epoch,
            committee,
            role,
        } = status.borrow_and_update().clone();
        if named.replace(epoch) != Some(epoch) {
            match names(chain) {
                Ok(names) => peers.set_names(names),
                Err(error) => warn!(epoch, %error, "the names of the members cannot be read"),
            }
        }
        let validators = committee.validators().len();
        if said.replace(role) != Some(role) {
            match role {
                Role::VotesLost => warn!(epoch, validators, "following: {role}"),
                Role::Votes => info!(epoch, validators, "voting: {role}"),
                _ => info!(epoch, validators, "following: {role}"),
            }
        }
        if status.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
