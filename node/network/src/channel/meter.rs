//! What one channel carries, counted for the channel and for each peer.

use commonware_cryptography::ed25519::PublicKey;
use metrics::Counter;

use super::Channel;
use crate::{metrics as names, peers::PeersHandle};

/// Counts what one channel carries.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) channel: Channel,
    /// Bytes of the largest message.
    pub(crate) limit: usize,
    peers: PeersHandle,
    sent: Counter,
    received: Counter,
}

impl Meter {
    pub(crate) fn new(channel: Channel, limit: usize, peers: PeersHandle) -> Self {
        Self {
            channel,
            limit,
            peers,
            sent: names::channel_sent(channel),
            received: names::channel_received(channel),
        }
    }

    pub(super) fn sent(&self, recipients: &[PublicKey], bytes: usize) {
        let bytes = bytes as u64;
        self.sent.increment(bytes * recipients.len() as u64);
        self.peers.count_sent(recipients, bytes);
    }

    pub(super) fn received(&self, peer: &PublicKey, bytes: usize) {
        let bytes = bytes as u64;
        self.received.increment(bytes);
        self.peers.count_received(peer, bytes);
    }
}
