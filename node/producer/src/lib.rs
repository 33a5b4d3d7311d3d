//! Builds and seals blocks on time.
//!
//! [`Producer::build`] works out whether its signer may seal a block on a given parent, executes
//! the pool's best transactions while the period runs, and stops in time for the roots and the
//! seal, so that the block goes out on its slot however full it is. While nothing waits in the pool
//! the block is put off until the idle period ends or a transaction comes. All waiting is that of
//! the runtime it is given, and all heavy work is done on that runtime's blocking threads.

mod build;
mod config;
mod error;
mod estimate;
mod fill;
mod handle;
mod key;
mod metrics;
mod pace;
mod plan;
mod producer;
mod proposals;
mod seal;
mod time;

pub use config::ProducerConfig;
pub use error::{Declined, ProducerError, ProposalError};
pub use handle::ProducerHandle;
pub use key::SignerKey;
pub use producer::Producer;
