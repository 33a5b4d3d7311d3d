//! Requests that no honest client sends.

use std::time::Duration;

use alloy_primitives::B256;
use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClientBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wattline_pool::{Pool, PoolConfig};
use wattline_rpc::{RpcContext, RpcLimits, RpcServerError, serve};

use crate::{
    chain::{LOGGER, empty},
    client::{Served, config, failure},
};

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn malformed_json_gets_the_code_of_its_fault() {
    let node = Served::new(empty().chain()).await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("\u{0}", -32700),
        ("nonsense", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId""#, -32700),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId",}"#,
            -32700,
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#,
            -32700,
        ),
        // Nothing says that this was meant to be a request.
        ("{}", -32700),
        ("[]", -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_coinbase"}"#,
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":"0x"}"#,
            -32602,
        ),
    ] {
        let answer = node.post_json(body).await;
        assert_eq!(failure(&answer).code, code, "{body}: {answer}");
    }
    for body in [
        &b"\xff\xfe{}"[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
    ] {
        let code = failure(&node.post_json(body).await).code;
        assert!([-32700, -32600].contains(&code), "{code}");
    }
    assert_eq!(node.result("eth_chainId", json!([])).await, "0xe1ec");
}

#[tokio::test]
async fn unknown_methods_are_named() {
    let node = Served::new(empty().chain()).await;
    assert_eq!(
        node.error("eth_mine", json!([])).await,
        (
            -32601,
            "the method eth_mine does not exist/is not available".to_owned()
        )
    );
    let (code, message) = node.error(&"x".repeat(100_000), json!([])).await;
    assert_eq!(code, -32601);
    assert!(message.len() < 200);
}

#[tokio::test]
async fn wrong_parameters_are_answered_with_what_was_expected() {
    let node = Served::new(empty().chain()).await;
    let address = LOGGER.to_string();
    for (method, params, reason, expected) in [
        (
            "eth_getBalance",
            json!([]),
            "a parameter is missing",
            "eth_getBalance(address, block?)",
        ),
        (
            "eth_getBalance",
            json!(["0x12"]),
            "length",
            "eth_getBalance(address, block?)",
        ),
        (
            "eth_getBalance",
            json!([5]),
            "invalid type",
            "eth_getBalance(address, block?)",
        ),
        (
            "eth_getBalance",
            json!([address, "newest"]),
            "0x prefix",
            "eth_getBalance(address, block?)",
        ),
        (
            "eth_getBalance",
            json!([address, {"blockHash": 1}]),
            "invalid type",
            "eth_getBalance(address, block?)",
        ),
        (
            "eth_getBlockByNumber",
            json!(["0x1"]),
            "a parameter is missing",
            "eth_getBlockByNumber(block number or tag, full transactions: true or false)",
        ),
        (
            "eth_getBlockByNumber",
            json!(["0x1", "yes"]),
            "expected a boolean",
            "eth_getBlockByNumber(block number or tag, full transactions: true or false)",
        ),
        (
            "eth_getStorageAt",
            json!([address, format!("0x1{}", "0".repeat(64))]),
            "",
            "eth_getStorageAt(address, slot of up to 32 bytes, block?)",
        ),
        (
            "eth_sendRawTransaction",
            json!(["0x0"]),
            "expected a valid hex string",
            "eth_sendRawTransaction(signed transaction bytes)",
        ),
        (
            "eth_sendRawTransaction",
            json!([{}]),
            "invalid type",
            "eth_sendRawTransaction(signed transaction bytes)",
        ),
        (
            "eth_getTransactionReceipt",
            json!(["0xzz"]),
            "",
            "eth_getTransactionReceipt(transaction hash)",
        ),
        (
            "web3_sha3",
            json!([null]),
            "invalid type",
            "web3_sha3(bytes)",
        ),
        (
            "clique_propose",
            json!([address, 1]),
            "expected a boolean",
            "clique_propose(address, authorize: true or false)",
        ),
    ] {
        let (code, message) = node.error(method, params.clone()).await;
        assert_eq!(code, -32602, "{method} {params}: {message}");
        assert!(message.starts_with("invalid params: "), "{message}");
        assert!(message.contains(reason), "{method} {params}: {message}");
        assert!(
            message.ends_with(&format!("; expected {expected}")),
            "{message}"
        );
    }
    let quoted = json!(["0x1", "y".repeat(1_000_000)]);
    let (_, message) = node.error("eth_getBlockByNumber", quoted).await;
    assert!(message.len() < 500, "{}", message.len());
}

