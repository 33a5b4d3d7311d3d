//! Senders and receivers that count, and keep to their channel's size.
//!
//! The library bounds messages by one size for all channels, that of the largest block. Here every
//! channel gets its own, so that a peer cannot fill the small ones with large messages; and a
//! message of ours that is too large is refused and reported, where the library would panic.

mod meter;
mod receiver;
mod sender;

pub use receiver::Receiver;
pub use sender::{CheckedSender, Sender};

pub(crate) use meter::Meter;

/// A channel of the protocol. The numbers are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Votes of the agreement.
    Votes = 0,
    /// Certificates of the agreement.
    Certificates = 1,
    /// Certificates that were missed.
    Resolver = 2,
    /// Proposed blocks.
    Blocks = 3,
    /// Final blocks that were missed.
    Backfill = 4,
    /// Batches of transactions.
    Transactions = 5,
    /// Status messages.
    Status = 6,
    /// How far the votes of each node have come.
    Standings = 7,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Votes,
        Self::Certificates,
        Self::Resolver,
        Self::Blocks,
        Self::Backfill,
        Self::Transactions,
        Self::Status,
        Self::Standings,
    ];

    /// Its number on the wire.
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::Certificates => "certificates",
            Self::Resolver => "resolver",
            Self::Blocks => "blocks",
            Self::Backfill => "backfill",
            Self::Transactions => "transactions",
            Self::Status => "status",
            Self::Standings => "standings",
        }
    }
}
