//! Starting all of it.

use std::{
    collections::BTreeMap,
    fmt,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
};

use commonware_cryptography::{
    ChaCha20Poly1305, Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender, authenticated::lookup};
use commonware_runtime::{Clock, Handle, Metrics, Quota, Resolver, Spawner};
use commonware_stream::{
    SakeCups,
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::NZUsize;
use rand_core::CryptoRng;
use tokio::sync::watch;
use tracing::{error, info};
use wattline_pool::Pool;

use crate::{
    blocker::PeerBlocker,
    channel::{self, Channel, Meter},
    config::{ChannelLimit, Limits, NetworkConfig},
    deny::DenyList,
    error::NetworkError,
    gossip::Gossip,
    peers::{PeersHandle, Tip},
    roster::Roster,
    status::Statuses,
};

/// Separates the handshakes of this protocol from those of any other.
const NAMESPACE: &[u8] = b"wattline";
/// How many messages an actor of the library may have waiting.
const MAILBOX: NonZeroUsize = NZUsize!(1_024);

/// What the network needs of commonware's runtime: the real one on tokio, or the deterministic one.
pub trait Runtime:
    Spawner + Clock + CryptoRng + commonware_runtime::Network + Resolver + Metrics
{
}

impl<E: Spawner + Clock + CryptoRng + commonware_runtime::Network + Resolver + Metrics> Runtime
    for E
{
}

type Handshake = SakeCups<PrivateKey, ChaCha20Poly1305>;
type Oracle = lookup::Oracle<PublicKey>;
/// Both ends of a channel over the library's `S`, `R` and blocker `B`.
pub type Pair<S, R, B> = (channel::Sender<S>, channel::Receiver<R, B>);

/// The channels of the agreement.
pub struct Channels<S, R, B> {
    /// Votes, with the prefix of their epoch.
    pub votes: Pair<S, R, B>,
    /// Certificates, with the prefix of their epoch.
    pub certificates: Pair<S, R, B>,
    /// Certificates that were missed, with the prefix of their epoch.
    pub resolver: Pair<S, R, B>,
    /// Proposed blocks.
    pub blocks: Pair<S, R, B>,
    /// Final blocks that were missed.
    pub backfill: Pair<S, R, B>,
    /// How far the votes of each node have come.
    pub standings: Pair<S, R, B>,
}

/// A network that runs. Nobody connects until the agreement has told the roster who the members are.
pub struct Network<S, R, M, B> {
    /// For the agreement.
    pub channels: Channels<S, R, B>,
    /// Takes the members of each epoch.
    pub roster: Roster<M>,
    /// Leaves peers that break the agreement's rules.
    pub blocker: PeerBlocker<B>,
    /// What is known about the peers.
    pub peers: PeersHandle,
    /// Ends when a part of the network has: the node cannot go on then.
    pub ended: Handle<()>,
}

/// A network over sockets.
pub type SocketNetwork<E> =
    Network<lookup::Sender<PublicKey, E>, lookup::Receiver<PublicKey>, Oracle, Oracle>;

/// What connects with the peers: the library's sockets in a node, its simulated network in a test.
#[derive(Debug)]
pub struct Transport<C, M, B> {
    /// Opens a channel, by its number and limit.
    pub open: C,
    /// Is told who may connect.
    pub members: M,
    /// Is told who may not for a while.
    pub blocker: B,
}

impl<S, R, M, B> fmt::Debug for Network<S, R, M, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

/// Makes sure that this machine can listen on an address, and tells which port it gives for port 0.
/// The network would panic where it cannot listen.
///
/// # Errors
/// The address is taken, or is not this machine's.
pub fn claim_address(address: SocketAddr) -> Result<SocketAddr, NetworkError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| NetworkError::Listen { address, source })
}

impl<E: Runtime> SocketNetwork<E> {
    /// Starts listening, and passing on the transactions of `pool`. Peers are told how far this node
    /// is by what `tip` holds.
    ///
    /// # Errors
    /// The file of denied keys is bad, or messages are too large for the library.
    pub fn start(
        context: &E,
        config: NetworkConfig,
        pool: Pool,
        tip: watch::Receiver<Tip>,
    ) -> Result<Self, NetworkError> {
        let library = library(&config)?;
        let listen = config.listen;
        let (mut network, oracle) = lookup::Network::new(context.child("network"), library);
        let transport = Transport {
            open: |channel: Channel, limit: ChannelLimit| {
                network.register(channel.number(), limit.quota())
            },
            members: oracle.clone(),
            blocker: oracle,
        };
        let mut this = Self::over(context, config, pool, tip, transport)?;
        let parts = [("connections", network.start()), ("exchange", this.ended)];
        info!(key = %this.peers.local().key, %listen, "waiting for peers");
        this.ended = context.child("supervisor").spawn(|_| any_ends(parts));
        Ok(this)
    }
}

