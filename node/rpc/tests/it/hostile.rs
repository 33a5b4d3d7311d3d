//! Requests that no honest client sends.

use alloy_primitives::B256;
use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::{Value, json};

use crate::{
    chain::{LOGGER, empty},
    client::{Served, failure, request},
};

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
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

/// The HTTP status and text of an answer, without the version that all have.
async fn brief(node: &Served, body: &str) -> (u16, String) {
    let (status, text) = node.post(body.to_owned()).await;
    (status, text.replacen(r#""jsonrpc":"2.0","#, "", 1))
}

#[tokio::test]
async fn what_is_odd_but_legal_is_answered() {
    let node = Served::new(empty().chain()).await;
    let chain = r#""result":"0xe1ec"}"#;
    let mut wrong = Vec::new();
    for (body, id) in [
        // Clients leave parameters out, send null, or an empty list or object.
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#, "1"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":null}"#,
            "1",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#,
            "1",
        ),
        // More parameters than there are.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1,"x"]}"#,
            "1",
        ),
        // Fields that nobody knows, in any order, among white space, and a method in escapes.
        (
            r#"{"future":{"a":[1]},"method":"eth_chainId","id":1,"jsonrpc":"2.0"}"#,
            "1",
        ),
        (
            " \t\r\n{ \"jsonrpc\" : \"2.0\" , \"id\" : 1 , \"method\" : \"eth_chainId\" } \n",
            "1",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth\u005fchainId"}"#,
            "1",
        ),
        // An id is given back as it came.
        (r#"{"jsonrpc":"2.0","id":0,"method":"eth_chainId"}"#, "0"),
        (
            r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"eth_chainId"}"#,
            "18446744073709551615",
        ),
        (
            r#"{"jsonrpc":"2.0","id":"","method":"eth_chainId"}"#,
            r#""""#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a\"\u0000","method":"eth_chainId"}"#,
            r#""a\"\u0000""#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"eth_chainId"}"#,
            "null",
        ),
    ] {
        let answer = brief(&node, body).await;
        if answer != (200, format!("{{\"id\":{id},{chain}")) {
            wrong.push((body, answer));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // By name as well as by position.
    let address = json!(LOGGER);
    let by_place = node.result("eth_getBalance", json!([address])).await;
    for named in [
        json!({"address": address}),
        json!({"address": address, "block": "latest"}),
        json!({"block": null, "address": address, "other": 1}),
    ] {
        assert_eq!(
            node.result("eth_getBalance", named.clone()).await,
            by_place,
            "{named}"
        );
    }
    let null = node.result("eth_getBalance", json!([address, null])).await;
    assert_eq!(null, by_place);
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_code_of_its_fault() {
    let node = Served::new(empty().chain()).await;
    let mut wrong = Vec::new();
    for (body, id, code) in [
        // What is said twice may mean two things.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","method":"eth_accounts"}"#,
            json!(1),
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[],"params":[]}"#,
            json!(1),
            -32600,
        ),
        (r#"{"id":1,"method":"eth_chainId"}"#, json!(1), -32600),
        (
            r#"{"jsonrpc":2.0,"id":1,"method":"eth_chainId"}"#,
            json!(1),
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}{}"#,
            Value::Null,
            -32700,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#,
            json!(1),
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":5}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"adress":"0x"}}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":[1e400,"latest"]}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":["0x1","latest",[1e400]]}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":[123456789012345678901234567890,"latest"]}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":null,"to":null}]}"#,
            json!(1),
            -32602,
        ),
    ] {
        let (_, text) = node.post(body).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if answer["id"] != id || answer["error"]["code"] != code {
            wrong.push((body, text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn notifications_are_not_answered() {
    let node = Served::new(empty().chain()).await;
    let notification = r#"{"jsonrpc":"2.0","method":"eth_chainId","params":[]}"#;
    for body in [
        notification.to_owned(),
        r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"no_such","params":{"a":1}}"#.to_owned(),
        format!("[{notification},{notification}]"),
    ] {
        assert_eq!(
            node.post(body.clone()).await,
            (200, String::new()),
            "{body}"
        );
    }
    let mixed = format!("[{notification},{},5,[]]", request("eth_chainId", "[]"));
    let answers = node.post_json(mixed).await;
    let brief: Vec<_> = answers.as_array().expect("a list").iter().collect();
    assert_eq!(brief.len(), 3, "{answers}");
    assert_eq!(answers[0]["result"], "0xe1ec");
    for answer in &brief[1..] {
        assert_eq!(failure(answer).code, -32600);
        assert_eq!(answer["id"], Value::Null);
    }
}

/// Nothing is done and nothing is said, where geth gives any number back as it came.
#[tokio::test]
async fn requests_with_ids_that_are_none_are_taken_as_notifications() {
    let node = Served::new(empty().chain()).await;
    for id in [
        "-1",
        "1.5",
        "18446744073709551616",
        "true",
        "[]",
        "{}",
        "1,\"id\":2",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#);
        assert_eq!(node.post(body).await, (200, String::new()), "{id}");
    }
}

/// Each input that the fuzzers began with, or found, is answered as any other request.
#[tokio::test]
async fn the_seeds_of_the_fuzzers_are_answered() {
    let node = Served::new(empty().chain()).await;
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/raw");
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).expect("a directory") {
        let path = seed.expect("readable").path();
        let (_, text) = node.post(std::fs::read(&path).expect("readable")).await;
        let answer: Value = match text.as_str() {
            "" => continue,
            text => serde_json::from_str(text).expect("JSON"),
        };
        let answers = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
        for answer in answers {
            assert_eq!(answer["jsonrpc"], "2.0", "{path:?}");
            let fault = answer["error"]["code"] == -32603;
            assert!(!fault, "{path:?}: {answer}");
        }
        count += 1;
    }
    assert!(count > 10);
}

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
    let document = node.result("rpc_discover", json!([])).await;
    for method in document["methods"].as_array().expect("a list") {
        if method["x-subscription"] == true {
            continue;
        }
        let count = method["params"].as_array().expect("a list").len();
        let method = method["name"].as_str().expect("a name");
        for value in &values {
            for place in 0..count {
                // The other parameters are of the right kind.
                let mut params = good_parameters(method);
                params.resize(count, Value::Null);
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
        let simulation = -38026..=-38010;
        assert!(
            expected.contains(&failure.code) || simulation.contains(&failure.code),
            "{method} {params}: {answer}"
        );
        assert!(!failure.message.is_empty());
    }
}
