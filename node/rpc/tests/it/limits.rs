//! How much one client may ask for.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use clap::{Args, Command};
use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wattline_rpc::RpcLimits;
use wattline_rpc_server::ServerLimits;

use crate::{
    chain::{LOOPER, empty},
    client::{Served, failure, request},
};

/// What the documentation says of an option.
fn documented() -> BTreeMap<&'static str, &'static str> {
    const PAGE: &str = include_str!("../../../../docs/rpc.md");
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        let &[_, limit, option, _] = cells.as_slice() else {
            return None;
        };
        let option = option.strip_prefix("`--")?.strip_suffix('`')?;
        Some((option, limit))
    });
    rows.filter(|(option, _)| option.starts_with("rpc."))
        .collect()
}

/// A number with its unit, in bytes or milliseconds where it has one; `None` where words begin.
fn amount(text: &str) -> Option<u64> {
    let text = text.replace([',', ' '], "");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" => 1,
        "MiB" => 1 << 20,
        "s" => 1_000,
        "m" | "minutes" => 60_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * unit)
}

#[test]
fn the_documented_limits_are_the_options() {
    let command = RpcLimits::augment_args(ServerLimits::augment_args(Command::new("node")));
    let documented = documented();
    let options: BTreeMap<_, _> = command
        .get_arguments()
        .filter_map(|option| Some((option.get_long()?, option.get_default_values().first()?)))
        .collect();
    assert_eq!(options.len(), 32);
    assert!(documented.keys().eq(options.keys()));
    for (option, default) in options {
        let says = documented[option];
        match option {
            "rpc.concurrent-calls" => {
                assert_eq!(says, "as many as the machine has cores, at least 2");
            }
            "rpc.concurrent-traces" => {
                assert_eq!(says, "half as many as the machine has cores, at least 1");
            }
            _ => {
                let (says, _) = says.split_once(", or").unwrap_or((says, ""));
                let default = default.to_str().and_then(amount);
                assert!(default.is_some(), "{option}");
                assert_eq!(amount(says), default, "{option}: {says}");
            }
        }
    }
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let limits = ServerLimits {
        max_request_bytes: 1000,
        ..ServerLimits::default()
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
    let limits = ServerLimits {
        max_batch: 3,
        ..ServerLimits::default()
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
    let limits = ServerLimits {
        max_response_bytes: 200,
        ..ServerLimits::default()
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
async fn calls_do_not_wait_for_ever_for_their_turn() {
    let limits = RpcLimits {
        concurrent_calls: 1,
        call_gas: u64::MAX,
        call_timeout: Duration::from_millis(300),
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    // They begin together and wait together, and each that gets a turn takes all of its time.
    let endless = || node.error("eth_call", json!([{"to": LOOPER}]));
    let answers = futures::future::join_all((0..8).map(|_| endless())).await;
    let busy = (
        -32005,
        "the node is busy with other calls: try again later".to_owned(),
    );
    let stopped = (-32000, "execution aborted (timeout = 0.3s)".to_owned());
    assert!(answers.contains(&busy), "{answers:?}");
    assert!(answers.contains(&stopped), "{answers:?}");
    let expected = [busy, stopped];
    assert!(answers.iter().all(|answer| expected.contains(answer)));
}

#[tokio::test]
async fn connections_have_a_limit() {
    let limits = ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
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
