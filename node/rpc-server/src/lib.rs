//! Serves JSON-RPC methods over HTTP, WebSocket and IPC.
//!
//! [`serve`] takes methods, registered with jsonrpsee, and a [`MethodTable`] that says of each
//! what the server has to know. It opens a port that speaks both HTTP and WebSocket and, as the
//! operator likes, a second one for those who have a secret, and a Unix socket. What the methods
//! do is none of its business: there is no chain in here.
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | where the server listens and whom it answers |
//! | [`limits`] | how much of the server one client may take, as options of a command line |
//! | [`options`] | what options of limits have in common: sizes, times, counts and defaults |
//! | [`methods`] | what the server has to know of each method, and groups of methods |
//! | [`server`] | all listeners together: their start and their end |
//! | `listener` | one listener: its socket, its connections and what it serves |
//! | `listener::ipc`, `listener::framing` | the Unix socket, and where a request ends on it |
//! | `listener::backpressure` | clients that do not read what they asked for |
//! | `access` | who may talk to the server: hosts, origins and tokens |
//! | `access::token` | tokens that are signed with the node's secret |
//! | `calls` | what happens around every call: limits, batches, helpful errors, metrics |
//! | [`metrics`] | what the server counts |

mod access;
mod calls;
pub mod config;
pub mod limits;
mod listener;
pub mod methods;
pub mod metrics;
pub mod options;
pub mod server;

pub use alloy_rpc_types_engine::JwtSecret;
pub use config::{AuthConfig, ServerConfig};
pub use limits::ServerLimits;
pub use methods::{Groups, Method, MethodTable};
pub use server::{RpcServerError, RpcServerHandle, serve};

/// The code of a request beyond one of the limits (EIP-1474).
pub const LIMIT_EXCEEDED_CODE: i32 = -32005;
