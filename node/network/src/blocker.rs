//! Leaving a peer, for a reason that is named.
//!
//! The library blocks a key for a time without a word why. Whoever may block peers, the agreement's
//! parts included, gets a [`PeerBlocker`] that carries its reason into the log, the metrics and
//! what RPC tells of the peer.

use std::fmt;

use alloy_primitives::B256;
use commonware_actor::Feedback;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{BlockedSubscription, Blocker};
use tracing::warn;

use crate::{gossip::BatchError, metrics, peers::PeersHandle, status::StatusError};

/// Why a peer was left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The operator denies its key.
    #[error("its key is in this node's file of denied keys")]
    Denied,
    /// It follows another chain, or the same with another configuration.
    #[error(
        "it is on another chain: the hash of its genesis block and configuration is {theirs}, ours {ours}"
    )]
    WrongChain {
        /// The peer's.
        theirs: B256,
        /// This node's.
        ours: B256,
    },
    /// It sent a message that its channel does not carry.
    #[error("it sent {bytes} bytes on the channel of {channel}, which carries at most {limit}")]
    Oversized {
        /// The channel's name.
        channel: &'static str,
        /// Bytes of the message.
        bytes: usize,
        /// Most bytes of that channel.
        limit: usize,
    },
    /// It sent a status message that is none.
    #[error("it sent a malformed status message: {0}")]
    Status(#[from] StatusError),
    /// It sent a batch of transactions that is none.
    #[error("it sent a malformed batch of transactions: {0}")]
    Batch(#[from] BatchError),
    /// It keeps sending transactions that no node would have taken.
    #[error(
        "it sent {count} transactions that no node accepts, and fewer good ones: the last failed with \"{last}\""
    )]
    Junk {
        /// How many more bad ones than good ones.
        count: u32,
        /// Why the last one was refused.
        last: String,
    },
    /// It broke the agreement's rules, as the named part of it found. The log has the details in
    /// the line before.
    #[error("it broke the rules of the agreement ({0})")]
    Agreement(&'static str),
}

impl Reason {
    /// A short stable name of the reason, for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::WrongChain { .. } => "wrong_chain",
            Self::Oversized { .. } => "oversized",
            Self::Status(_) => "status",
            Self::Batch(_) => "batch",
            Self::Junk { .. } => "junk",
            Self::Agreement(part) => part,
        }
    }
}

/// Blocks peers, for the reason that it carries.
#[derive(Clone)]
pub struct PeerBlocker<B> {
    inner: B,
    peers: PeersHandle,
    reason: Reason,
}

impl<B> fmt::Debug for PeerBlocker<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerBlocker")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<B> PeerBlocker<B> {
    pub(crate) const fn new(inner: B, peers: PeersHandle) -> Self {
        Self {
            inner,
            peers,
            reason: Reason::Agreement("agreement"),
        }
    }

    /// The same for a part of the agreement, whose name becomes the reason.
    #[must_use]
    pub fn of(self, part: &'static str) -> Self {
        Self {
            reason: Reason::Agreement(part),
            ..self
        }
    }
}

impl<B: Blocker<PublicKey = PublicKey>> PeerBlocker<B> {
    /// Leaves a peer: its connection ends, and none begins for a while.
    pub fn leave(&mut self, peer: &PublicKey, reason: &Reason) -> Feedback {
        if *peer == self.peers.local().key {
            return Feedback::Ok;
        }
        let label = reason.label();
        if self.peers.block(peer, reason) {
            warn!(%peer, name = self.peers.name(peer), %reason, "left a peer");
            metrics::left(peer, label);
        }
        self.inner.block(peer.clone())
    }
}

impl<B: Blocker<PublicKey = PublicKey>> Blocker for PeerBlocker<B> {
    type PublicKey = PublicKey;

    fn block(&mut self, peer: PublicKey) -> Feedback {
        let reason = self.reason.clone();
        self.leave(&peer, &reason)
    }

    fn blocked(&mut self) -> BlockedSubscription<PublicKey> {
        self.inner.blocked()
    }
}