#[tokio::test]
async fn deeply_nested_json_is_refused_without_harm() {
    let node = Served::new(empty().chain()).await;
    let depth = 500_000;
    let lists = nested("[", "]", depth);
    let objects = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let unfinished = "[".repeat(depth);
    let bodies = [
        lists.clone(),
        objects.clone(),
        unfinished.clone(),
        request("eth_call", &format!("[{lists}]")),
        request("eth_call", &format!("[{{\"to\":{lists}}}]")),
        request("eth_call", &format!("[{{\"unknown\":{lists}}}]")),
        request("eth_call", &format!("[{{}},\"latest\",{objects}]")),
        request("eth_getLogs", &format!("[{{\"topics\":{lists}}}]")),
        request("eth_getBalance", &lists),
        request("eth_getBalance", &objects),
        request("clique_getSigner", &format!("[{objects}]")),
        request("eth_feeHistory", &format!("[\"0x1\",\"latest\",{lists}]")),
        request("eth_chainId", &unfinished),
    ];
    for body in bodies {
        let (status, text) = node.post(body.clone()).await;
        let head: String = body.chars().take(80).collect();
        if status == 413 {
            continue;
        }
        let answer: Value = serde_json::from_str(&text).expect("an answer in JSON");
        let answers = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
        for answer in answers {
            let code = failure(&answer).code;
            assert!([-32700, -32600, -32602].contains(&code), "{head}: {answer}");
        }
    }
    let client = node.websocket().await;
    let deep: Value = serde_json::from_str(&nested("[", "]", 100)).expect("not too deep");
    assert!(
        client
            .request::<Value, _>("eth_call", rpc_params![deep])
            .await
            .is_err()
    );
    assert_eq!(node.result("eth_chainId", json!([])).await, "0xe1ec");
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let limits = RpcLimits {
        max_request_bytes: 1000,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let (status, text) = node
        .post(request(
            "web3_sha3",
            &format!("[\"0x{}\"]", "00".repeat(600)),
        ))
        .await;
    assert_eq!(status, 413);
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let failure = failure(&answer);
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (-32007, "Request is too big")
    );
    assert_eq!(failure.data, "Exceeded max limit of 1000");

    let client = node.websocket().await;
    let big =
        client.request::<B256, _>("web3_sha3", rpc_params![format!("0x{}", "00".repeat(600))]);
    let refused = tokio::time::timeout(Duration::from_secs(5), big).await;
    assert!(!matches!(refused, Ok(Ok(_))), "it must not be answered");
    let again = node.websocket().await;
    assert_eq!(
        again
            .request::<String, _>("eth_chainId", rpc_params![])
            .await
            .expect("served"),
        "0xe1ec"
    );
}

#[tokio::test]
async fn batches_have_a_limit() {
    let limits = RpcLimits {
        max_batch: 3,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let batch = |count: usize| {
        let call = request("eth_chainId", "[]");
        format!("[{}]", vec![call; count].join(","))
    };
    let answers = node.post_json(batch(3)).await;
    assert_eq!(answers.as_array().map(Vec::len), Some(3));
    assert!(
        answers
            .as_array()
            .is_some_and(|list| list.iter().all(|one| one["result"] == "0xe1ec"))
    );
    let failure = failure(&node.post_json(batch(4)).await);
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (-32010, "The batch request was too large")
    );
    assert_eq!(failure.data, "Exceeded max limit of 3");

    // One bad request in a batch spoils only itself.
    let mixed = format!(
        r#"[{},{{"id":2}},{}]"#,
        request("eth_chainId", "[]"),
        request("eth_getBalance", "[1]")
    );
    let answers = node.post_json(mixed).await;
    assert_eq!(answers[0]["result"], "0xe1ec");
    assert_eq!(answers[1]["error"]["code"], -32600);
    assert_eq!(answers[2]["error"]["code"], -32602);
    let message = answers[2]["error"]["message"].as_str().expect("a message");
    assert!(
        message.ends_with("expected eth_getBalance(address, block?)"),
        "{message}"
    );
}

