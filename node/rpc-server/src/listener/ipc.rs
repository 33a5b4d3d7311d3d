//! JSON-RPC over a Unix socket: every method, for whoever may open the file.
//!
//! Clients write one JSON value after the other, with or without line breaks between or within
//! them, and read one answer per line. Behind the socket each connection is a WebSocket within
//! this process, so that limits, subscriptions, cancellation and the end of a connection are those
//! of WebSocket clients.

use std::{
    fs, io,
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use interprocess::{
    local_socket::{
        GenericFilePath, ListenerOptions, ToFsName as _,
        tokio::{Listener, Stream, prelude::*},
    },
    os::unix::local_socket::ListenerOptionsExt as _,
};
use jsonrpsee::{
    server::{ServerBuilder, StopHandle, serve_with_graceful_shutdown},
    types::{
        ErrorObjectOwned,
        error::{ErrorCode, reject_too_big_request},
    },
};
use serde_json::json;
use soketto::{
    connection::Error as WebSocketError,
    handshake::{Client, ServerResponse},
};
use tokio::{
    io::{AsyncWriteExt as _, BufReader, BufWriter, DuplexStream, duplex},
    sync::oneshot,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::{
    ACCEPT_PAUSE, Serves, Shared,
    backpressure::Backpressure,
    framing::{FrameError, Frames},
};
use crate::{Groups, LIMIT_EXCEEDED_CODE, RpcServerError};

/// Only the user that the node runs as may connect: nothing else is asked of a client.
const MODE: u32 = 0o600;
/// Bytes under way between the two ends of the WebSocket.
const PIPE: usize = 64 << 10;
/// How long a client that is told why its connection ends may take to read it.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(1);

type WebSocket = tokio::io::BufReader<tokio::io::BufWriter<DuplexStream>>;

/// Makes the socket and serves it until the server stops, which removes it.
///
/// # Errors
///
/// [`RpcServerError::Ipc`] if the path is not usable, [`RpcServerError::IpcInUse`] if another
/// process answers there.
pub(crate) fn open(path: &Path, groups: Groups, shared: &Shared) -> Result<(), RpcServerError> {
    let failed = |source| RpcServerError::Ipc {
        path: path.to_owned(),
        source,
    };
    remove_stale(path)?;
    let name = path.to_fs_name::<GenericFilePath>().map_err(failed)?;
    let listener = ListenerOptions::new()
        .name(name)
        .mode(MODE)
        .create_tokio()
        .map_err(failed)?;
    tokio::spawn(serve(listener, path.to_owned(), groups, shared.clone()));
    tracing::info!(path = %path.display(), "serving JSON-RPC over IPC");
    Ok(())
}

/// Removes the socket of a node that ended without doing so, and nothing else.
fn remove_stale(path: &Path) -> Result<(), RpcServerError> {
    let failed = |source| RpcServerError::Ipc {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(failed(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is something else than a socket",
            )));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing the socket of a node that is gone");
            fs::remove_file(path).map_err(failed)
        }
        // Also with other errors, such as a full queue, somebody may be there.
        _ => Err(RpcServerError::IpcInUse(path.to_owned())),
    }
}

async fn serve(listener: Listener, path: PathBuf, groups: Groups, shared: Shared) {
    let places = shared.places();
    let service = ServerBuilder::with_config(shared.server_config())
        .set_rpc_middleware(shared.middleware(Serves::both(groups)))
        .to_service_builder();
    loop {
        let accepted = tokio::select! {
            () = shared.stop.clone().shutdown() => break,
            accepted = listener.accept() => accepted,
        };
        let client = match accepted {
            Ok(client) => client,
            // Such as too many open files: it passes when others close.
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let limits = shared.limits;
        let Some(place) = shared.take_place(&places) else {
            if let Some(turn) = shared.refusal() {
                tokio::spawn(async move {
                    let _turn = turn;
                    send_last(&mut &client, &too_many_connections(limits.max_connections)).await;
                });
            }
            continue;
        };
        let (outer, inner) = duplex(PIPE);
        let stream = Backpressure::new(outer, limits.write_timeout, place);
        let connection = service
            .clone()
            .build(shared.methods.clone(), shared.stop.clone());
        let stopped = shared.stop.clone().shutdown();
        tokio::spawn(async move {
            if let Err(error) = serve_with_graceful_shutdown(stream, connection, stopped).await {
                tracing::debug!(%error, "IPC connection ended");
            }
        });
        let stop = shared.stop.clone();
        tokio::spawn(async move {
            if let Err(error) = connect(client, inner, limits.max_request_bytes, stop).await {
                tracing::debug!(%error, "IPC connection ended");
            }
        });
    }
    // Before the server counts as stopped: removes the socket.
    drop(listener);
    drop(shared);
}

fn too_many_connections(limit: u32) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(
        LIMIT_EXCEEDED_CODE,
        format!("too many connections, limit {limit}: please try again in a bit"),
        None::<()>,
    )
}

