//! What each listener serves, and to whom.

use std::time::{Duration, SystemTime};

use jsonrpsee::{core::client::ClientT, rpc_params};
use jsonrpsee_ws_client::{HeaderMap, WsClientBuilder};
use serde_json::{Value, json};
use wattline_chain::Chain;
use wattline_rpc::{Namespaces, RpcConfig, RpcLimits};
use wattline_rpc_server::{AuthConfig, JwtSecret};

use crate::{
    chain::empty,
    client::{Served, config, failure, request},
};

#[tokio::test]
async fn by_default_a_port_serves_what_anybody_may_use() {
    for addr in [[127, 0, 0, 1], [0, 0, 0, 0]] {
        let config = RpcConfig::new((addr, 0).into());
        assert_eq!(config.server.http_api, Namespaces::PUBLIC.into());
        assert_eq!(config.server.ws_api, Namespaces::PUBLIC.into());
        assert_eq!(config.server.ipc_path, None);
    }
    let mut config = config(RpcLimits::default());
    config.server.http_api = Namespaces::PUBLIC.into();
    config.server.ws_api = Namespaces::PUBLIC.into();
    let node = Served::with(empty().chain(), config, None).await;
    let modules = node.result("rpc_modules", json!([])).await;
    let expected = json!({
        "clique": "1.0", "consensus": "1.0", "eth": "1.0", "net": "1.0", "rpc": "1.0", "web3": "1.0"
    });
    assert_eq!(modules, expected);
    let document = node.result("rpc_discover", json!([])).await;
    let methods = document["methods"].as_array().expect("a list");
    let mut names = methods.iter().filter_map(|method| method["name"].as_str());
    assert!(names.all(|name| !name.starts_with("txpool_") && name != "clique_propose"));

    for (method, namespace) in [
        ("clique_propose", "clique-vote"),
        ("clique_discard", "clique-vote"),
        ("txpool_content", "txpool"),
        ("admin_nodeInfo", "admin"),
    ] {
        let message = |option: &str| {
            format!(
                "the method {method} does not exist/is not available on this listener, where the \
                 namespace {namespace} is off: use the node's IPC socket or its authenticated \
                 port, or let its operator add {namespace} to {option}"
            )
        };
        // Whether or not the parameters are right.
        assert_eq!(
            node.error(method, json!([])).await,
            (-32601, message("--http.api"))
        );
        // And within a batch.
        let batch = node.post_json(format!("[{}]", request(method, "[]"))).await;
        assert_eq!(failure(&batch[0]).message, message("--http.api"));
        let client = node.websocket().await;
        let error = client.request::<Value, _>(method, rpc_params![]).await;
        let error = error.expect_err("it is off").to_string();
        assert!(error.contains(&message("--ws.api")), "{error}");
    }
    assert!(node.result("clique_getSigners", json!([])).await.is_array());
}

#[tokio::test]
async fn websocket_may_serve_other_namespaces_than_http() {
    let mut config = config(RpcLimits::default());
    config.server.http_api = ["web3"].into_iter().collect();
    config.server.ws_api = ["eth", "txpool"].into_iter().collect();
    let node = Served::with(empty().chain(), config, None).await;
    assert_eq!(node.error("eth_chainId", json!([])).await.0, -32601);
    assert_eq!(
        node.result("web3_clientVersion", json!([])).await,
        "wattline/test"
    );
    let client = node.websocket().await;
    let chain: String = client
        .request("eth_chainId", rpc_params![])
        .await
        .expect("it is on");
    assert_eq!(chain, "0xe1ec");
    let refused = client.request::<String, _>("web3_clientVersion", rpc_params![]);
    assert!(refused.await.is_err());
}

fn secret() -> JwtSecret {
    JwtSecret::from_hex("07".repeat(32)).expect("a secret")
}

async fn authenticated(chain: &Chain) -> (Served, String) {
    let mut config = config(RpcLimits::default());
    config.server.http_api = Namespaces::NONE.into();
    config.server.ws_api = Namespaces::NONE.into();
    config.server.auth = Some(AuthConfig::new(([127, 0, 0, 1], 0).into(), secret()));
    let node = Served::with(chain, config, None).await;
    let addr = node.handle.auth_addr().expect("a second port");
    assert_ne!(addr, node.handle.local_addr());
    (node, format!("http://{addr}"))
}

/// A token issued so many seconds from now.
fn token(secret: &JwtSecret, offset: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let claims = json!({"iat": now.saturating_add_signed(offset)});
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &key).expect("the node installed its cryptography")
}

