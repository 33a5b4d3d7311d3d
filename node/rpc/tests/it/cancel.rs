//! Work that nobody waits for any more ends.

use std::{future::Future, time::Duration};

use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::UnixStream};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{LOGGER, LOOPER, empty},
    client::{Served, config, request},
};

/// One call at a time, which nothing but its client's leaving ends within the test.
fn limits() -> RpcLimits {
    RpcLimits {
        concurrent_calls: 1,
        call_gas: u64::MAX,
        call_timeout: Duration::from_secs(180),
        ..RpcLimits::default()
    }
}

fn endless() -> serde_json::Value {
    json!({"to": LOOPER})
}

/// Whether a call is answered soon.
async fn answers(node: &Served, patience: Duration) -> bool {
    let call = node.result("eth_call", json!([{"to": LOGGER}]));
    tokio::time::timeout(patience, call).await.is_ok()
}

/// Waits until a call takes the only place, has the client leave, and sees the place free again.
async fn freed<T>(node: &Served, leave: impl Future<Output = T>) {
    let taken = async { while answers(node, Duration::from_millis(200)).await {} };
    tokio::time::timeout(Duration::from_secs(20), taken)
        .await
        .expect("the call begins");
    leave.await;
    assert!(
        answers(node, Duration::from_secs(60)).await,
        "the call still runs after its client has left"
    );
}

#[tokio::test]
async fn leaving_a_websocket_ends_its_calls() {
    let node = Served::limited(empty().chain(), limits()).await;
    let client = node.websocket().await;
    let call = tokio::spawn(async move {
        let answer = client.request::<String, _>("eth_call", rpc_params![endless()]);
        answer.await.is_err()
    });
    // Dropping the client closes the connection.
    freed(&node, async { call.abort() }).await;
}

#[tokio::test]
async fn leaving_http_ends_its_call() {
    let node = Served::limited(empty().chain(), limits()).await;
    let url = node.url().to_owned();
    let body = request("eth_call", &json!([endless()]).to_string());
    let call = tokio::spawn(async move {
        let post = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/json");
        post.body(body).send().await.is_ok()
    });
    freed(&node, async { call.abort() }).await;
}

#[tokio::test]
async fn leaving_ipc_ends_its_calls() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("node.ipc");
    let mut config = config(limits());
    config.server.ipc_path = Some(path.clone());
    let node = Served::with(empty().chain(), config, None).await;
    let mut client = UnixStream::connect(&path).await.expect("the socket");
    let body = request("eth_call", &json!([endless()]).to_string());
    client
        .write_all(body.as_bytes())
        .await
        .expect("it takes bytes");
    freed(&node, async { drop(client) }).await;
}

#[tokio::test]
async fn leaving_ends_what_is_left_of_a_batch() {
    let node = Served::limited(empty().chain(), limits()).await;
    let url = node.url().to_owned();
    let one = request("eth_call", &json!([endless()]).to_string());
    let call = tokio::spawn(async move {
        let post = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/json");
        post.body(format!("[{one},{one},{one}]"))
            .send()
            .await
            .is_ok()
    });
    freed(&node, async { call.abort() }).await;
}
