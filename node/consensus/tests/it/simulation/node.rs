//! One node of a cluster: a real chain in a directory of its own.

use std::{
    collections::BTreeMap,
    mem,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{Receiver, Recipients, Sender, simulated::Oracle};
use commonware_runtime::{
    Clock as _, Handle, Spawner as _, Supervisor as _, deterministic::Context,
};
use commonware_utils::channel::oneshot;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{broadcast::error::RecvError, watch};
use wattline_chain::{Chain, test_utils::TestGenesis};
use wattline_consensus::{Agreement, AgreementError, AgreementHandle, Blockers, Channels, Rejoin};
use wattline_network::{Channel, Limits, Network, NetworkConfig, Tip, Transport};
use wattline_pool::{Pool, PoolConfig};
use wattline_primitives::Millis;
use wattline_producer::{Producer, ProducerConfig, ProducerHandle};

use super::{
    byzantine::{Forger, Liar, Lie},
    clock::{Skew, Skewed},
    heads::Heads,
    tap::{Tap, Tapped},
};

/// How far a final block may be ahead of the time: what a validator bears, and what the clocks of
/// honest ones are off.
const MAX_AHEAD: Duration = Duration::from_millis(700);

/// A node, running or not.
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) key: PrivateKey,
    /// What seals its blocks; `None` on an observer.
    pub(crate) signer: Option<PrivateKeySigner>,
    pub(crate) rejoin: Rejoin,
    pub(crate) skew: Skew,
    pub(crate) heads: Heads,
    /// What it answers when others ask how far its votes are, if it lies.
    pub(crate) answer: Option<Vec<u8>>,
    /// How it lies, and with what.
    pub(crate) lie: Option<(Lie, Forger)>,
    pub(crate) run: Option<Run>,
    /// Every block that a client was shown as final, over all runs.
    pub(crate) shown: Arc<Mutex<BTreeMap<u64, B256>>>,
    dir: TempDir,
    /// How often its agreement's own storage was lost.
    wiped: u64,
}

/// A node that runs.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) producer: Option<ProducerHandle>,
    pub(crate) agreement: AgreementHandle,
}

/// The task above all tasks of a node, and its parts.
pub(crate) struct Run {
    pub(crate) parts: Parts,
    root: Handle<()>,
}

impl Node {
    pub(crate) fn new(
        index: usize,
        key: PrivateKey,
        signer: Option<PrivateKeySigner>,
        heads: Heads,
    ) -> Self {
        Self {
            index,
            key,
            signer,
            rejoin: Rejoin::No,
            skew: Skew::NONE,
            heads,
            answer: None,
            lie: None,
            run: None,
            shown: Arc::default(),
            dir: directory(),
            wiped: 0,
        }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.run.as_ref().map(|run| &run.parts)
    }

