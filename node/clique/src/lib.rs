//! Proof-of-authority rules: header checks, voting snapshots, turns and fork choice.
//!
//! EIP-225 (Clique) on top of present-day headers, with EIP-3436's fork choice. Everything here is
//! a pure function of its arguments: no clock, no disk, no network.

mod delay;
mod depth;
mod error;
pub mod fork_choice;
mod header;
mod json;
mod keeps_going;
mod layout;
mod seal;
mod snapshot;
mod time;

pub use delay::out_of_turn_delay;
pub use depth::{safe_number, settled_number};
pub use error::CliqueError;
pub use header::validate_header;
pub use keeps_going::keeps_going;
pub use layout::{ExtraData, NONCE_ADD, NONCE_DROP};
pub use seal::{SealError, recover_signer, seal, seal_hash};
pub use snapshot::{DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN, Snapshot, Tally, Vote};
pub use time::{MAX_FUTURE_SECONDS, validate_time};
