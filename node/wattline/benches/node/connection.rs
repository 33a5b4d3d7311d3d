//! One HTTP connection, kept open, with as little work per request as possible: the client shares
//! the machine with what it measures.

use std::net::SocketAddr;

use bytes::Bytes;
use eyre::{WrapErr, bail, eyre};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> eyre::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: addr.to_string(),
        })
    }

    /// Posts a body and returns the answer's.
    pub(crate) async fn post(&mut self, body: Bytes) -> eyre::Result<Bytes> {
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Calls one method and returns its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> eyre::Result<Value> {
        let answer = self.post(request(0, method, &params)).await?;
        result(&answer).wrap_err_with(|| method.to_owned())
    }
}

/// The body of one request.
pub(crate) fn request(id: usize, method: &str, params: &Value) -> Bytes {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        .to_string()
        .into()
}

/// The result of one answer.
pub(crate) fn result(answer: &[u8]) -> eyre::Result<Value> {
    let mut answer: Value = serde_json::from_slice(answer)?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(eyre!("{answer}")),
    }
}

/// A quantity.
pub(crate) fn quantity(value: &Value) -> eyre::Result<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let digits = digits.ok_or_else(|| eyre!("not a quantity: {value}"))?;
    Ok(u64::from_str_radix(digits, 16)?)
}
