//! Nodes with a network, a pool and a chain on disk, and peers that the test plays itself.

use std::{
    future::{Future, pending},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::B256;
use commonware_cryptography::{
    ChaCha20Poly1305, Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    AddressableManager as _, AddressableTrackedPeers, Receiver as _, Recipients, Sender as _,
    authenticated::lookup,
};
use commonware_runtime::{Clock, Handle, Quota, Runner as _, deterministic, tokio};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use futures::channel::oneshot;
use tokio_sync::watch;
use wattline_network::{
    Limits, NetworkConfig, PeerInfo, PeersHandle, Runtime, SocketNetwork, Tip, address,
    claim_address, status::Status,
};
use wattline_pool::{Pool, PoolConfig, test_utils::TestChain};
use wattline_primitives::Millis;

use ::tokio::sync as tokio_sync;

/// The chain of all nodes that the test does not put on another one.
pub(crate) const CHAIN: B256 = B256::repeat_byte(0xc4);
/// How long a scenario waits for what must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Gives the places at which the nodes of a scenario listen.
pub(crate) type Places = fn(u16) -> SocketAddr;

pub(crate) fn on_sockets<F, Fut>(scenario: F)
where
    F: FnOnce(tokio::Context, Places) -> Fut,
    Fut: Future<Output = ()>,
{
    let directory = tempfile::tempdir().expect("a directory");
    let config = tokio::Config::new().with_storage_directory(directory.path());
    tokio::Runner::new(config).start(|context| {
        scenario(context, |_| {
            claim_address((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
        })
    });
}

pub(crate) fn deterministic<F, Fut>(scenario: F)
where
    F: FnOnce(deterministic::Context, Places) -> Fut,
    Fut: Future<Output = ()>,
{
    deterministic::Runner::timed(Duration::from_secs(600)).start(|context| {
        context.resolver_register("localhost", Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        scenario(context, |number| {
            (Ipv4Addr::LOCALHOST, 3_000 + number).into()
        })
    });
}

/// The key of a node.
pub(crate) fn private(number: u16) -> PrivateKey {
    PrivateKey::from_seed(number.into())
}

pub(crate) fn public(number: u16) -> PublicKey {
    private(number).public_key()
}

/// Members by number, each with the address that the chain gives it.
pub(crate) type Members = Vec<(u16, String)>;

/// Members that are dialled by the name of this machine.
pub(crate) fn by_name(places: &[SocketAddr]) -> Members {
    (0..)
        .zip(places)
        .map(|(number, place)| (number, format!("localhost:{}", place.port())))
        .collect()
}

fn map(members: &Members) -> Map<PublicKey, commonware_p2p::Address> {
    Map::from_iter_dedup(members.iter().map(|(number, text)| {
        let ingress = address::parse(text).expect("an address");
        (public(*number), address::peer(ingress))
    }))
}

pub(crate) fn tracked(
    primary: &Members,
    secondary: &Members,
) -> AddressableTrackedPeers<PublicKey> {
    AddressableTrackedPeers::new(map(primary), map(secondary))
}

/// Waits until something holds.
pub(crate) async fn until<E: Clock>(context: &E, what: &str, mut holds: impl FnMut() -> bool) {
    let started = context.current();
    while !holds() {
        let waited = context
            .current()
            .duration_since(started)
            .unwrap_or_default();
        assert!(waited < SOON, "{what} has not come true");
        context.sleep(Duration::from_millis(20)).await;
    }
}

/// A node as it runs.
pub(crate) struct Node<E: Clock> {
    pub(crate) network: SocketNetwork<E>,
    pub(crate) pool: Pool,
    pub(crate) tip: watch::Sender<Tip>,
    pub(crate) chain: TestChain,
    task: Handle<()>,
}

/// What a node is started with.
pub(crate) fn config(number: u16, listen: SocketAddr) -> NetworkConfig {
    NetworkConfig {
        node_key: private(number),
        chain: CHAIN,
        listen,
        bootnodes: Vec::new(),
        denied: None,
        limits: Limits::default(),
    }
}

impl<E: Runtime> Node<E> {
    /// Starts a node, in a task that can be aborted with everything that it started.
    pub(crate) async fn start(context: &E, name: &'static str, config: NetworkConfig) -> Self {
        let chain = TestChain::new();
        let pool = chain.pool(PoolConfig::default());
        let (tip, tip_receiver) = watch::channel(Tip::default());
        let (started, start) = oneshot::channel();
        let task = context.child(name).spawn({
            let pool = pool.clone();
            move |context| async move {
                let network = SocketNetwork::start(&context, config, pool, tip_receiver);
                started.send(network).expect("the test waits for it");
                pending::<()>().await;
            }
        });
        let network = start.await.expect("a network").expect("it starts");
        Self {
            network,
            pool,
            tip,
            chain,
            task,
        }
    }

    pub(crate) fn track(&mut self, primary: &Members, secondary: &Members) {
        let members = tracked(primary, secondary);
        let _ = self.network.roster.track(0, members);
    }

    pub(crate) fn peers(&self) -> &PeersHandle {
        &self.network.peers
    }

    pub(crate) fn peer(&self, number: u16) -> Option<PeerInfo> {
        let key = public(number);
        let mut peers = self.peers().peers().into_iter();
        peers.find(|peer| peer.key == key)
    }

    /// Why a peer was left.
    pub(crate) fn reason(&self, number: u16) -> Option<String> {
        Some(self.peer(number)?.blocked?.to_string())
    }

    /// Ends the node as if it was killed.
    pub(crate) async fn kill(self) {
        let Self { network, task, .. } = self;
        task.abort();
        drop(network);
        let _ = task.await;
    }
}

/// A peer that the test plays: it speaks the library's protocol, and beyond that what it likes.
pub(crate) struct Played<E: Clock> {
    number: u16,
    senders: Vec<lookup::Sender<PublicKey, E>>,
    receivers: Vec<lookup::Receiver<PublicKey>>,
    _network: Handle<()>,
}

impl<E: Runtime> Played<E> {
    pub(crate) fn start(
        context: &E,
        name: &'static str,
        number: u16,
        listen: SocketAddr,
        members: AddressableTrackedPeers<PublicKey>,
    ) -> Self {
        let handshake = Cups::<_, ChaCha20Poly1305>::new(
            Sake {
                signer: private(number),
                synchrony_bound: Duration::from_secs(30),
                max_handshake_age: Duration::from_secs(60),
                version: sake::Version::V1,
            },
            cups::Version::V1,
        );
        let mut config = lookup::Config::local(
            handshake,
            b"wattline",
            listen,
            NZUsize!(8),
            16 * 1024 * 1024,
            NZUsize!(1_024),
        );
        config.bypass_ip_check = true;
        let (mut network, mut oracle) = lookup::Network::new(context.child(name), config);
        let quota = Quota::per_second(NZU32!(1_000)).allow_burst(NZU32!(256));
        let (senders, receivers) = (0..8)
            .map(|channel| network.register(channel, quota))
            .unzip();
        let _ = oracle.track(0, members);
        Self {
            number,
            senders,
            receivers,
            _network: network.start(),
        }
    }

    pub(crate) fn send(&mut self, to: u16, channel: usize, message: Vec<u8>) {
        self.senders[channel].send(Recipients::One(public(to)), message, false);
    }

    pub(crate) async fn receive(&mut self, channel: usize) -> (PublicKey, Vec<u8>) {
        let (peer, message) = self.receivers[channel].recv().await.expect("a message");
        (peer, message.as_ref().to_vec())
    }

    /// Says that it is on the chain of the nodes.
    pub(crate) fn say(&mut self, context: &E, to: u16) {
        let status = Status {
            chain: CHAIN,
            tip: Tip::default(),
            time: millis(context),
        };
        self.send(to, 6, status.encode());
    }

    /// The same until they hear it.
    pub(crate) async fn introduce(&mut self, context: &E, node: &Node<E>, to: u16) {
        let number = self.number;
        let is_known = || node.peer(number).is_some_and(|peer| peer.status.is_some());
        while !is_known() {
            self.say(context, to);
            context.sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The runtime's clock.
pub(crate) fn millis<E: Clock>(context: &E) -> Millis {
    let since = context.current().duration_since(UNIX_EPOCH);
    Millis::from_epoch(since.expect("after the epoch"))
}