/// Carries requests and answers between a client and its WebSocket until one of them ends. Holds
/// on to `_stop` so that the server is not taken for stopped while answers are on their way.
async fn connect(
    client: Stream,
    inner: DuplexStream,
    max_request_bytes: u32,
    _stop: StopHandle,
) -> Result<(), ConnectionError> {
    let stream = BufReader::new(BufWriter::new(inner)).compat();
    let mut handshake = Client::new(stream, "localhost", "/");
    match handshake.handshake().await {
        Ok(ServerResponse::Accepted { .. }) => {}
        Ok(_) => return Err(ConnectionError::Refused),
        Err(error) => return Err(ConnectionError::Handshake(error)),
    }
    let mut builder = handshake.into_builder();
    // What the server answers is limited there.
    builder.set_max_message_size(usize::MAX);
    let (sender, receiver) = builder.finish();
    let (refuse, refused) = oneshot::channel();
    tokio::select! {
        ended = requests(&client, sender, max_request_bytes, refuse) => ended,
        ended = answers(&client, receiver, refused) => ended,
    }
}

async fn requests(
    reading: &Stream,
    mut sender: soketto::Sender<Compat<WebSocket>>,
    max_request_bytes: u32,
    refuse: oneshot::Sender<ErrorObjectOwned>,
) -> Result<(), ConnectionError> {
    let mut frames = Frames::new(BufReader::new(reading), max_request_bytes as usize);
    let refusal = loop {
        match frames.next().await {
            Ok(Some(request)) => {
                sender.send_text_owned(request).await?;
                sender.flush().await?;
            }
            Ok(None) => return Ok(()),
            Err(FrameError::Io(error)) => return Err(error.into()),
            Err(FrameError::TooLarge) => break reject_too_big_request(max_request_bytes),
            Err(FrameError::NotJson) => break ErrorCode::ParseError.into(),
        }
    };
    // Where the next request would begin is unknown, so this is the last answer.
    let _ = refuse.send(refusal);
    std::future::pending().await
}

async fn answers(
    mut writing: &Stream,
    mut receiver: soketto::Receiver<Compat<WebSocket>>,
    mut refused: oneshot::Receiver<ErrorObjectOwned>,
) -> Result<(), ConnectionError> {
    let mut message = Vec::new();
    loop {
        message.clear();
        tokio::select! {
            received = receiver.receive_data(&mut message) => match received {
                Ok(_) => {}
                Err(WebSocketError::Closed) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
            Ok(refusal) = &mut refused => {
                send_last(&mut writing, &refusal).await;
                return Ok(());
            }
        }
        message.push(b'\n');
        writing.write_all(&message).await?;
        writing.flush().await?;
    }
}

/// The last that a client hears.
async fn send_last(writing: &mut &Stream, error: &ErrorObjectOwned) {
    let line = format!(
        "{}\n",
        json!({"jsonrpc": "2.0", "id": null, "error": error})
    );
    // Best effort: it may not read.
    let _ = tokio::time::timeout(LAST_ANSWER_TIME, async {
        writing.write_all(line.as_bytes()).await?;
        writing.shutdown().await
    })
    .await;
}

#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    #[error("the connection could not be set up: {0}")]
    Handshake(soketto::handshake::Error),
    #[error("the server refused the connection")]
    Refused,
}
