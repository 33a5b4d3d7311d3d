//! Authenticated peers and the transaction gossip.
//!
//! Only the node keys that the Consortium contract names connect, over encrypted and authenticated
//! TCP (`commonware-p2p`). The agreement gets its channels and tells who the members are; status
//! messages and transactions are handled here.
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | what the operator and the chain set, and the limits of every channel |
//! | [`network`] | starting all of it |
//! | [`key`], [`address`] | node keys, addresses and bootnodes as text |
//! | [`channel`] | senders and receivers that count, and keep to their channel's size |
//! | [`roster`] | who may connect and where they are dialled |
//! | [`blocker`] | leaving a peer, for a reason that is named |
//! | [`deny`] | a file of keys that an operator wants out at once |
//! | [`peers`] | what is known about each peer, for whoever asks |
//! | [`status`] | what peers tell each other of themselves every few seconds |
//! | [`gossip`] | transactions, in batches, once per peer, and never back |
//!
//! Everything is generic over commonware's runtime, so that it runs on real sockets and in
//! deterministic tests alike: no task, timer or thread here is tokio's.

pub mod address;
pub mod blocker;
pub mod channel;
pub mod config;
pub mod deny;
pub mod error;
pub mod gossip;
pub mod key;
mod metrics;
pub mod network;
pub mod peers;
pub mod roster;
pub mod status;

pub use address::Bootnode;
pub use blocker::{PeerBlocker, Reason};
pub use channel::Channel;
pub use config::{ChannelLimit, Limits, NetworkConfig};
pub use error::NetworkError;
pub use network::{Channels, Network, Runtime, SocketNetwork, Transport, claim_address};
pub use peers::{PeerInfo, PeersHandle, Role, Tip};
pub use roster::Roster;
