//! The operator's choices.

use std::net::SocketAddr;

use wattline_rpc_server::ServerConfig;

use crate::{Namespaces, RpcLimits};

/// Where the server listens and whom it answers, and what its methods may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcConfig {
    /// The listeners.
    pub server: ServerConfig,
    /// What `web3_clientVersion` answers, for example `wattline/v0.1.0/linux-x86_64`.
    pub client_version: String,
    /// Limits of the methods, for all clients together where they count what is at work at once.
    pub limits: RpcLimits,
}

impl RpcConfig {
    /// The defaults at an address: answers to `localhost` and IP addresses, to no web page, what
    /// anybody may be let use.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            server: ServerConfig::new(addr, Namespaces::PUBLIC.into()),
            client_version: format!(
                "wattline/v{}/{}-{}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            limits: RpcLimits::default(),
        }
    }
}
