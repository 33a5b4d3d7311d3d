//! The canonical chain: import, execution, commit, fork choice, reorganisation and notifications.
//!
//! A block enters through [`Chain::import`]: its body and header are checked, it is executed on
//! its parent's state, its roots are compared, and it is committed in one database transaction.
//! A block beside the canonical chain is stored and waits until its branch is preferable by
//! [`wattline_clique::fork_choice`]; then the chain reorganises to it, again in one transaction.

mod bad;
mod chain;
mod clock;
mod error;
mod execute;
mod import;
mod metrics;
mod reorganise;
mod side;
mod snapshots;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
mod waiting;

pub use bad::RefusedBlock;
pub use chain::Chain;
pub use clock::{Clock, SystemClock};
pub use error::ChainError;
pub use import::Imported;
pub use side::MIN_HISTORY;
pub use wattline_primitives::CanonicalUpdate;
