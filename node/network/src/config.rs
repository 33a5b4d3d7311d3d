//! What the operator and the chain set, and the limits of every channel.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PrivateKey;
use commonware_runtime::Quota;
use commonware_utils::{NZU32, NZUsize};

use crate::{address::Bootnode, channel::Channel, gossip::MAX_BATCH_BYTES};

const MIB: usize = 1024 * 1024;
const KIB: usize = 1024;

/// What the operator and the chain set.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// By which the other nodes know this one.
    pub node_key: PrivateKey,
    /// The hash of genesis block and configuration. Peers of another chain are left.
    pub chain: B256,
    /// Where to listen for peers. The library panics where it cannot, so
    /// [`claim_address`](crate::claim_address) it first.
    pub listen: SocketAddr,
    /// Peers whose addresses the operator knows better than the chain.
    pub bootnodes: Vec<Bootnode>,
    /// The file of denied keys. It need not exist yet.
    pub denied: Option<PathBuf>,
    /// What peers may do.
    pub limits: Limits,
}

/// How much one peer may send, and be sent, on one channel.
///
/// A flood waits in the sender's own connection and delays nobody else. What a channel holds for a
/// node that does not keep up is `burst` messages of every peer that may be connected, so `burst`
/// times `bytes` is to be moderate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimit {
    /// Messages in a second, on average.
    pub per_second: NonZeroU32,
    /// Messages at once.
    pub burst: NonZeroU32,
    /// Bytes of the largest message. Whoever sends a larger one is left.
    pub bytes: usize,
}

impl ChannelLimit {
    const fn new(per_second: NonZeroU32, burst: NonZeroU32, bytes: usize) -> Self {
        Self {
            per_second,
            burst,
            bytes,
        }
    }

    /// As the library counts it.
    pub const fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// What peers may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Votes of the agreement, with the prefix of their epoch.
    pub votes: ChannelLimit,
    /// Certificates of the agreement, with the prefix of their epoch.
    pub certificates: ChannelLimit,
    /// Requests for certificates that are missing, and the answers.
    pub resolver: ChannelLimit,
    /// Proposed blocks.
    pub blocks: ChannelLimit,
    /// Requests for final blocks that are missing, and the answers.
    pub backfill: ChannelLimit,
    /// Batches of transactions.
    pub transactions: ChannelLimit,
    /// Status messages. Four a second are spent on noticing who is connected.
    pub status: ChannelLimit,
    /// How far the votes of each node have come: two questions a second, and as many answers.
    pub standings: ChannelLimit,
    /// Most nodes in one epoch's set, this one included.
    pub max_peers: NonZeroUsize,
    /// How many epochs' sets stay connected.
    pub peer_sets: NonZeroUsize,
    /// Attempts to connect that one IP address may make in a second.
    pub handshakes_per_second: NonZeroU32,
    /// Least time between two connections with the same peer.
    pub reconnect_after: Duration,
    /// Time between two attempts to connect with anybody.
    pub dial_every: Duration,
    /// Time after which a silent connection is probed.
    pub ping_every: Duration,
    /// How long a peer that misbehaved is not spoken to.
    pub block_for: Duration,
    /// How far the clock of a peer that connects may be ahead.
    pub clock_ahead: Duration,
    /// How old the first message of a peer that connects may be.
    pub handshake_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let often = |bytes| ChannelLimit::new(NZU32!(128), NZU32!(32), bytes);
        Self {
            votes: often(4 * KIB),
            certificates: often(32 * KIB),
            resolver: often(64 * KIB),
            blocks: ChannelLimit::new(NZU32!(16), NZU32!(4), 8 * MIB + 4 * KIB),
            backfill: ChannelLimit::new(NZU32!(256), NZU32!(16), 8 * MIB + 64 * KIB),
            transactions: ChannelLimit::new(NZU32!(64), NZU32!(8), MAX_BATCH_BYTES),
            status: ChannelLimit::new(NZU32!(8), NZU32!(8), KIB),
            standings: ChannelLimit::new(NZU32!(8), NZU32!(8), KIB),
            max_peers: NZUsize!(128),
            peer_sets: NZUsize!(3),
            handshakes_per_second: NZU32!(16),
            reconnect_after: Duration::from_secs(1),
            dial_every: Duration::from_millis(100),
            ping_every: Duration::from_secs(5),
            block_for: Duration::from_secs(60 * 60),
            clock_ahead: Duration::from_secs(30),
            handshake_age: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// The limit of one channel.
    pub const fn of(&self, channel: Channel) -> ChannelLimit {
        match channel {
            Channel::Votes => self.votes,
            Channel::Certificates => self.certificates,
            Channel::Resolver => self.resolver,
            Channel::Blocks => self.blocks,
            Channel::Backfill => self.backfill,
            Channel::Transactions => self.transactions,
            Channel::Status => self.status,
            Channel::Standings => self.standings,
        }
    }

    /// Bytes of the largest message of all channels.
    pub(crate) fn max_message_bytes(&self) -> usize {
        let bytes = Channel::ALL.map(|channel| self.of(channel).bytes);
        bytes.into_iter().fold(0, usize::max)
    }
}
