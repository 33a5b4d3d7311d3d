//! The port, its connections and its end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::header::InvalidHeaderValue;
use jsonrpsee::{
    RpcModule,
    core::{RegisterMethodError, traits::IdProvider},
    server::middleware::rpc::RpcServiceBuilder,
    server::{
        BatchRequestConfig, PingConfig, ServerBuilder, ServerConfig, ServerHandle, StopHandle,
        serve_with_graceful_shutdown, stop_channel,
    },
    types::SubscriptionId,
};
use rayon::ThreadPoolBuildError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    RpcConfig, RpcContext, RpcLimits,
    backpressure::{Backpressure, Place},
    clique, debug, eth, gate, middleware, net,
    node::Node,
    rpc, trace, web3,
};

/// How often an idle WebSocket client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A WebSocket client that answered nothing for this long is gone.
const PING_LIMIT: Duration = Duration::from_secs(75);
/// Pause after the system had no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are being refused at the same time; more are closed without a word.
const MAX_REFUSALS: usize = 64;
/// How long refusing a connection may take.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// What a client gets that finds all connections taken.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n\
connection: close\r\ncontent-length: 48\r\n\r\ntoo many connections: please try again in a bit\n";

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcServerError {
    /// Another program has the port.
    #[error(
        "cannot serve JSON-RPC on {0}: the port is in use, perhaps by another node; stop that \
         program or choose another port with --http.port"
    )]
    AddressInUse(SocketAddr),
    /// The system does not let us listen there.
    #[error("cannot serve JSON-RPC on {addr}: {source}; check --http.addr and --http.port")]
    Listen {
        /// The address.
        addr: SocketAddr,
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
    server: ServerHandle,
}

impl RpcServerHandle {
    /// The address that it listens on, with the real port if port 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Tells the server to take no more connections and to end those it has once their requests
    /// are answered.
    pub fn stop(&self) {
        // It fails only if the server has stopped already.
        let _ = self.server.stop();
    }

    /// Waits until the server has been stopped and its last connection is closed.
    pub async fn stopped(self) {
        self.server.stopped().await;
    }
}

/// Opens the port and serves HTTP and WebSocket on it until the handle is stopped or dropped.
///
/// # Errors
///
/// [`RpcServerError`] if the server cannot start.
pub async fn serve(
    config: RpcConfig,
    context: RpcContext,
) -> Result<RpcServerHandle, RpcServerError> {
    crate::metrics::describe();
    let node = Node::new(context, &config)?;
    let methods = methods(&node)?;
    let cors = gate::cors(&config)?;
    let limits = config.limits;
    let addr = config.addr;
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => RpcServerError::AddressInUse(addr),
            _ => RpcServerError::Listen { addr, source },
        })?;
    let local_addr = listener
        .local_addr()
        .map_err(|source| RpcServerError::Listen { addr, source })?;

    let (stop, server) = stop_channel();
    let service = ServerBuilder::with_config(server_config(&limits))
        .set_rpc_middleware(
            RpcServiceBuilder::new()
                .layer_fn(move |service| middleware::Calls::new(service, limits)),
        )
        .set_http_middleware(
            tower::ServiceBuilder::new()
                .option_layer(cors)
                .layer(gate::GateLayer::new(&config)),
        )
        .to_service_builder();
    let places = Arc::new(Semaphore::new(limits.max_connections as usize));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    tokio::spawn(async move {
        while let Some(socket) = accept(&listener, &stop).await {
            let Some(place) = Place::take(&places) else {
                ::metrics::counter!(crate::metrics::REFUSED).increment(1);
                if let Ok(turn) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        let _turn = turn;
                        // Best effort: the client learns more from this than from a reset.
                        let _ = tokio::time::timeout(REFUSAL_TIME, refuse(socket)).await;
                    });
                }
                continue;
            };
            let _ = socket.set_nodelay(true);
            let stream = Backpressure::new(socket, limits.write_timeout, place);
            let connection = service.clone().build(methods.clone(), stop.clone());
            let stopped = stop.clone().shutdown();
            tokio::spawn(async move {
                if let Err(error) = serve_with_graceful_shutdown(stream, connection, stopped).await
                {
                    tracing::debug!(%error, "connection ended");
                }
            });
        }
    });
    tracing::info!(%local_addr, "serving JSON-RPC over HTTP and WebSocket");
    Ok(RpcServerHandle { local_addr, server })
}

/// The next connection; `None` when the server is to stop.
async fn accept(listener: &TcpListener, stop: &StopHandle) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            () = stop.clone().shutdown() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => return Some(socket),
            // Such as too many open files: it passes when others close.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers whatever the client asks with [`BUSY`].
async fn refuse(mut socket: TcpStream) -> io::Result<()> {
    let _request = socket.read(&mut [0; 4096]).await?;
    socket.write_all(BUSY).await?;
    socket.shutdown().await
}

/// All methods of all namespaces.
fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(eth::methods(node)?)?;
    module.merge(net::methods(node.clone()))?;
    module.merge(web3::methods(node.clone()))?;
    module.merge(clique::methods(node.clone()))?;
    module.merge(debug::methods(node)?)?;
    module.merge(trace::methods(node)?)?;
    module.merge(rpc::methods())?;
    Ok(module)
}

fn server_config(limits: &RpcLimits) -> ServerConfig {
    ServerConfig::builder()
        .max_connections(limits.max_connections)
        .max_subscriptions_per_connection(limits.max_subscriptions_per_connection)
        .max_request_body_size(limits.max_request_bytes)
        .max_response_body_size(limits.max_response_bytes)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.max_batch))
        .set_message_buffer_capacity(limits.subscription_buffer.max(1))
        .enable_ws_ping(
            PingConfig::new()
                .ping_interval(PING_INTERVAL)
                .inactive_limit(PING_LIMIT),
        )
        .set_id_provider(HexIds)
        .build()
}

/// Subscription ids in the form that Ethereum's libraries expect: hexadecimal quantities.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#x}", rand::random::<u128>()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wattline_chain::test_utils::{Forge, Signers, TestGenesis};
    use wattline_pool::{Pool, PoolConfig};

    use super::*;
    use crate::{Namespaces, doc, openrpc};

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
        let node = Node::new(context, &RpcConfig::new(([127, 0, 0, 1], 0).into()))
            .expect("the system gives threads");
        let methods = methods(&node).expect("each name is registered once");
        let registered: BTreeSet<_> = methods.method_names().collect();
        let described: BTreeSet<_> = doc::all().map(|method| method.name).collect();
        assert_eq!(registered, described);

        let document = openrpc::document(Namespaces::ALL);
        let documented = document["methods"].as_array().expect("a list");
        let documented = documented.iter().map(|method| method["name"].as_str());
        assert!(documented.eq(registered.into_iter().map(Some)), "sorted");
    }
}
