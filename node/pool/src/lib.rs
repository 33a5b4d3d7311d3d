//! Transactions that wait for a block.
//!
//! A transaction enters through [`Pool::add`]: its form is checked, its sender recovered, its
//! nonce, funds, gas and permission compared with the state at the head, and the disk has it in
//! the journal before the caller hears that it was accepted. It leaves when a block holds it,
//! when the chain has made it impossible, when a better one takes its place, or, if it cannot
//! be executed, when it has waited too long. [`Pool::follow`] takes the chain's news, and
//! [`Pool::maintain`] calls it for as long as a node runs; who builds blocks only reads. What peers
//! pass on enters through [`Pool::add_remote`], and what is to be passed on to them comes out of
//! [`Pool::subscribe`].
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | limits and choices of the operator |
//! | [`error`] | why a transaction was refused, in the words that wallets know |
//! | [`transaction`] | one waiting transaction and what the pool knows about it |
//! | `validate` | the rules one transaction must meet, with and without state |
//! | `sender` | the transactions of one sender, by nonce |
//! | `evict` | who has to go when the pool is full |
//! | `waiting` | all waiting transactions in memory: insertion, replacement, limits |
//! | [`best`] | the order in which a block takes them |
//! | [`journal`] | what a restart needs to bring them back |
//! | [`pool`] | the public face, tying state, memory and journal together |
//! | `test_utils` | chains and transactions for tests (feature `test-utils`) |

pub mod best;
pub mod config;
pub mod error;
mod evict;
pub mod journal;
mod metrics;
pub mod pool;
mod sender;
#[cfg(feature = "test-utils")]
pub mod test_utils;
#[cfg(test)]
mod testing;
pub mod transaction;
mod validate;
mod waiting;

pub use best::{BestTransactions, Progress};
pub use config::PoolConfig;
pub use error::PoolError;
pub use pool::{MaintainError, Pool, PoolContent, PoolStatus, ReplayReport, TimeSource};
pub use transaction::{Origin, PooledTransaction};
