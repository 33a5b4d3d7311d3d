//! Bytes and messages to and from one peer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::Counter;

use super::Traffic;
use crate::metrics as names;

#[derive(Debug)]
pub(super) struct Counted {
    sent_bytes: AtomicU64,
    sent_messages: AtomicU64,
    received_bytes: AtomicU64,
    received_messages: AtomicU64,
    sent: Counter,
    received: Counter,
}

impl Counted {
    pub(super) fn new(label: &str) -> Self {
        Self {
            sent_bytes: AtomicU64::new(0),
            sent_messages: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            received_messages: AtomicU64::new(0),
            sent: names::peer_sent(label),
            received: names::peer_received(label),
        }
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Relaxed);
        self.sent_messages.fetch_add(1, Relaxed);
        self.sent.increment(bytes);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received_bytes.fetch_add(bytes, Relaxed);
        self.received_messages.fetch_add(1, Relaxed);
        self.received.increment(bytes);
    }

    pub(super) fn snapshot(&self) -> Traffic {
        Traffic {
            sent_bytes: self.sent_bytes.load(Relaxed),
            sent_messages: self.sent_messages.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            received_messages: self.received_messages.load(Relaxed),
        }
    }
}
