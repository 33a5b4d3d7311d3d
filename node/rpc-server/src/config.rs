//! Where the server listens and whom it answers.

use std::{net::SocketAddr, path::PathBuf};

use alloy_rpc_types_engine::JwtSecret;

use crate::{Groups, ServerLimits};

/// Where the server listens, whom it answers and how much it gives to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address and port of both HTTP and WebSocket. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// Host names that requests may be addressed to, without port; `*` allows all. IP addresses
    /// are always allowed. Keeps a web page from reaching a local node through a name that it
    /// points at 127.0.0.1 (DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may read answers (CORS) and open WebSockets; `*` allows all.
    /// Clients that are not web pages send no origin and are not concerned.
    pub allowed_origins: Vec<String>,
    /// What is served over HTTP.
    pub http_api: Groups,
    /// What is served over WebSocket.
    pub ws_api: Groups,
    /// A second port, for those who have a secret; none: there is no such port.
    pub auth: Option<AuthConfig>,
    /// Where the Unix socket is; none: there is none.
    pub ipc_path: Option<PathBuf>,
    /// Limits. Connections are counted per listener.
    pub limits: ServerLimits,
}

impl ServerConfig {
    /// One port, which answers to `localhost` and IP addresses and to no web page.
    pub fn new(addr: SocketAddr, api: Groups) -> Self {
        Self {
            addr,
            allowed_hosts: vec!["localhost".to_owned()],
            allowed_origins: Vec::new(),
            http_api: api.clone(),
            ws_api: api,
            auth: None,
            ipc_path: None,
            limits: ServerLimits::default(),
        }
    }
}

/// A port that serves every method, over HTTP and WebSocket, to those who sign a JSON Web Token
/// with a secret that they share with the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Address and port. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// The secret.
    pub secret: JwtSecret,
    /// As [`ServerConfig::allowed_hosts`].
    pub allowed_hosts: Vec<String>,
}

impl AuthConfig {
    /// The defaults at an address: answers to `localhost` and IP addresses.
    pub fn new(addr: SocketAddr, secret: JwtSecret) -> Self {
        Self {
            addr,
            secret,
            allowed_hosts: vec!["localhost".to_owned()],
        }
    }
}
