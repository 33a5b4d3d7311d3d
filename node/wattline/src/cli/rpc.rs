//! How JSON-RPC is served: the listeners, whom they answer and with what.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use wattline_rpc::{Namespaces, RpcConfig, RpcLimits};
use wattline_rpc_server::{AuthConfig, ServerLimits};

use crate::jwt;

/// The socket in the data directory.
const SOCKET: &str = "wattline.ipc";

/// Options of JSON-RPC.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "JSON-RPC")]
pub(crate) struct RpcArgs {
    /// Address that serves JSON-RPC over HTTP and WebSocket
    #[arg(long = "http.addr", value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    http_addr: IpAddr,

    /// Port of JSON-RPC over HTTP and WebSocket; 0 takes a free one
    #[arg(long = "http.port", value_name = "PORT", default_value_t = 8545)]
    http_port: u16,

    /// Namespaces served over HTTP, with commas between them, or `all` or `none`: eth, net, web3,
    /// clique (who seals), clique-vote (clique_propose and clique_discard: whoever can call them
    /// decides who seals), consensus (how blocks became final), debug, trace, txpool, admin, rpc
    /// [default: eth,net,web3,clique,consensus,rpc; with `dev` on a loopback address, all]
    #[arg(long = "http.api", value_name = "NAMES")]
    http_api: Option<Namespaces>,

    /// Namespaces served over WebSocket, on the same port [default: those of --http.api]
    #[arg(long = "ws.api", value_name = "NAMES")]
    ws_api: Option<Namespaces>,

    /// Host names, besides localhost and IP addresses, that requests may be addressed to; `*` for
    /// all
    #[arg(long = "http.vhosts", value_name = "NAME", value_delimiter = ',')]
    http_vhosts: Vec<String>,

    /// Origins of web pages that may use RPC from a browser; `*` for all
    #[arg(long = "http.corsdomain", value_name = "ORIGIN", value_delimiter = ',')]
    http_corsdomain: Vec<String>,

    /// Serve all namespaces on a second port to those who know the secret in this file (64 hex
    /// digits), which is made if it does not exist; each request carries a JSON Web Token signed
    /// with it
    #[arg(long = "authrpc.jwtsecret", value_name = "FILE")]
    authrpc_jwtsecret: Option<PathBuf>,

    /// Address of the port for those who know the secret
    #[arg(
        long = "authrpc.addr",
        value_name = "IP",
        default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST),
        requires = "authrpc_jwtsecret"
    )]
    authrpc_addr: IpAddr,

    /// Port for those who know the secret; 0 takes a free one
    #[arg(
        long = "authrpc.port",
        value_name = "PORT",
        default_value_t = 8551,
        requires = "authrpc_jwtsecret"
    )]
    authrpc_port: u16,

    /// As --http.vhosts, for the port for those who know the secret
    #[arg(
        long = "authrpc.vhosts",
        value_name = "NAME",
        value_delimiter = ',',
        requires = "authrpc_jwtsecret"
    )]
    authrpc_vhosts: Vec<String>,

    /// Unix socket that serves all namespaces to the user the node runs as [default: wattline.ipc
    /// in the data directory]
    #[arg(long = "ipc.path", value_name = "FILE", conflicts_with = "ipc_disable")]
    ipc_path: Option<PathBuf>,

    /// Serve no Unix socket
    #[arg(long = "ipc.disable")]
    ipc_disable: bool,

    #[command(flatten)]
    server_limits: ServerLimits,

    #[command(flatten)]
    limits: RpcLimits,
}

impl RpcArgs {
    /// How a node with its data in `datadir` serves RPC. `loopback` is what it serves on a loopback
    /// address unless told otherwise.
    ///
    /// # Errors
    ///
    /// When the file of the secret cannot be read or made.
    pub(crate) fn config(&self, datadir: &Path, loopback: Namespaces) -> eyre::Result<RpcConfig> {
        let mut config = RpcConfig::new(SocketAddr::new(self.http_addr, self.http_port));
        let default = if self.http_addr.is_loopback() {
            loopback
        } else {
            Namespaces::PUBLIC
        };
        config.limits = self.limits;
        let server = &mut config.server;
        let http_api = self.http_api.unwrap_or(default);
        server.http_api = http_api.into();
        server.ws_api = self.ws_api.unwrap_or(http_api).into();
        server
            .allowed_hosts
            .extend(self.http_vhosts.iter().cloned());
        server
            .allowed_origins
            .extend(self.http_corsdomain.iter().cloned());
        if let Some(file) = &self.authrpc_jwtsecret {
            let addr = SocketAddr::new(self.authrpc_addr, self.authrpc_port);
            let mut auth = AuthConfig::new(addr, jwt::secret(file)?);
            auth.allowed_hosts
                .extend(self.authrpc_vhosts.iter().cloned());
            server.auth = Some(auth);
        }
        if !self.ipc_disable {
            let path = self.ipc_path.clone();
            server.ipc_path = Some(path.unwrap_or_else(|| datadir.join(SOCKET)));
        }
        server.limits = self.server_limits;
        Ok(config)
    }
}
