//! Subscriptions over WebSocket.

use std::time::Duration;

use alloy_primitives::Bytes;
use alloy_rpc_types_eth::{Header, Log, Transaction};
use futures::FutureExt as _;
use jsonrpsee::{
    core::client::{ClientT, Error, Subscription, SubscriptionClientT},
    rpc_params,
};
use jsonrpsee_ws_client::WsClient;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wattline_chain::test_utils::Template;
use wattline_primitives::RecoveredTransaction;
use wattline_rpc::RpcLimits;
use wattline_rpc_server::ServerLimits;

use crate::{
    chain::{CHATTERER, LOGGER, LOOPER, accounts, call, call_with_gas, empty, transfer},
    client::{Served, word_bytes},
};

/// The next notification, or a test that fails.
async fn next<T: DeserializeOwned>(subscription: &mut Subscription<T>) -> T {
    let next = tokio::time::timeout(Duration::from_secs(20), subscription.next());
    next.await
        .expect("in time")
        .expect("still subscribed")
        .expect("of the expected form")
}

#[tokio::test]
async fn new_heads_are_pushed() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let client = node.websocket().await;
    let mut heads: Subscription<Value> = client
        .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    for block in forge.extend_in_turn(3) {
        let head = next(&mut heads).await;
        assert_eq!(head["hash"], json!(block.hash()));
        assert_eq!(head["number"], json!(format!("{:#x}", block.number)));
        let millis = format!("{:#x}", block.timestamp * 1_000);
        assert_eq!(head["milliTimestamp"], json!(millis));
        assert!(head.get("transactions").is_none());
        let header: Header = serde_json::from_value(head).expect("libraries decode it");
        assert_eq!(header.inner.hash_slow(), block.hash());
    }
    heads.unsubscribe().await.expect("it was subscribed");
}

#[tokio::test]
async fn logs_are_pushed_by_filter() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let client = node.websocket().await;
    let topics = json!([null, accounts().address(1).into_word()]);
    let filter = json!({"address": LOGGER, "topics": topics});
    let mut logs: Subscription<Log> = client
        .subscribe(
            "eth_subscribe",
            rpc_params!["logs", filter],
            "eth_unsubscribe",
        )
        .await
        .expect("a subscription");
    let mine = [
        call(1, 0, LOGGER, word_bytes(5)),
        call(1, 1, LOGGER, word_bytes(6)),
    ];
    let other = call(0, 0, LOGGER, word_bytes(4));
    forge.extend(Template::default().with(vec![other, mine[0].clone(), mine[1].clone()]));
    for (index, tx) in mine.iter().enumerate() {
        let log = next(&mut logs).await;
        assert_eq!(log.transaction_hash, Some(*tx.tx_hash()));
        assert_eq!(log.log_index, Some(index as u64 + 1));
        assert!(!log.removed);
    }
}

