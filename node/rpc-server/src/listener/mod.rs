//! One listener: its socket, its connections and what it serves.

mod backpressure;
mod framing;
pub(crate) mod ipc;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use jsonrpsee::{
    Methods,
    core::traits::IdProvider,
    server::middleware::rpc::{RpcService, RpcServiceBuilder},
    server::{
        BatchRequestConfig, PingConfig, ServerBuilder, ServerConfig, StopHandle,
        serve_with_graceful_shutdown,
    },
    types::SubscriptionId,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::{
    Layer,
    layer::util::{Identity, Stack},
};
use tower_http::cors::CorsLayer;

use self::backpressure::{Backpressure, Place};
use crate::{
    Groups, MethodTable, RpcServerError, ServerLimits,
    access::AccessLayer,
    calls::{Calls, Rules},
    metrics,
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

/// The methods that a listener serves, by how a request comes.
#[derive(Clone, Debug)]
pub(crate) struct Serves {
    /// Each request with a connection, or a turn on one, of its own.
    pub(crate) http: Groups,
    /// Over a connection on which the server may speak first.
    pub(crate) push: Groups,
}

impl Serves {
    pub(crate) fn both(groups: Groups) -> Self {
        Self {
            http: groups.clone(),
            push: groups,
        }
    }
}

/// What all listeners have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    methods: Methods,
    table: Arc<MethodTable>,
    limits: ServerLimits,
    stop: StopHandle,
    refusals: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(
        methods: Methods,
        table: MethodTable,
        limits: ServerLimits,
        stop: StopHandle,
    ) -> Self {
        Self {
            methods,
            table: Arc::new(table),
            limits,
            stop,
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }

    /// Room for the connections of one listener. Each has its own, so that the clients of a public
    /// one cannot lock out the operator.
    fn places(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.limits.max_connections as usize))
    }

    /// A place for one more connection; `None` if there is none.
    fn take_place(&self, places: &Arc<Semaphore>) -> Option<Place> {
        let place = Place::take(places);
        if place.is_none() {
            metrics::connection_refused();
        }
        place
    }

    /// Leave to tell a client why it is refused; `None` if that is being told to many already.
    fn refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    fn middleware(&self, serves: Serves) -> RpcServiceBuilder<Stack<CallsLayer, Identity>> {
        RpcServiceBuilder::new().layer(CallsLayer(Arc::new(Rules {
            table: Arc::clone(&self.table),
            limits: self.limits,
            serves,
        })))
    }

    fn server_config(&self) -> ServerConfig {
        let limits = &self.limits;
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
}

/// Wraps the methods of each connection of a listener in [`Calls`].
#[derive(Clone, Debug)]
struct CallsLayer(Arc<Rules>);

impl Layer<RpcService> for CallsLayer {
    type Service = Calls<RpcService>;

    fn layer(&self, service: RpcService) -> Self::Service {
        Calls::new(service, Arc::clone(&self.0))
    }
}

/// A port that speaks both HTTP and WebSocket.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) addr: SocketAddr,
    /// What the options that configure it begin with, for errors.
    pub(crate) options: &'static str,
    pub(crate) serves: Serves,
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) access: AccessLayer,
}

impl Port {
    /// Opens the port and serves it until the server stops. Returns its address, with the real
    /// port if port 0 was asked for.
    ///
    /// # Errors
    ///
    /// [`RpcServerError::AddressInUse`] or [`RpcServerError::Listen`].
    pub(crate) async fn open(self, shared: &Shared) -> Result<SocketAddr, RpcServerError> {
        let Self { addr, options, .. } = self;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => RpcServerError::AddressInUse { addr, options },
            _ => RpcServerError::Listen {
                addr,
                options,
                source,
            },
        };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        tokio::spawn(self.serve(listener, shared.clone()));
        Ok(local_addr)
    }

    async fn serve(self, listener: TcpListener, shared: Shared) {
        let service = ServerBuilder::with_config(shared.server_config())
            .set_rpc_middleware(shared.middleware(self.serves))
            .set_http_middleware(
                tower::ServiceBuilder::new()
                    .option_layer(self.cors)
                    .layer(self.access),
            )
            .to_service_builder();
        let places = shared.places();
        while let Some(socket) = accept(&listener, &shared.stop).await {
            let Some(place) = shared.take_place(&places) else {
                if let Some(turn) = shared.refusal() {
                    tokio::spawn(async move {
                        let _turn = turn;
                        // Best effort: the client learns more from this than from a reset.
                        let _ = tokio::time::timeout(REFUSAL_TIME, refuse(socket)).await;
                    });
                }
                continue;
            };
            let _ = socket.set_nodelay(true);
            let stream = Backpressure::new(socket, shared.limits.write_timeout, place);
            let connection = service
                .clone()
                .build(shared.methods.clone(), shared.stop.clone());
            let stopped = shared.stop.clone().shutdown();
            tokio::spawn(async move {
                if let Err(error) = serve_with_graceful_shutdown(stream, connection, stopped).await
                {
                    tracing::debug!(%error, "connection ended");
                }
            });
        }
    }
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

/// Subscription ids in the form that Ethereum's libraries expect: hexadecimal quantities.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#x}", rand::random::<u128>()).into())
    }
}
