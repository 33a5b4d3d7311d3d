//! All listeners together: their start and their end.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use http::header::InvalidHeaderValue;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    server::{ServerHandle, stop_channel},
};
use rayon::ThreadPoolBuildError;

use crate::{
    Namespaces, RpcConfig, RpcContext, admin, clique, debug, eth,
    gate::{self, GateLayer},
    ipc,
    listener::{Port, Serves, Shared},
    net, rpc,
    shared::backend::Backend,
    trace, txpool, web3,
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
    /// The system gives no threads.
    #[error(
        "cannot start the threads of JSON-RPC: {0}; free some, or raise the limit of processes"
    )]
    Threads(#[from] ThreadPoolBuildError),
    /// Two methods of one name: a fault of this program.
    #[error("cannot register the JSON-RPC methods: {0}")]
    Methods(#[from] RegisterMethodError),
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

/// Opens all listeners and serves them until the handle is stopped or dropped.
///
/// # Errors
///
/// [`RpcServerError`] if one of them cannot start.
pub async fn serve(
    config: RpcConfig,
    context: RpcContext,
) -> Result<RpcServerHandle, RpcServerError> {
    crate::metrics::describe();
    let node = Backend::new(context, &config)?;
    let methods = methods(&node)?;
    let (stop, server) = stop_channel();
    let shared = Shared::new(methods.into(), config.limits, stop);

    let public = Port {
        addr: config.addr,
        options: "http",
        serves: Serves {
            http: config.http_api,
            push: config.ws_api,
        },
        cors: gate::cors(&config.allowed_origins)?,
        gate: GateLayer::new("http", config.allowed_hosts, config.allowed_origins, None),
    };
    let local_addr = public.open(&shared).await?;
    tracing::info!(
        %local_addr,
        http = %config.http_api,
        ws = %config.ws_api,
        "serving JSON-RPC over HTTP and WebSocket"
    );
    let auth_addr = match config.auth {
        Some(auth) => {
            let authenticated = Port {
                addr: auth.addr,
                options: "authrpc",
                serves: Serves::both(Namespaces::ALL),
                // No web page has the secret.
                cors: None,
                gate: GateLayer::new("authrpc", auth.allowed_hosts, Vec::new(), Some(auth.secret)),
            };
            let addr = authenticated.open(&shared).await?;
            tracing::info!(%addr, "serving JSON-RPC to those who have the JWT secret");
            Some(addr)
        }
        None => None,
    };
    if let Some(path) = &config.ipc_path {
        ipc::open(path, &shared)?;
    }
    node.listens_on(local_addr);
    Ok(RpcServerHandle {
        local_addr,
        auth_addr,
        ipc_path: config.ipc_path,
        server,
    })
}

/// All methods of all namespaces. Each listener serves those that its configuration names.
fn methods(node: &Backend) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(eth::methods(node)?)?;
    module.merge(net::methods(node.clone()))?;
    module.merge(web3::methods(node.clone()))?;
    module.merge(clique::methods(node.clone()))?;
    module.merge(debug::methods(node)?)?;
    module.merge(trace::methods(node)?)?;
    module.merge(txpool::methods(node.clone()))?;
    module.merge(admin::methods(node.clone()))?;
    module.merge(rpc::methods())?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wattline_chain::test_utils::{Forge, Signers, TestGenesis};
    use wattline_pool::{Pool, PoolConfig};

    use super::*;
    use crate::methods as described;

    #[test]
    fn described_methods_are_the_registered_ones() {
        let signers = Signers::new(1);
        let forge = Forge::new(TestGenesis::new(signers.addresses()), signers);
        let chain = forge.chain().clone();
        let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
        let context = RpcContext {
            chain,
            pool: Pool::open(PoolConfig::default(), None, storage, evm).expect("a pool opens"),
            producer: None,
            dev_accounts: Vec::new(),
        };
        let node = Backend::new(context, &RpcConfig::new(([127, 0, 0, 1], 0).into()))
            .expect("the system gives threads");
        let methods = methods(&node).expect("each name is registered once");
        let registered: BTreeSet<_> = methods.method_names().collect();
        let names: BTreeSet<_> = described::all()
            .map(|method| method.name.as_str())
            .collect();
        assert_eq!(registered, names);

        let document = described::document(Namespaces::ALL);
        let documented = document["methods"].as_array().expect("a list");
        let documented = documented.iter().map(|method| method["name"].as_str());
        assert!(documented.eq(registered.into_iter().map(Some)), "sorted");
    }
}
