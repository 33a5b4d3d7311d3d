//! The port: who may talk to it, and its end.

use std::time::Duration;

use jsonrpsee::{core::client::ClientT, rpc_params};
use jsonrpsee_ws_client::WsClientBuilder;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use wattline_rpc::{RpcLimits, StartError, serve};
use wattline_rpc_server::RpcServerError;

use crate::{
    chain::empty,
    client::{Served, config, context, request},
};

#[tokio::test]
async fn only_posted_json_is_a_request() {
    let node = Served::new(empty().chain()).await;
    let client = reqwest::Client::new();
    let got = client.get(node.url()).send().await.expect("an answer");
    assert_eq!(got.status(), 405);
    let form = client
        .post(node.url())
        .body(request("eth_chainId", "[]"))
        .send()
        .await;
    assert_eq!(form.expect("an answer").status(), 415);
}

#[tokio::test]
async fn foreign_names_and_pages_are_kept_out() {
    let forge = empty();
    let mut config = config(RpcLimits::default());
    config.server.allowed_hosts = vec!["node.example".to_owned()];
    config.server.allowed_origins = vec!["https://market.example".to_owned()];
    let node = Served::with(forge.chain(), config, None).await;
    let client = reqwest::Client::new();
    let named = async |host: &str| {
        let post = client.post(node.url()).header("host", host);
        let post = post.header("content-type", "application/json");
        let response = post
            .body(request("eth_chainId", "[]"))
            .send()
            .await
            .expect("an answer");
        response.status().as_u16()
    };
    assert_eq!(named("node.example:8545").await, 200);
    assert_eq!(named("127.0.0.1").await, 200);
    assert_eq!(named("evil.example").await, 403);
    assert_eq!(named("localhost").await, 403, "not in the list any more");

    let origin = async |origin: &str| {
        let post = client.post(node.url()).header("origin", origin);
        let post = post.header("content-type", "application/json");
        let response = post
            .body(request("eth_chainId", "[]"))
            .send()
            .await
            .expect("an answer");
        response
            .headers()
            .get("access-control-allow-origin")
            .cloned()
    };
    assert_eq!(
        origin("https://market.example")
            .await
            .as_ref()
            .map(|value| value.as_bytes()),
        Some(&b"https://market.example"[..])
    );
    assert_eq!(origin("https://evil.example").await, None);

    let upgrade = async |origin: &'static str| {
        let mut headers = jsonrpsee_ws_client::HeaderMap::new();
        headers.insert("origin", origin.parse().expect("a header"));
        let url = node.url().replace("http", "ws");
        WsClientBuilder::default()
            .set_headers(headers)
            .build(url)
            .await
            .is_ok()
    };
    assert!(upgrade("https://market.example").await);
    assert!(!upgrade("https://evil.example").await);
}

#[tokio::test]
async fn raw_garbage_does_not_disturb_others() {
    let node = Served::new(empty().chain()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET",
        b"\r\n\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        &[0; 4096],
    ] {
        let mut stream = TcpStream::connect(node.handle.local_addr())
            .await
            .expect("the port is open");
        stream.write_all(garbage).await.expect("it takes bytes");
        stream.shutdown().await.expect("it closes");
    }
    assert_eq!(node.result("eth_chainId", json!([])).await, "0xe1ec");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let mut config = config(RpcLimits::default());
    config.server.addr = node.handle.local_addr();
    let error = serve(config, context(forge.chain()))
        .await
        .expect_err("the port is taken");
    assert!(
        matches!(&error, StartError::Server(RpcServerError::AddressInUse { addr, .. }) if *addr == node.handle.local_addr())
    );
    assert_eq!(
        error.to_string(),
        format!(
            "cannot serve JSON-RPC on {}: the port is in use, perhaps by another node; stop that \
             program or choose another port with --http.port",
            node.handle.local_addr()
        )
    );
}

#[tokio::test]
async fn a_stopped_server_closes_its_port() {
    let node = Served::new(empty().chain()).await;
    let client = node.websocket().await;
    assert_eq!(node.result("eth_chainId", json!([])).await, "0xe1ec");
    let addr = node.handle.local_addr();
    node.handle.stop();
    let stopped = tokio::time::timeout(Duration::from_secs(20), node.handle.stopped());
    stopped.await.expect("all connections end");
    assert!(
        client
            .request::<String, _>("eth_chainId", rpc_params![])
            .await
            .is_err()
    );
    assert!(TcpStream::connect(addr).await.is_err());
}
