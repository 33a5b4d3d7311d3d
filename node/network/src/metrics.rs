//! What an operator sees of the network.

use std::collections::BTreeSet;

use alloy_primitives::hex;
use commonware_cryptography::ed25519::PublicKey;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use parking_lot::Mutex;

use crate::channel::Channel;

/// Most peers with metrics of their own. The consortium names its members, so there are few; but
/// metrics stay for as long as the process does, and members may change for ever.
const MAX_PEER_LABELS: usize = 256;

/// The peers that have metrics of their own.
static LABELLED: Mutex<BTreeSet<PublicKey>> = Mutex::new(BTreeSet::new());

/// Gives the metrics their descriptions.
pub(crate) fn describe() {
    describe_gauge!(
        "wattline_network_peers",
        "Peers that are connected and follow this chain"
    );
    describe_gauge!(
        "wattline_network_peers_blocked",
        "Peers that were left for now"
    );
    describe_counter!(
        "wattline_network_peers_left_total",
        "Peers that were left, by peer and reason"
    );
    describe_gauge!(
        "wattline_network_peer_head",
        "The last final block of each peer"
    );
    describe_gauge!(
        "wattline_network_peer_name",
        "1 for the name that the Consortium contract has for a node, 0 for one that it had"
    );
    describe_counter!(
        "wattline_network_sent_bytes_total",
        "Bytes sent to each peer"
    );
    describe_counter!(
        "wattline_network_received_bytes_total",
        "Bytes received from each peer"
    );
    describe_counter!(
        "wattline_network_channel_sent_bytes_total",
        "Bytes sent on each channel"
    );
    describe_counter!(
        "wattline_network_channel_received_bytes_total",
        "Bytes received on each channel"
    );
    describe_gauge!(
        "wattline_network_clock_offset_seconds",
        "By how much the clocks of the committee are ahead of this node's, in the median"
    );
    describe_gauge!(
        "wattline_network_denied_keys",
        "Keys in the file of denied keys"
    );
    describe_counter!(
        "wattline_network_denied_errors_total",
        "Changes of the file of denied keys that could not be read"
    );
    describe_counter!(
        "wattline_network_transactions_sent_total",
        "Transactions sent to peers, counted once for each peer"
    );
    describe_counter!(
        "wattline_network_transactions_received_total",
        "Transactions from peers, by what became of them"
    );
}

/// The label of a peer: enough of its key to find it.
pub(crate) fn peer_label(key: &PublicKey) -> String {
    let mut labelled = LABELLED.lock();
    if !labelled.contains(key) {
        if labelled.len() >= MAX_PEER_LABELS {
            return "other".to_owned();
        }
        labelled.insert(key.clone());
    }
    let key: &[u8] = key.as_ref();
    hex::encode(key.get(..8).unwrap_or(key))
}

pub(crate) fn peers(present: usize, blocked: usize) {
    gauge!("wattline_network_peers").set(present as f64);
    gauge!("wattline_network_peers_blocked").set(blocked as f64);
}

pub(crate) fn left(key: &PublicKey, reason: &'static str) {
    let peer = peer_label(key);
    counter!("wattline_network_peers_left_total", "peer" => peer, "reason" => reason).increment(1);
}

pub(crate) fn peer_head(label: &str) -> Gauge {
    gauge!("wattline_network_peer_head", "peer" => label.to_owned())
}

pub(crate) fn peer_name(key: &PublicKey, name: &str, is_current: bool) {
    let peer = peer_label(key);
    gauge!("wattline_network_peer_name", "peer" => peer, "name" => name.to_owned())
        .set(f64::from(u8::from(is_current)));
}

pub(crate) fn peer_sent(label: &str) -> Counter {
    counter!("wattline_network_sent_bytes_total", "peer" => label.to_owned())
}

pub(crate) fn peer_received(label: &str) -> Counter {
    counter!("wattline_network_received_bytes_total", "peer" => label.to_owned())
}

pub(crate) fn channel_sent(channel: Channel) -> Counter {
    counter!("wattline_network_channel_sent_bytes_total", "channel" => channel.name())
}

pub(crate) fn channel_received(channel: Channel) -> Counter {
    counter!("wattline_network_channel_received_bytes_total", "channel" => channel.name())
}

pub(crate) fn clock_offset(milliseconds: i64) {
    gauge!("wattline_network_clock_offset_seconds").set(milliseconds as f64 / 1_000.0);
}

pub(crate) fn denied(keys: usize) {
    gauge!("wattline_network_denied_keys").set(keys as f64);
}

pub(crate) fn denied_error() {
    counter!("wattline_network_denied_errors_total").increment(1);
}

pub(crate) fn transactions_sent(count: usize) {
    counter!("wattline_network_transactions_sent_total").increment(count as u64);
}

pub(crate) fn transactions_received(outcome: &'static str, count: usize) {
    counter!("wattline_network_transactions_received_total", "outcome" => outcome)
        .increment(count as u64);
}
