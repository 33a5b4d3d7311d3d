//! JSON-RPC over HTTP, WebSocket and IPC.
//!
//! [`serve`] opens a port that speaks both HTTP and WebSocket and, as the operator likes, a second
//! one for those who have a secret, and a Unix socket. Each namespace of methods has a folder, with a
//! jsonrpsee trait per kind of question. What the methods are is described in `methods.json`.
//!
//! | module | idea |
//! | --- | --- |
//! | `admin`, `clique`, `debug`, `eth`, `net`, `rpc`, `trace`, `txpool`, `web3` | the methods, by namespace |
//! | `methods` | what each method is, as `methods.json` describes it, and the namespaces |
//! | `execution` | calls, imagined blocks, blocks executed again, their tracers and threads |
//! | [`shared`] | what all methods share: the node, block parameters, caches, conversion, errors |
//! | [`config`] | the operator's choices and limits |
//! | `middleware` | what happens around every call: metrics, limits, helpful errors |
//! | `gate` | who may talk to the server: hosts, origins and tokens |
//! | `metrics` | what the server counts |
//! | `backpressure` | clients that do not read what they asked for |
//! | `token` | tokens that are signed with the node's secret |
//! | `listener` | one listener: its socket, its connections and what it serves |
//! | `ipc`, `framing` | the Unix socket, and where a request on it ends |
//! | [`server`] | all listeners together: their start and their end |

mod admin;
mod backpressure;
mod clique;
pub mod config;
mod debug;
mod eth;
mod execution;
mod framing;
mod gate;
mod ipc;
mod listener;
mod methods;
mod metrics;
mod middleware;
mod net;
mod rpc;
pub mod server;
pub mod shared;
mod token;
mod trace;
mod txpool;
mod web3;

pub use alloy_rpc_types_engine::JwtSecret;
pub use config::{AuthConfig, RpcConfig, RpcLimits};
pub use methods::namespace::{Namespace, Namespaces, UnknownNamespace};
pub use server::{RpcServerError, RpcServerHandle, serve};
pub use shared::{backend::RpcContext, error::RpcError};