#[tokio::test]
async fn ids_are_quantities_and_end_subscriptions_once() {
    let node = Served::new(empty().chain()).await;
    let client = node.websocket().await;
    let id: String = client
        .request("eth_subscribe", rpc_params!["newHeads"])
        .await
        .expect("a subscription");
    assert!(
        id.starts_with("0x") && u128::from_str_radix(&id[2..], 16).is_ok(),
        "{id}"
    );
    let end = async || {
        client
            .request::<bool, _>("eth_unsubscribe", rpc_params![&id])
            .await
    };
    assert!(end().await.expect("it was subscribed"));
    assert!(!end().await.expect("an answer"));
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (i32, String) {
    match result {
        Err(Error::Call(error)) => (error.code(), error.message().to_owned()),
        other => panic!("expected an error of the server: {other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_refused() {
    let limits = ServerLimits {
        max_subscriptions_per_connection: 2,
        ..ServerLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let client = node.websocket().await;
    let subscribe = async |params: jsonrpsee::core::params::ArrayParams| {
        client.request::<String, _>("eth_subscribe", params).await
    };
    assert_eq!(
        refusal(subscribe(rpc_params!["newheads"]).await),
        (
            -32601,
            "no \"newheads\" subscription in eth namespace: expected newHeads, logs, \
             newPendingTransactions or syncing"
                .to_owned()
        )
    );
    for (params, start) in [
        (
            rpc_params!["newPendingTransactions", "full"],
            "invalid choice of whole transactions: invalid type: string \"full\"",
        ),
        (
            rpc_params!["logs", true],
            "invalid log filter: invalid type: boolean `true`",
        ),
        (
            rpc_params!["newPendingTransactions", "f".repeat(100_000)],
            "invalid choice of whole transactions: invalid type: string",
        ),
    ] {
        let (code, message) = refusal(subscribe(params).await);
        assert_eq!(code, -32602);
        assert!(
            message.starts_with(start) && message.len() < 400,
            "{message}"
        );
    }
    let (code, message) = refusal(subscribe(rpc_params!["logs", json!({"adress": LOGGER})]).await);
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("invalid log filter: unknown field `adress`"),
        "{message}"
    );
    assert_eq!(refusal(subscribe(rpc_params![5]).await).0, -32602);

    for _ in 0..2 {
        subscribe(rpc_params!["newHeads"])
            .await
            .expect("within the limit");
    }
    let expected = (
        -32006,
        "Too many subscriptions on the connection".to_owned(),
    );
    assert_eq!(refusal(subscribe(rpc_params!["newHeads"]).await), expected);

    let (code, message) = node.error("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(code, -32601);
    assert!(
        message.starts_with("notifications not supported over HTTP"),
        "{message}"
    );
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected_and_holds_up_nobody() {
    let limits = ServerLimits {
        max_connections: 2,
        subscription_buffer: 4,
        write_timeout: Duration::from_millis(100),
        ..ServerLimits::default()
    };
    let forge = empty();
    let node = Served::limited(forge.chain(), limits).await;
    let other = node.websocket().await;
    let mut heads: Subscription<Value> = other
        .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    let stream = subscribe_and_read_no_more(&node, json!(["logs"])).await;

    // More than the buffers of the system hold, none of which the client reads.
    for nonce in 0..12 {
        let chat = call_with_gas(0, nonce, CHATTERER, word_bytes(5_000), 5_000_000);
        let block = forge.extend(Template::default().with(vec![chat]));
        assert_eq!(next(&mut heads).await["hash"], json!(block.hash()));
    }
    wait_for_a_free_connection(&node).await;
    drop(stream);
}

/// A client's place among the connections is free again once it is gone.
async fn wait_for_a_free_connection(node: &Served) {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).to_string();
    let served = async { while node.post(request.clone()).await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .expect("the connection ends");
}

/// A WebSocket that has subscribed to something and reads nothing more.
async fn subscribe_and_read_no_more(node: &Served, params: Value) -> TcpStream {
    let mut stream = TcpStream::connect(node.handle.local_addr())
        .await
        .expect("the port is open");
    let upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
                   Sec-WebSocket-Version: 13\r\n\r\n";
    stream
        .write_all(upgrade.as_bytes())
        .await
        .expect("it takes bytes");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    let subscribe = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params
    });
    stream
        .write_all(&text_frame(&subscribe.to_string()))
        .await
        .expect("it takes bytes");
    let mut text = String::new();
    while !text.contains("\"result\"") {
        let mut bytes = [0; 512];
        let count = stream.read(&mut bytes).await.expect("an answer");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    stream
}

/// Subscribes to transactions, whole or their hashes.
async fn transactions(client: &WsClient, full: Option<bool>) -> Subscription<Value> {
    let params = match full {
        Some(full) => rpc_params!["newPendingTransactions", full],
        None => rpc_params!["newPendingTransactions"],
    };
    client
        .subscribe("eth_subscribe", params, "eth_unsubscribe")
        .await
        .expect("a subscription")
}

fn wait(node: &Served, tx: &RecoveredTransaction) {
    node.pool.add(tx.inner().clone()).expect("it may wait");
}

#[tokio::test]
async fn executable_transactions_are_pushed_in_order() {
    let node = Served::new(empty().chain()).await;
    let client = node.websocket().await;
    let mut hashes = transactions(&client, None).await;
    let mut brief = transactions(&client, Some(false)).await;
    let mut full = transactions(&client, Some(true)).await;
    let [first, gap, third, other] = [
        transfer(0, 0, LOGGER, 1),
        transfer(0, 1, LOGGER, 2),
        transfer(0, 2, LOGGER, 3),
        transfer(1, 0, LOGGER, 4),
    ];
    for tx in [&first, &third, &other, &gap] {
        wait(&node, tx);
    }
    // The third waits for the one before it, which comes last.
    for (tx, sender) in [(&first, 0), (&other, 1), (&gap, 0), (&third, 0)] {
        let hash = json!(tx.tx_hash());
        assert_eq!(next(&mut hashes).await, hash);
        assert_eq!(next(&mut brief).await, hash);
        let object = next(&mut full).await;
        assert_eq!(object["hash"], hash);
        assert_eq!(object["from"], json!(accounts().address(sender)));
        assert_eq!(object["blockHash"], Value::Null);
        let decoded: Transaction = serde_json::from_value(object).expect("libraries decode it");
        assert_eq!(decoded.inner.tx_hash(), tx.tx_hash());
    }

    // Who unsubscribes hears no more, the others do.
    brief.unsubscribe().await.expect("it was subscribed");
    let last = transfer(1, 1, LOGGER, 5);
    wait(&node, &last);
    assert_eq!(next(&mut hashes).await, json!(last.tx_hash()));
    assert_eq!(next(&mut full).await["hash"], json!(last.tx_hash()));
}

#[tokio::test]
async fn syncing_is_answered_once() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let client = node.websocket().await;
    let mut heads: Subscription<Value> = client
        .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    let mut syncing: Subscription<Value> = client
        .subscribe("eth_subscribe", rpc_params!["syncing"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    assert_eq!(next(&mut syncing).await, json!(false));
    forge.extend(Template::default());
    next(&mut heads).await;
    assert!(syncing.next().now_or_never().is_none(), "nothing changed");
    syncing.unsubscribe().await.expect("it was subscribed");
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_while_another_goes_on() {
    let limits = ServerLimits {
        max_connections: 2,
        subscription_buffer: 4,
        write_timeout: Duration::from_secs(2),
        ..ServerLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let mut slow = subscribe_and_read_no_more(&node, json!(["newPendingTransactions", true])).await;
    let client = node.websocket().await;
    let mut hashes = transactions(&client, None).await;

    // More than the buffers of the system hold.
    let input = Bytes::from(vec![1; 100_000]);
    let txs: Vec<_> = (0..150)
        .map(|index| {
            call_with_gas(
                index % 2,
                index as u64 / 2,
                LOGGER,
                input.clone(),
                5_000_000,
            )
        })
        .collect();
    let pool = node.pool.clone();
    let sent: Vec<_> = txs.iter().map(|tx| tx.inner().clone()).collect();
    let adding = tokio::task::spawn_blocking(move || pool.add_many(sent));
    for tx in &txs {
        assert_eq!(next(&mut hashes).await, json!(tx.tx_hash()));
    }
    let added = adding.await.expect("no panic");
    assert!(added.iter().all(Result::is_ok), "the pool waits for nobody");

    // The slow one gets what was on its way, and then the end.
    wait_for_a_free_connection(&node).await;
    let mut rest = Vec::new();
    let end = slow.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(60), end)
        .await
        .expect("the connection ends");
    assert!(rest.len() < txs.len() * input.len() * 2);

    let last = transfer(2, 0, LOGGER, 1);
    wait(&node, &last);
    assert_eq!(next(&mut hashes).await, json!(last.tx_hash()));
}

/// A WebSocket frame of text, masked as clients must.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
    let mut frame = vec![0x81, 0x80 | length.expect("a short text"), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    frame
}

#[tokio::test]
async fn one_connection_cannot_ask_everything_at_once() {
    let limits = (
        ServerLimits {
            max_requests_in_flight: 1,
            ..ServerLimits::default()
        },
        RpcLimits {
            call_gas: u64::MAX,
            call_timeout: Duration::from_millis(300),
            ..RpcLimits::default()
        },
    );
    let node = Served::limited(empty().chain(), limits).await;
    let client = node.websocket().await;
    let endless = || client.request::<String, _>("eth_call", rpc_params![json!({"to": LOOPER})]);
    let (one, two) = tokio::join!(endless(), endless());
    let mut refusals = [refusal(one), refusal(two)];
    refusals.sort();
    assert_eq!(
        refusals,
        [
            (
                -32005,
                "too many requests at once on this connection, limit 1: wait for answers"
                    .to_owned()
            ),
            (-32000, "execution aborted (timeout = 0.3s)".to_owned()),
        ]
    );
    let number: String = client
        .request("eth_blockNumber", rpc_params![])
        .await
        .expect("an answer");
    assert_eq!(number, "0x0");
}