    /// Starts it.
    pub(crate) async fn start(
        &mut self,
        ctx: &Context,
        oracle: &Oracle<PublicKey, Context>,
        genesis: &TestGenesis,
    ) -> Result<(), AgreementError> {
        assert!(self.run.is_none(), "a node runs once");
        let chain = genesis.open(&self.dir);
        self.check(&chain);
        let time = ctx.child("pool");
        let (pool, _) = Pool::open_with_clock(
            PoolConfig::default(),
            Some(&self.dir.path().join("transactions")),
            chain.storage().clone(),
            chain.evm().clone(),
            Arc::new(move || {
                time.current()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
            }),
        )
        .expect("the pool opens");
        let producer = self.signer.clone().map(|signer| {
            let config = ProducerConfig::default();
            Producer::new(chain.clone(), pool.clone(), signer.into(), config)
        });
        let handle = producer.as_ref().map(Producer::handle);
        let config = NetworkConfig {
            node_key: self.key.clone(),
            chain: genesis.spec().chain_hash(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            bootnodes: Vec::new(),
            denied: None,
            limits: Limits::default(),
        };
        let control = oracle.control(self.public_key());
        let mut ends = BTreeMap::new();
        for channel in Channel::ALL {
            let limit = config.limits.of(channel);
            let open = async |number| {
                let pair = control.register(number, limit.quota()).await;
                pair.expect("the network runs")
            };
            let mut pair = open(channel.number()).await;
            if let (Channel::Standings, Some(answer)) = (channel, self.answer.clone()) {
                // In place of the honest node, which has a channel that nobody else has.
                let told = mem::replace(&mut pair, open(channel.number() + 1).await);
                ctx.child("answers")
                    .spawn(move |_| answer_all(told, answer));
            }
            let (inner, receiver) = pair;
            let tap = self.lie.clone().map(|(lie, forger)| Tap {
                lie,
                channel,
                forger,
            });
            ends.insert(channel.number(), (Tapped { inner, tap }, receiver));
        }
        let transport = Transport {
            open: move |channel: Channel, _| {
                let ends = ends.remove(&channel.number());
                ends.expect("a channel is opened once")
            },
            members: oracle.socket_manager(),
            blocker: control,
        };
        let agreement = Agreement {
            chain: chain.clone(),
            pool: pool.clone(),
            producer,
            key: self.key.clone(),
            partition: format!("node-{}-{}", self.index, self.wiped),
            rejoin: self.rejoin,
        };

        let (started, parts) = oneshot::channel();
        let (shown, lie) = (self.shown.clone(), self.lie.clone());
        let heads = self.heads.seen_by(self.public_key());
        let name = self.index;
        let ctx = ctx.child("node").with_attribute("index", self.index);
        let ctx = Skewed::new(ctx, self.skew);
        let said = self.heads.say(self.public_key(), chain.clone());
        let root = ctx.spawn(move |ctx| async move {
            let _said = said;
            let (told, tip) = watch::channel(Tip::default());
            let following = follow(&ctx, &chain, &pool, shown, told);
            let network = Network::over(&ctx.child("p2p"), config, pool.clone(), tip, transport);
            let network = network.expect("nobody is denied");
            let channels = network.channels;
            let network_of_agreement = wattline_consensus::Network {
                channels: Channels {
                    votes: channels.votes,
                    certificates: channels.certificates,
                    resolver: channels.resolver,
                    blocks: channels.blocks,
                    backfill: channels.backfill,
                    standings: channels.standings,
                },
                peers: network.roster,
                blockers: Blockers {
                    votes: network.blocker.clone().of("votes"),
                    backfill: network.blocker.clone().of("backfill"),
                    standings: network.blocker.of("standings"),
                },
                heads,
            };
            let ctx = ctx.child("agreement");
            let wrap = |honest| Liar { honest, lie };
            let begun = agreement.start_with(ctx, network_of_agreement, wrap);
            let (agreement, task) = match begun.await {
                Ok(begun) => begun,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(Parts {
                chain,
                pool,
                producer: handle,
                agreement,
            }));
            let ended = task.await;
            following.abort();
            panic!("node {name} ended: {ended:?}");
        });
        let parts = parts.await.expect("the node says whether it started")?;
        self.run = Some(Run { parts, root });
        Ok(())
    }

    /// All that clients were shown is there: no head was taken back.
    pub(crate) fn check(&self, chain: &Chain) {
        let reader = chain.storage().reader().expect("the database reads");
        for (number, hash) in self.shown.lock().iter() {
            let stored = reader.block_hash(*number).expect("the database reads");
            assert_eq!(
                stored,
                Some(*hash),
                "node {} took back block {number}",
                self.index
            );
        }
    }

    /// Ends it at once, wherever it is. What was not synced is lost.
    pub(crate) async fn crash(&mut self, ctx: &Context) {
        let Some(Run { parts, root }) = self.run.take() else {
            return;
        };
        drop(parts);
        root.abort();
        let _ = root.await;
        // The tasks below it are dropped when the runtime comes to them.
        ctx.sleep(Duration::from_millis(5)).await;
    }

    /// Loses everything it has on disk. Only of a node that does not run.
    pub(crate) fn wipe(&mut self) {
        self.wipe_agreement();
        self.dir = directory();
        self.shown.lock().clear();
    }

    /// Loses its database, and keeps the agreement's own storage. Only of a node that does not run.
    pub(crate) fn restore_empty(&mut self) {
        assert!(self.run.is_none(), "the node runs");
        self.dir = directory();
        self.shown.lock().clear();
    }

    /// Loses the agreement's own storage. Only of a node that does not run.
    pub(crate) fn wipe_agreement(&mut self) {
        assert!(self.run.is_none(), "the node runs");
        self.wiped += 1;
    }
}

/// A directory in memory where there is one: nobody waits for a disk in simulated time.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary directory")
}

/// Answers every message the same.
pub(crate) async fn answer_all(
    (mut sender, mut receiver): (
        impl Sender<PublicKey = PublicKey>,
        impl Receiver<PublicKey = PublicKey>,
    ),
    answer: Vec<u8>,
) {
    while let Ok((peer, _)) = receiver.recv().await {
        sender.send(Recipients::One(peer), answer.clone(), true);
    }
}

/// Keeps the pool at the head of the chain, tells peers of it, and notes what clients are shown.
fn follow(
    ctx: &Skewed,
    chain: &Chain,
    pool: &Pool,
    shown: Arc<Mutex<BTreeMap<u64, B256>>>,
    told: watch::Sender<Tip>,
) -> Handle<()> {
    let mut updates = chain.subscribe();
    let (chain, pool) = (chain.clone(), pool.clone());
    pool.catch_up().expect("the pool reads the chain");
    ctx.child("follow").spawn(move |ctx| async move {
        loop {
            let head = chain.head();
            told.send_replace(Tip {
                number: head.number,
                hash: head.hash(),
                certified: head.number,
            });
            match updates.recv().await {
                Ok(update) => {
                    let now = Millis::from_epoch(ctx.time());
                    let mut shown = shown.lock();
                    for block in &update.committed {
                        let (number, hash) = (block.block.number, block.block.hash());
                        let before = shown.insert(number, hash);
                        assert!(
                            before.is_none_or(|before| before == hash),
                            "block {number} was shown as {before:?} and is now {hash}"
                        );
                        let ahead = Millis::of(block.block.header()).saturating_since(now);
                        assert!(
                            ahead <= MAX_AHEAD,
                            "block {number} is from the future, {ahead:?} ahead"
                        );
                    }
                    drop(shown);
                    pool.follow(&update).expect("the pool follows");
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    })
}
