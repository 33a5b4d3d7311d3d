//! The chain: what is final stands in the database, what is not in memory above it.
//!
//! A block enters through [`Chain::execute`]: its header and body are checked, it is executed on its
//! parent's state, its roots are compared, and the result is kept in memory, where it may have
//! siblings and descendants. [`Chain::finalize`] stores a block and those before it in one database
//! transaction, drops what contradicts it, and tells the subscribers. What was final once stays.

mod chain;
mod error;
mod execute;
mod finalize;
mod metrics;
mod refused;
mod snapshots;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
mod tree;

pub use chain::Chain;
pub use error::ChainError;
pub use refused::RefusedBlock;
pub use tree::MAX_UNSTORED;
pub use wattline_primitives::CanonicalUpdate;