#[tokio::test]
async fn oversized_answers_are_refused() {
    let limits = RpcLimits {
        max_response_bytes: 200,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let failure = node
        .failure("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (-32008, "Response is too big")
    );
}

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
    config.allowed_hosts = vec!["node.example".to_owned()];
    config.allowed_origins = vec!["https://market.example".to_owned()];
    let node = Served::with(forge.chain(), config, None).await;
    let client = reqwest::Client::new();
    let named = async |host: &str| {
        let request = client.post(node.url()).header("host", host);
        let request = request.header("content-type", "application/json");
        let response = request
            .body(request_body())
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
        let request = client.post(node.url()).header("origin", origin);
        let request = request.header("content-type", "application/json");
        let response = request
            .body(request_body())
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
        let mut headers = jsonrpsee::ws_client::HeaderMap::new();
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

fn request_body() -> String {
    request("eth_chainId", "[]")
}

#[tokio::test]
async fn connections_have_a_limit() {
    let limits = RpcLimits {
        max_connections: 1,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let _first = node.websocket().await;
    let mut second = TcpStream::connect(node.handle.local_addr())
        .await
        .expect("the port is open");
    second
        .write_all(b"POST / HTTP/1.1\r\n\r\n")
        .await
        .expect("it takes bytes");
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("too many connections: please try again in a bit\n"),
        "{answer}"
    );
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
    config.addr = node.handle.local_addr();
    let pool = Pool::open(
        PoolConfig::default(),
        None,
        forge.chain().storage().clone(),
        forge.chain().evm().clone(),
    );
    let context = RpcContext {
        chain: forge.chain().clone(),
        pool: pool.expect("a pool opens"),
        producer: None,
        dev_accounts: Vec::new(),
    };
    let error = serve(config, context).await.expect_err("the port is taken");
    assert!(
        matches!(&error, RpcServerError::AddressInUse(addr) if *addr == node.handle.local_addr())
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

/// Every method, with how many parameters it takes.
const METHODS: &[(&str, usize)] = &[
    ("clique_discard", 1),
    ("clique_getSigner", 1),
    ("clique_getSigners", 1),
    ("clique_getSignersAtHash", 1),
    ("clique_getSnapshot", 1),
    ("clique_getSnapshotAtHash", 1),
    ("clique_proposals", 0),
    ("clique_propose", 2),
    ("clique_status", 0),
    ("eth_accounts", 0),
    ("eth_blockNumber", 0),
    ("eth_call", 4),
    ("eth_chainId", 0),
    ("eth_estimateGas", 4),
    ("eth_feeHistory", 3),
    ("eth_gasPrice", 0),
    ("eth_getBalance", 2),
    ("eth_getBlockByHash", 2),
    ("eth_getBlockByNumber", 2),
    ("eth_getBlockReceipts", 1),
    ("eth_getCode", 2),
    ("eth_getLogs", 1),
    ("eth_getStorageAt", 3),
    ("eth_getTransactionByHash", 1),
    ("eth_getTransactionCount", 2),
    ("eth_getTransactionReceipt", 1),
    ("eth_maxPriorityFeePerGas", 0),
    ("eth_sendRawTransaction", 1),
    ("eth_syncing", 0),
    ("net_listening", 0),
    ("net_peerCount", 0),
    ("net_version", 0),
    ("web3_clientVersion", 0),
    ("web3_sha3", 1),
];

#[tokio::test]
async fn every_method_survives_every_kind_of_parameter() {
    let node = Served::new(empty().chain()).await;
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(18_446_744_073_709_551_615_u64),
        json!(""),
        json!("0x"),
        json!("0x0"),
        json!("0xffffffffffffffff"),
        json!("0x10000000000000000"),
        json!(format!("0x{}", "f".repeat(64))),
        json!(format!("0x{}", "f".repeat(1000))),
        json!(LOGGER),
        json!("latest"),
        json!("\u{0}\u{1F4A3}"),
        json!([]),
        json!([[], [null], {}]),
        json!({}),
        json!({"from": LOGGER, "to": LOGGER, "gas": "0xffffffffffffffff", "value": "0x1"}),
        json!({"gasPrice": format!("0x{}", "f".repeat(32)), "nonce": "0xffffffffffffffff"}),
        json!({"input": "0xfe", "accessList": [], "authorizationList": []}),
        json!({"fromBlock": "0xffffffffffffffff", "toBlock": "0xffffffffffffffff"}),
        json!({"blockHash": B256::ZERO}),
        json!({LOGGER.to_string(): {"balance": format!("0x{}", "f".repeat(64)), "code": "0xef00"}}),
        json!({"number": format!("0x{}", "f".repeat(64)), "time": "0xffffffffffffffff"}),
        json!({"gasLimit": "0x0", "baseFeePerGas": format!("0x{}", "f".repeat(64))}),
    ];
    for (method, count) in METHODS {
        for value in &values {
            for place in 0..*count {
                // The other parameters are of the right kind.
                let mut params = good_parameters(method);
                params.resize(*count, Value::Null);
                params[place] = value.clone();
                check(&node, method, &json!(params)).await;
            }
            check(&node, method, value).await;
        }
    }
}

fn good_parameters(method: &str) -> Vec<Value> {
    match method {
        "eth_call" | "eth_estimateGas" => vec![json!({"to": LOGGER})],
        "eth_feeHistory" => vec![json!("0x1"), json!("latest")],
        "eth_getBlockByNumber" => vec![json!("latest"), json!(true)],
        "eth_getBlockByHash" => vec![json!(B256::ZERO), json!(true)],
        "eth_getStorageAt" => vec![json!(LOGGER), json!("0x0")],
        "clique_propose" => vec![json!(LOGGER), json!(true)],
        _ => vec![json!(LOGGER)],
    }
}

/// The answer is a result or an error of the client's, never a fault of the node.
async fn check(node: &Served, method: &str, params: &Value) {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = node.post_json(request.to_string()).await;
    if answer.get("result").is_none() {
        let failure = failure(&answer);
        let expected = [-32600, -32602, -32000, -32005, 3];
        assert!(
            expected.contains(&failure.code),
            "{method} {params}: {answer}"
        );
        assert!(!failure.message.is_empty());
    }
}
