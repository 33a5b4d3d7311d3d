//! JSON-RPC over HTTP, WebSocket and IPC.
//!
//! [`serve`] opens a port that speaks both HTTP and WebSocket and, as the operator likes, a second
//! one for those who have a secret, and a Unix socket. Every method is in the file of its namespace, as a
//! jsonrpsee trait, so that a namespace grows without touching another:
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | the operator's choices and limits |
//! | [`error`] | every error a client can get, with geth's codes and words |
//! | `node` | what all methods share: chain, pool, producer, workers |
//! | `block_id` | from a block parameter to a canonical block |
//! | `cache` | what readers ask for again and again |
//! | `convert` | from the chain's types to Ethereum's JSON |
//! | `intake` | the way of transactions into the pool |
//! | `workers` | bounded threads for reading and executing |
//! | `filters` | what clients poll, and how long it lives |
//! | `simulation` | executing on the state of a block without leaving a trace |
//! | `replay` | executing a block of the chain again |
//! | `tracer` | tracers that end in time and stay small |
//! | `answer` | large answers within a limit |
//! | `debug`, `trace` | looking into the execution of transactions, as geth and as Parity show it |
//! | `simulated` | blocks that are only imagined, on top of the chain |
//! | `eth`, `net`, `web3`, `clique`, `txpool`, `admin`, `rpc` | the methods, by namespace |
//! | `middleware` | what happens around every call: metrics, limits, helpful errors |
//! | `methods` | what each method is, as `methods.json` describes it |
//! | `namespace` | groups of methods that a listener serves or not |
//! | `gate` | who may talk to the server: hosts, origins and tokens |
//! | `metrics` | what the server counts |
//! | `backpressure` | clients that do not read what they asked for |
//! | `token` | tokens that are signed with the node's secret |
//! | `listener` | one listener: its socket, its connections and what it serves |
//! | `ipc`, `framing` | the Unix socket, and where a request on it ends |
//! | [`server`] | all listeners together: their start and their end |

mod admin;
mod answer;
mod backpressure;
mod block_id;
mod cache;
mod clique;
pub mod config;
mod convert;
mod debug;
pub mod error;
mod eth;
mod filters;
mod framing;
mod gate;
mod intake;
mod ipc;
mod listener;
mod methods;
mod metrics;
mod middleware;
mod namespace;
mod net;
mod node;
mod replay;
mod rpc;
pub mod server;
mod simulated;
mod simulation;
mod token;
mod trace;
mod tracer;
mod txpool;
mod web3;
mod workers;

pub use alloy_rpc_types_engine::JwtSecret;
pub use config::{AuthConfig, RpcConfig, RpcLimits};
pub use error::RpcError;
pub use namespace::{Namespace, Namespaces, UnknownNamespace};
pub use node::RpcContext;
pub use server::{RpcServerError, RpcServerHandle, serve};
