//! What all methods share.
//!
//! | module | idea |
//! | --- | --- |
//! | [`agreement`] | what is asked of the agreement, and its answers |
//! | `backend` | what methods stand on: chain, pool, producer, workers, caches |
//! | `block_id` | from a block parameter to a canonical block |
//! | `bounded_json` | large answers within a limit |
//! | `cache` | what readers ask for again and again |
//! | `convert` | from the chain's types to Ethereum's JSON |
//! | [`error`] | every error a client can get, with geth's codes and words |
//! | `filters` | what clients poll, and how long it lives |
//! | `header` | a header with its time in milliseconds |
//! | [`peers`] | what is asked of the network, and its answers |
//! | `state` | the state that a block parameter names |
//! | `submission` | transactions on their way into the pool |

pub mod agreement;
pub(crate) mod backend;
pub(crate) mod block_id;
pub(crate) mod bounded_json;
pub(crate) mod cache;
pub(crate) mod convert;
pub mod error;
pub(crate) mod filters;
pub(crate) mod header;
pub mod peers;
pub(crate) mod state;
pub(crate) mod submission;
