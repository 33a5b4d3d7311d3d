//! A wire between the daemon and the node that can lose what goes over it.

use alloy::{
    hex,
    primitives::keccak256,
    transports::http::reqwest::{self, Client},
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// What the wire does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Carries everything.
    Forward,
    /// Acknowledges so many transactions and forgets them, as a node would whose pool is lost.
    Swallow(u64),
    /// Carries nothing.
    Cut,
}

struct Wire {
    node: String,
    client: Client,
    mode: Mutex<Mode>,
    swallowed: AtomicU64,
    cut: AtomicU64,
}

pub(crate) struct Proxy {
    wire: Arc<Wire>,
    port: u16,
}

impl Proxy {
    pub(crate) async fn start(node: &str, mode: Mode) -> Self {
        let wire = Arc::new(Wire {
            node: node.to_owned(),
            client: Client::new(),
            mode: Mutex::new(mode),
            swallowed: AtomicU64::new(0),
            cut: AtomicU64::new(0),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("bound");
        let port = listener.local_addr().expect("address").port();
        let router = Router::new().fallback(carry).with_state(wire.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { wire, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.wire.mode.lock().expect("lock") = mode;
    }

    /// How many transactions were acknowledged and forgotten.
    pub(crate) fn swallowed(&self) -> u64 {
        self.wire.swallowed.load(Ordering::SeqCst)
    }

    /// How many requests found the wire cut.
    pub(crate) fn cut(&self) -> u64 {
        self.wire.cut.load(Ordering::SeqCst)
    }
}

impl Wire {
    /// Whether this transaction gets lost.
    fn swallows(&self) -> bool {
        let mut mode = self.mode.lock().expect("lock");
        match *mode {
            Mode::Swallow(left) if left > 0 => {
                *mode = Mode::Swallow(left - 1);
                self.swallowed.fetch_add(1, Ordering::SeqCst);
                true
            }
            _ => false,
        }
    }

    fn is_cut(&self) -> bool {
        let cut = matches!(*self.mode.lock().expect("lock"), Mode::Cut);
        self.cut.fetch_add(u64::from(cut), Ordering::SeqCst);
        cut
    }
}

async fn carry(State(wire): State<Arc<Wire>>, body: Bytes) -> impl IntoResponse {
    if wire.is_cut() {
        return (
            StatusCode::BAD_GATEWAY,
            [(CONTENT_TYPE, "text/plain")],
            Bytes::new(),
        );
    }
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let json_type = [(CONTENT_TYPE, "application/json")];
    if request["method"] == "eth_sendRawTransaction" && wire.swallows() {
        let raw = hex::decode(request["params"][0].as_str().expect("hex")).expect("hex");
        let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": keccak256(raw)});
        return (StatusCode::OK, json_type, Bytes::from(answer.to_string()));
    }
    match forward(&wire, body).await {
        Ok(answer) => (StatusCode::OK, json_type, answer),
        Err(_) => (
            StatusCode::BAD_GATEWAY,
            [(CONTENT_TYPE, "text/plain")],
            Bytes::new(),
        ),
    }
}

async fn forward(wire: &Wire, body: Bytes) -> Result<Bytes, reqwest::Error> {
    let request = wire
        .client
        .post(&wire.node)
        .header("content-type", "application/json")
        .body(body);
    request.send().await?.bytes().await
}
