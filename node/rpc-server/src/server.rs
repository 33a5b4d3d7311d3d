//! All listeners together: their start and their end.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use http::header::InvalidHeaderValue;
use jsonrpsee::{
    Methods,
    server::{ServerHandle, stop_channel},
};

use crate::{
    MethodTable, ServerConfig,
    access::{self, AccessLayer},
    listener::{Port, Serves, Shared, ipc},
};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcServerError {
    /// Another program has the port.
    #[error(
        "cannot serve JSON-RPC on {addr}: the port is in use, perhaps by another node; stop that \
         program or choose another port with --{options}.port"
    )]
    AddressInUse {
        /// The address.
        addr: SocketAddr,
        /// What the names of the options begin with that choose it.
        options: &'static str,
    },
    /// The system does not let us listen there.
    #[error(
        "cannot serve JSON-RPC on {addr}: {source}; check --{options}.addr and --{options}.port"
    )]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the names of the options begin with that choose it.
        options: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody answers on the socket already.
    #[error(
        "cannot serve JSON-RPC on the socket {}: another node serves it; stop that node or choose \
         another path with --ipc.path",
        .0.display()
    )]
    IpcInUse(PathBuf),
    /// The system does not let us make the socket.
    #[error(
        "cannot serve JSON-RPC on the socket {}: {source}; choose another path with --ipc.path (at \
         most 107 bytes on Linux), or do without with --ipc.disable",
        path.display()
    )]
    Ipc {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An allowed origin that no browser can send.
    #[error("invalid origin in --http.corsdomain: expected for example https://market.example")]
    Origin(#[from] InvalidHeaderValue),
}

/// A running server. Dropping it stops the server too.
#[derive(Debug)]
pub struct RpcServerHandle {
    local_addr: SocketAddr,
    auth_addr: Option<SocketAddr>,
    ipc_path: Option<PathBuf>,
    server: ServerHandle,
}

impl RpcServerHandle {
    /// The address of HTTP and WebSocket, with the real port if port 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address of the authenticated listener, if there is one.
    pub const fn auth_addr(&self) -> Option<SocketAddr> {
        self.auth_addr
    }

    /// The path of the Unix socket, if there is one.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.ipc_path.as_deref()
    }

    /// Tells the server to take no more connections and to end those it has once their requests
    /// are answered.
    pub fn stop(&self) {
        // It fails only if the server has stopped already.
        let _ = self.server.stop();
    }

    /// Waits until the server has been stopped, its last connection is closed and its socket is
    /// removed.
    pub async fn stopped(self) {
        self.server.stopped().await;
    }
}

/// Opens all listeners and serves the methods of `table` until the handle is stopped or dropped.
///
/// # Errors
///
/// [`RpcServerError`] if one of the listeners cannot start.
pub async fn serve(
    config: ServerConfig,
    methods: impl Into<Methods>,
    table: MethodTable,
) -> Result<RpcServerHandle, RpcServerError> {
    crate::metrics::describe();
    let all = table.groups();
    let (stop, server) = stop_channel();
    let shared = Shared::new(methods.into(), table, config.limits, stop);

    let (http, ws) = (config.http_api.clone(), config.ws_api.clone());
    let public = Port {
        addr: config.addr,
        options: "http",
        serves: Serves {
            http: config.http_api,
            push: config.ws_api,
        },
        cors: access::cors(&config.allowed_origins)?,
        access: AccessLayer::new("http", config.allowed_hosts, config.allowed_origins, None),
    };
    let local_addr = public.open(&shared).await?;
    tracing::info!(%local_addr, %http, %ws, "serving JSON-RPC over HTTP and WebSocket");
    let auth_addr = match config.auth {
        Some(auth) => {
            let authenticated = Port {
                addr: auth.addr,
                options: "authrpc",
                serves: Serves::both(all.clone()),
                // No web page has the secret.
                cors: None,
                access: AccessLayer::new(
                    "authrpc",
                    auth.allowed_hosts,
                    Vec::new(),
                    Some(auth.secret),
                ),
            };
            let addr = authenticated.open(&shared).await?;
            tracing::info!(%addr, "serving JSON-RPC to those who have the JWT secret");
            Some(addr)
        }
        None => None,
    };
    if let Some(path) = &config.ipc_path {
        ipc::open(path, all, &shared)?;
    }
    Ok(RpcServerHandle {
        local_addr,
        auth_addr,
        ipc_path: config.ipc_path,
        server,
    })
}
