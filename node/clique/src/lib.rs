//! Proof-of-authority rules: header checks, voting snapshots and turns.
//!
//! EIP-225 (Clique) on top of present-day headers. Everything here is a pure function of its
//! arguments: no clock, no disk, no network.

mod error;
mod header;
mod json;
mod keeps_going;
mod layout;
mod seal;
mod snapshot;

pub use error::CliqueError;
pub use header::validate_header;
pub use keeps_going::keeps_going;
pub use layout::{ExtraData, NONCE_ADD, NONCE_DROP};
pub use seal::{SealError, recover_signer, seal, seal_hash};
pub use snapshot::{DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN, Snapshot, Tally, Vote};
