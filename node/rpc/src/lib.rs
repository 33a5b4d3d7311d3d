//! The methods of JSON-RPC.
//!
//! [`serve`] hands them to `wattline-rpc-server`, which has the listeners. Each namespace of
//! methods has a folder, with a jsonrpsee trait per kind of question. What the methods are is
//! described in `methods.json`.
//!
//! | module | idea |
//! | --- | --- |
//! | `admin`, `clique`, `consensus`, `debug`, `eth`, `net`, `rpc`, `trace`, `txpool`, `web3` | the methods, by namespace |
//! | `methods` | what each method is, as `methods.json` describes it, and the namespaces |
//! | `execution` | calls, imagined blocks, blocks executed again, their tracers and threads |
//! | [`shared`] | what all methods share: the node, block parameters, caches, conversion, errors |
//! | [`config`] | what the operator chooses |
//! | [`limits`] | how much one request may take, as options of a command line |
//! | [`server`] | the methods, handed to the server |

mod admin;
mod clique;
pub mod config;
mod consensus;
mod debug;
mod eth;
mod execution;
pub mod limits;
mod methods;
mod net;
mod rpc;
pub mod server;
pub mod shared;
mod trace;
mod txpool;
mod web3;

pub use config::RpcConfig;
pub use limits::RpcLimits;
pub use methods::namespace::{Namespace, Namespaces, UnknownNamespace};
pub use server::{StartError, serve};
pub use shared::{agreement, backend::RpcContext, error::RpcError, peers};
