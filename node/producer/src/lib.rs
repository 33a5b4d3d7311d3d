//! Builds and seals blocks on time.
//!
//! [`Producer::run`] follows the chain: on each new head, once the pool has seen it, it works out
//! whether and when its signer may seal the next block, and starts a worker that executes the
//! pool's best transactions while the period runs. The worker stops in time for the state root and
//! the commit, so that the block goes out on its slot however full it is. A new head cancels it.

mod config;
mod error;
mod estimate;
mod filler;
mod handle;
mod heads;
mod key;
mod metrics;
mod pace;
mod plan;
mod producer;
mod proposals;
mod worker;

pub use config::ProducerConfig;
pub use error::{ProducerError, ProposalError};
pub use handle::ProducerHandle;
pub use key::SignerKey;
pub use producer::Producer;
