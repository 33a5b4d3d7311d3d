//! Executing for readers: calls, imagined blocks and blocks of the chain again, within limits.
//!
//! | module | idea |
//! | --- | --- |
//! | `call` | calls on the state of a block, without leaving a trace |
//! | `blocks` | blocks that are only imagined, on top of one that the chain has |
//! | `replay` | blocks of the chain, executed again |
//! | `tracer` | tracers that end in time and stay small |
//! | `watchdog` | the inspector that ends what takes too long |
//! | `workers` | bounded threads for reading and executing |

pub(crate) mod blocks;
pub(crate) mod call;
pub(crate) mod replay;
pub(crate) mod tracer;
mod watchdog;
pub(crate) mod workers;
