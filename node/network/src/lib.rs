//! Authenticated peers and the transaction gossip.
