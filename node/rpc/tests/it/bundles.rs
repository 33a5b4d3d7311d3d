//! Calls that build on one another, and access lists.

use alloy_primitives::{address, bytes};
use serde_json::{Value, json};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{BREAKER, LOGGER, REVERTER, TELLER, accounts, empty, story},
    client::{Served, quantity, word},
};

#[tokio::test]
async fn calls_see_what_those_before_them_did() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let read = json!({"to": LOGGER});
    let write = |value| json!({"to": LOGGER, "input": word(value)});
    let bundles = json!([
        {"transactions": [read, write(42), read, {"to": REVERTER}]},
        {"transactions": [read, {"to": BREAKER}]},
    ]);
    assert_eq!(
        node.result("eth_callMany", json!([bundles])).await,
        json!([
            [
                {"value": word(9)},
                {"value": "0x"},
                {"value": word(42)},
                {"error": "execution reverted: no power"},
            ],
            [{"value": word(42)}, {"error": "invalid opcode: INVALID"}],
        ])
    );
    // And nothing of it stays.
    assert_eq!(
        node.result("eth_call", json!([read, "latest"])).await,
        word(9)
    );
}

#[tokio::test]
async fn bundles_run_where_the_client_wants() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let read = json!([{"transactions": [{"to": LOGGER}]}]);
    // In block 1, the second transaction stores 7 and the third 9.
    for (context, value) in [
        (json!({"blockNumber": "0x0"}), 0),
        (json!({"blockNumber": "0x1"}), 9),
        (json!({"blockNumber": "0x1", "transactionIndex": -1}), 9),
        (json!({"blockNumber": "0x1", "transactionIndex": 0}), 0),
        (json!({"blockNumber": "0x1", "transactionIndex": 1}), 0),
        (json!({"blockNumber": "0x1", "transactionIndex": 2}), 7),
        (json!({"blockNumber": "0x1", "transactionIndex": 3}), 9),
        (json!({"blockNumber": "0x1", "transactionIndex": 99}), 9),
        (json!({"blockNumber": "latest"}), 9),
        (Value::Null, 9),
    ] {
        assert_eq!(
            node.result("eth_callMany", json!([read, context])).await,
            json!([[{"value": word(value)}]]),
            "{context}"
        );
    }
    let slot = word(0);
    let overrides =
        json!({LOGGER.to_string(): {"stateDiff": {slot.as_str().expect("text"): word(5)}}});
    assert_eq!(
        node.result("eth_callMany", json!([read, null, overrides]))
            .await,
        json!([[{"value": word(5)}]])
    );
    // Each bundle has its own block, or that of the state.
    let tell = json!({"to": TELLER});
    let bundles = json!([
        {"transactions": [tell], "blockOverride": {"number": "0x64"}},
        {"transactions": [tell]},
    ]);
    let told = node.result("eth_callMany", json!([bundles])).await;
    let number = |bundle: usize| told[bundle][0]["value"].as_str().expect("words")[..66].to_owned();
    assert_eq!(json!(number(0)), word(100));
    assert_eq!(json!(number(1)), word(3));
}

#[tokio::test]
async fn bundles_have_bounds() {
    let limits = RpcLimits {
        simulated_calls: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    for bundles in [json!([]), json!([{"transactions": []}])] {
        assert_eq!(
            node.error("eth_callMany", json!([bundles])).await,
            (
                -32602,
                "bundles are empty: expected at least one transaction".to_owned()
            )
        );
    }
    let call = json!({"to": LOGGER});
    let many = json!([{"transactions": [call, call]}, {"transactions": [call]}]);
    assert_eq!(
        node.error("eth_callMany", json!([many])).await,
        (
            -32005,
            "too many calls in one request: 3 given, limit 2: send several requests".to_owned()
        )
    );
    let unknown = json!([[{"transactions": [call]}], {"blockNumber": "0x4"}]);
    assert_eq!(
        node.error("eth_callMany", unknown).await,
        (-32000, "header not found".to_owned())
    );
}

#[tokio::test]
async fn access_lists_hold_what_is_touched() {
    let node = Served::new(empty().chain()).await;
    let from = accounts().address(0);
    let request = json!({"from": from, "to": LOGGER, "input": word(5)});
    let found = node
        .result("eth_createAccessList", json!([request, "latest"]))
        .await;
    assert_eq!(
        found["accessList"],
        json!([{"address": LOGGER, "storageKeys": [word(0)]}])
    );
    assert_eq!(found.get("error"), None);
    // It is the gas of the transaction that declares the list.
    let mut declared = request.clone();
    declared["accessList"] = found["accessList"].clone();
    declared["gas"] = found["gasUsed"].clone();
    node.result("eth_call", json!([declared])).await;
    let gas = quantity(&found["gasUsed"]).to::<u64>();
    declared["gas"] = json!(format!("{:#x}", gas - 1));
    node.failure("eth_call", json!([declared])).await;

    // An address that is only looked at is listed; sender, target and precompiles are not.
    let other = address!("00000000000000000000000000000000000000ef");
    let mut code = bytes!("73").to_vec();
    code.extend(other);
    code.extend(bytes!("3150")); // its balance
    code.extend(bytes!("335f31503031506004315000"));
    let overrides = json!({BREAKER.to_string(): {"code": alloy_primitives::Bytes::from(code)}});
    let found = node
        .result(
            "eth_createAccessList",
            json!([{"from": from, "to": BREAKER}, "latest", overrides]),
        )
        .await;
    let listed: Vec<_> = found["accessList"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["address"].clone())
        .collect();
    assert!(listed.contains(&json!(other)), "{listed:?}");
    for absent in [json!(from), json!(BREAKER)] {
        assert!(!listed.contains(&absent), "{listed:?}");
    }
    assert!(
        !listed.contains(&json!("0x0000000000000000000000000000000000000004")),
        "{listed:?}"
    );
}

#[tokio::test]
async fn access_lists_of_failing_transactions_say_why() {
    let node = Served::new(empty().chain()).await;
    for (to, error) in [
        (REVERTER, "execution reverted: no power"),
        (BREAKER, "invalid opcode: INVALID"),
    ] {
        let found = node
            .result(
                "eth_createAccessList",
                json!([{"to": to, "gas": "0x186a0"}]),
            )
            .await;
        assert_eq!(found["error"], error);
        assert_eq!(found["accessList"], json!([]));
    }
    let little = json!([{"to": LOGGER, "gas": "0x5207"}]);
    assert_eq!(
        node.error("eth_createAccessList", little).await,
        (
            -32000,
            "err: intrinsic gas too low: have 20999, want 21000 (supplied gas 20999)".to_owned()
        )
    );
}
