//! The ways to the other nodes.

/// The channels of the agreement, each a sender and a receiver.
#[derive(Debug)]
pub struct Channels<S, R> {
    /// Votes, one subchannel per epoch.
    pub votes: (S, R),
    /// Certificates of votes, one subchannel per epoch.
    pub certificates: (S, R),
    /// Requests for certificates of earlier views, one subchannel per epoch.
    pub resolver: (S, R),
    /// Blocks that are proposed.
    pub blocks: (S, R),
    /// Requests for blocks that are missing.
    pub backfill: (S, R),
    /// How far the votes of each node have come, for those whose votes may be lost.
    pub standings: (S, R),
}
