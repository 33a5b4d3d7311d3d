//! Subscriptions over WebSocket.

use std::time::Duration;

use alloy_rpc_types_eth::{Header, Log};
use jsonrpsee::{
    core::client::{ClientT, Error, Subscription, SubscriptionClientT},
    rpc_params,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wattline_chain::test_utils::{Forge, Signers, Template};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{CHATTERER, LOGGER, LOOPER, accounts, call, call_with_gas, empty, genesis},
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
async fn a_reorganisation_removes_logs_and_pushes_all_new_heads() {
    let signers = Signers::new(3);
    let genesis = genesis(&signers);
    let shorter = Forge::new(genesis.clone(), signers.clone());
    let longer = Forge::new(genesis, signers);
    let tx = call(0, 0, LOGGER, word_bytes(5));
    let new = [
        longer.extend(Template::by(1)),
        longer.extend(Template::by(2).with(vec![tx.clone()])),
    ];

    let node = Served::new(shorter.chain()).await;
    let client = node.websocket().await;
    let mut heads: Subscription<Header> = client
        .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    let mut logs: Subscription<Log> = client
        .subscribe("eth_subscribe", rpc_params!["logs"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    // Out of turn, so that the branch of blocks in turn wins.
    let old = shorter.extend(Template::by(0).with(vec![tx]));
    assert_eq!(next(&mut heads).await.hash, old.hash());
    assert_eq!(next(&mut logs).await.block_hash, Some(old.hash()));

    for block in &new {
        node.chain.import(block.clone()).expect("a valid block");
    }
    assert_eq!(node.chain.head().hash(), new[1].hash());
    for block in &new {
        assert_eq!(next(&mut heads).await.hash, block.hash());
    }
    let removed = next(&mut logs).await;
    assert_eq!(
        (removed.block_hash, removed.removed),
        (Some(old.hash()), true)
    );
    let added = next(&mut logs).await;
    assert_eq!(
        (added.block_hash, added.removed),
        (Some(new[1].hash()), false)
    );
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
    let limits = RpcLimits {
        max_subscriptions_per_connection: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let client = node.websocket().await;
    let subscribe = async |params: jsonrpsee::core::params::ArrayParams| {
        client.request::<String, _>("eth_subscribe", params).await
    };
    assert_eq!(
        refusal(subscribe(rpc_params!["syncing"]).await),
        (
            -32601,
            "no \"syncing\" subscription in eth namespace: expected newHeads or logs".to_owned()
        )
    );
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
async fn a_client_that_reads_nothing_is_disconnected() {
    let limits = RpcLimits {
        max_connections: 1,
        subscription_buffer: 4,
        write_timeout: Duration::from_millis(100),
        ..RpcLimits::default()
    };
    let forge = empty();
    let node = Served::limited(forge.chain(), limits).await;
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
        "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["logs"]
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

    // More than the buffers of the system hold, none of which the client reads.
    for nonce in 0..12 {
        let chat = call_with_gas(0, nonce, CHATTERER, word_bytes(5_000), 5_000_000);
        forge.extend(Template::default().with(vec![chat]));
        tokio::task::yield_now().await;
    }
    // Its place among the connections is free again once it is gone.
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).to_string();
    let served = async { while node.post(request.clone()).await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .expect("the connection ends");
    drop(stream);
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
    let limits = RpcLimits {
        max_requests_in_flight: 1,
        call_gas: u64::MAX,
        call_timeout: Duration::from_millis(300),
        ..RpcLimits::default()
    };
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