impl<S, R, M, B> Network<S, R, M, B>
where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    M: AddressableManager<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey> + Sync,
{
    /// Starts all but the connections themselves, which `transport` stands for.
    ///
    /// # Errors
    /// The file of denied keys is bad.
    pub fn over<E: Spawner + Clock>(
        context: &E,
        config: NetworkConfig,
        pool: Pool,
        tip: watch::Receiver<Tip>,
        transport: Transport<impl FnMut(Channel, ChannelLimit) -> (S, R), M, B>,
    ) -> Result<Self, NetworkError> {
        let Transport {
            mut open,
            members,
            blocker,
        } = transport;
        let limits = config.limits;
        let peers = PeersHandle::new(config.node_key.public_key(), config.chain, config.listen);
        let blocker = PeerBlocker::new(blocker, peers.clone());
        let deny = DenyList::open(config.denied, peers.clone(), blocker.clone())?;
        let roster = Roster::new(
            members,
            config.bootnodes,
            deny.denied(),
            peers.clone(),
            limits.max_peers,
        );

        let mut register = |channel: Channel| {
            let limit = limits.of(channel);
            let (sender, receiver) = open(channel, limit);
            let meter = Meter::new(channel, limit.bytes, peers.clone());
            (
                channel::Sender::new(sender, meter.clone()),
                channel::Receiver::new(receiver, meter, blocker.clone()),
            )
        };
        let channels = Channels {
            votes: register(Channel::Votes),
            certificates: register(Channel::Certificates),
            resolver: register(Channel::Resolver),
            blocks: register(Channel::Blocks),
            backfill: register(Channel::Backfill),
            standings: register(Channel::Standings),
        };
        let transactions = register(Channel::Transactions);
        let (sender, receiver) = register(Channel::Status);

        let gossip = Gossip::new(pool, transactions, blocker.clone(), peers.clone());
        let statuses = Statuses {
            sender,
            receiver,
            blocker: blocker.clone(),
            peers: peers.clone(),
            tip,
            foreign: BTreeMap::new(),
        };
        let parts = [
            (
                "denied keys",
                context.child("deny").spawn(|context| deny.run(context)),
            ),
            (
                "status",
                context
                    .child("status")
                    .spawn(|context| statuses.run(context)),
            ),
            (
                "gossip",
                context.child("gossip").spawn(|context| gossip.run(context)),
            ),
        ];
        let ended = context.child("exchange").spawn(|_| any_ends(parts));
        Ok(Self {
            channels,
            roster,
            blocker,
            peers,
            ended,
        })
    }
}

/// Waits until one of the parts ends, which none does before the node stops unless it fails.
async fn any_ends<const N: usize>(parts: [(&'static str, Handle<()>); N]) {
    let parts = parts.map(|(name, handle)| Box::pin(async move { (name, handle.await) }));
    let ((name, result), ..) = futures::future::select_all(parts).await;
    if let Err(error) = result {
        error!(part = name, %error, "a part of the network has failed");
    }
}

/// The library's configuration.
fn library(config: &NetworkConfig) -> Result<lookup::Config<Handshake>, NetworkError> {
    let limits: &Limits = &config.limits;
    let bytes = limits.max_message_bytes();
    let limit = lookup::max_size::<Handshake>();
    let max_message_size = u32::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes <= limit)
        .ok_or(NetworkError::MessageSize { bytes, limit })?;
    let handshake = Cups::new(
        Sake {
            signer: config.node_key.clone(),
            synchrony_bound: limits.clock_ahead,
            max_handshake_age: limits.handshake_age,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let mut library = lookup::Config::local(
        handshake,
        NAMESPACE,
        config.listen,
        limits.max_peers,
        max_message_size,
        MAILBOX,
    );
    // Keys say who a peer is. Its address may be a name, behind a NAT, or in a private network.
    library.bypass_ip_check = true;
    library.allow_private_ips = true;
    library.allow_dns = true;
    library.tracked_peer_sets = limits.peer_sets;
    library.peer_connection_cooldown = limits.reconnect_after;
    library.dial_frequency = limits.dial_every;
    library.ping_frequency = limits.ping_every;
    library.block_duration = limits.block_for;
    library.allowed_handshake_rate_per_ip = Quota::per_second(limits.handshakes_per_second);
    Ok(library)
}