#[tokio::test]
async fn the_authenticated_port_serves_everything_to_those_who_know_the_secret() {
    let (node, url) = authenticated(empty().chain()).await;
    assert_eq!(node.error("eth_chainId", json!([])).await.0, -32601);
    let client = reqwest::Client::new();
    let post = async |authorization: Option<String>| {
        let mut post = client.post(&url).header("content-type", "application/json");
        if let Some(authorization) = authorization {
            post = post.header("authorization", authorization);
        }
        let body = request("txpool_status", "[]");
        let response = post.body(body).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.text().await.expect("text"))
    };
    let missing = "missing token: send `Authorization: Bearer TOKEN` with a JSON Web Token (HS256, \
                   with iat) signed with the secret in the node's --authrpc.jwtsecret";
    assert_eq!(post(None).await, (401, missing.to_owned()));
    let basic = Some("Basic d2F0dDpsaW5l".to_owned());
    assert_eq!(post(basic).await, (401, missing.to_owned()));
    let invalid = "invalid token: InvalidToken; expected HS256 with the claim iat, signed with \
                   the node's secret";
    let nonsense = Some("Bearer nonsense".to_owned());
    assert_eq!(post(nonsense).await, (401, invalid.to_owned()));

    let secret = secret();
    let bearer = |secret, offset| Some(format!("Bearer {}", token(secret, offset)));
    let (status, text) = post(bearer(&secret, 0)).await;
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(answer["result"], json!({"pending": "0x0", "queued": "0x0"}));

    let other = JwtSecret::from_hex("08".repeat(32)).expect("a secret");
    let (status, text) = post(bearer(&other, 0)).await;
    assert_eq!(status, 401);
    assert!(
        text.starts_with("invalid token: InvalidSignature; "),
        "{text}"
    );
    for offset in [-90, 90] {
        let (status, text) = post(bearer(&secret, offset)).await;
        assert_eq!(status, 401);
        assert!(text.starts_with("stale token: it was issued at "), "{text}");
    }
}

#[tokio::test]
async fn a_websocket_is_authenticated_when_it_opens() {
    let (_node, url) = authenticated(empty().chain()).await;
    let url = url.replace("http", "ws");
    assert!(WsClientBuilder::default().build(&url).await.is_err());
    let headers = |token: String| {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {token}").parse().expect("a header");
        headers.insert("authorization", value);
        headers
    };
    // The node installs the cryptography, which the test shares, when it first checks a token.
    let refused = WsClientBuilder::default()
        .set_headers(headers("nonsense".to_owned()))
        .build(&url)
        .await;
    assert!(refused.is_err());
    let client = WsClientBuilder::default()
        .set_headers(headers(token(&secret(), 0)))
        .build(&url)
        .await
        .expect("the token is good");
    let modules: Value = client
        .request("rpc_modules", rpc_params![])
        .await
        .expect("an answer");
    assert_eq!(modules["debug"], "1.0");
}

#[tokio::test]
async fn browsers_are_told_what_pages_may_do() {
    let mut config = config(RpcLimits::default());
    config.server.allowed_origins = vec!["https://market.example".to_owned()];
    let node = Served::with(empty().chain(), config, None).await;
    let client = reqwest::Client::new();
    let preflight = async |origin: &str| {
        let ask = client.request(reqwest::Method::OPTIONS, node.url());
        let ask = ask
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,x-client",
            );
        let response = ask.send().await.expect("an answer");
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        (
            response.status().as_u16(),
            header("access-control-allow-origin"),
            header("access-control-allow-headers"),
            header("access-control-allow-credentials"),
            header("access-control-max-age"),
        )
    };
    let (status, origin, headers, credentials, age) = preflight("https://market.example").await;
    assert_eq!(status, 200);
    assert_eq!(origin.as_deref(), Some("https://market.example"));
    let headers = headers.expect("headers");
    for name in ["authorization", "content-type", "x-client"] {
        assert!(headers.contains(name), "{headers}");
    }
    assert_eq!((credentials, age.as_deref()), (None, Some("600")));
    let (_, origin, ..) = preflight("https://evil.example").await;
    assert_eq!(origin, None);
}

#[tokio::test]
async fn stopping_ends_every_listener() {
    let (node, url) = authenticated(empty().chain()).await;
    let ports = [
        node.handle.local_addr(),
        node.handle.auth_addr().expect("a port"),
    ];
    assert!(url.ends_with(&ports[1].to_string()));
    node.handle.stop();
    let stopped = tokio::time::timeout(Duration::from_secs(20), node.handle.stopped());
    stopped.await.expect("nobody is connected");
    for port in ports {
        assert!(tokio::net::TcpStream::connect(port).await.is_err());
    }
}
