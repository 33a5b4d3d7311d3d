//! One HTTP connection, kept open, with as little work per request as possible: the client shares
//! the machine with what it measures.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use eyre::{WrapErr, bail, ensure, eyre};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most headers that an answer may have.
const MAX_HEADERS: usize = 32;

pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    /// What was read and not yet returned.
    read: BytesMut,
}

/// What the head of an answer tells.
struct Head {
    status: u16,
    /// Bytes of the head itself.
    length: usize,
    body: usize,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> eyre::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: addr.to_string(),
            read: BytesMut::with_capacity(64 * 1024),
        })
    }

    /// Posts a body and returns the answer's.
    pub(crate) async fn post(&mut self, body: Bytes) -> eyre::Result<Bytes> {
        self.send(&self.message(&body)).await
    }

    /// A body as it goes over the connection.
    pub(crate) fn message(&self, body: &[u8]) -> Bytes {
        let mut message = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.host,
            body.len()
        )
        .into_bytes();
        message.extend_from_slice(body);
        message.into()
    }

    /// Sends a message and returns the answer's body.
    pub(crate) async fn send(&mut self, message: &[u8]) -> eyre::Result<Bytes> {
        self.stream.write_all(message).await?;
        loop {
            if let Some(head) = head(&self.read)? {
                if self.read.len() >= head.length + head.body {
                    self.read.advance(head.length);
                    let body = self.read.split_to(head.body).freeze();
                    if !(200..300).contains(&head.status) {
                        bail!("{}: {}", head.status, String::from_utf8_lossy(&body));
                    }
                    return Ok(body);
                }
                self.read.reserve(head.length + head.body - self.read.len());
            }
            let count = self.stream.read_buf(&mut self.read).await?;
            ensure!(count > 0, "the node closed the connection");
        }
    }

    /// Calls one method and returns its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> eyre::Result<Value> {
        let answer = self.post(request(0, method, &params)).await?;
        result(&answer).wrap_err_with(|| method.to_owned())
    }
}

/// Reads the head of an answer; `None` if it is not complete. Both peers tell the length of what
/// they answer.
fn head(text: &[u8]) -> eyre::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(text)? else {
        return Ok(None);
    };
    let body = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or_else(|| eyre!("an answer of unknown length"))?;
    Ok(Some(Head {
        status: response.code.unwrap_or_default(),
        length,
        body: std::str::from_utf8(body.value)?.trim().parse()?,
    }))
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
