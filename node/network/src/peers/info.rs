//! What is told about a peer.

use std::net::SocketAddr;

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Ingress;
use wattline_primitives::Millis;

use crate::Reason;

/// How far a node has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The number of its last final block.
    pub number: u64,
    /// The hash of that block.
    pub hash: B256,
    /// The highest number that a certificate it holds makes final. Never below `number`.
    pub certified: u64,
}

/// What a member of the consortium does in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// In the committee of the newest epoch: everybody connects to it.
    Primary,
    /// Any other member: it connects to the committee.
    Secondary,
}

/// What a peer said of itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// How far it has come.
    pub tip: Tip,
    /// By how many milliseconds its clock is ahead of ours, the way of the message included.
    pub clock_ahead: i64,
}

/// What was sent to and received from a peer since it became known, encryption not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes to the peer.
    pub sent_bytes: u64,
    /// Messages to the peer.
    pub sent_messages: u64,
    /// Bytes from the peer.
    pub received_bytes: u64,
    /// Messages from the peer.
    pub received_messages: u64,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its node key.
    pub key: PublicKey,
    /// Its name in the Consortium contract.
    pub name: Option<String>,
    /// Its part in the newest epoch; none when it is in no set any more, or not yet.
    pub role: Option<Role>,
    /// Where it is dialled.
    pub address: Option<Ingress>,
    /// Since when it is connected.
    pub connected_since: Option<Millis>,
    /// What it said of itself last, at most 15 seconds ago.
    pub status: Option<PeerStatus>,
    /// What went to and fro.
    pub traffic: Traffic,
    /// Why it was left, if it is.
    pub blocked: Option<Reason>,
}

/// This node, as its peers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    /// Its node key.
    pub key: PublicKey,
    /// The hash of genesis block and configuration.
    pub chain: B256,
    /// Where it listens for peers.
    pub listen: SocketAddr,
}
