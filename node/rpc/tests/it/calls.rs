//! Calls and gas estimates.

use std::time::Duration;

use alloy_primitives::{B256, U256, address};
use serde_json::{Value, json};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{
        BREAKER, GWEI, LOGGER, LOOPER, MISER, PANICKER, REVERTER, TELLER, accounts, empty,
        panic_data, revert_data, story,
    },
    client::{Failure, Served, quantity, word},
};

#[tokio::test]
async fn calls_run_on_any_block() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    for (block, value) in [("0x0", 0), ("0x1", 9), ("latest", 9), ("pending", 9)] {
        assert_eq!(
            node.result("eth_call", json!([{"to": LOGGER}, block]))
                .await,
            word(value)
        );
    }
    // What a call writes is forgotten.
    let write = json!([{"to": LOGGER, "input": word(5)}, "latest"]);
    assert_eq!(node.result("eth_call", write).await, "0x");
    assert_eq!(
        node.result("eth_call", json!([{"to": LOGGER}])).await,
        word(9)
    );
    // The account that delegated to the logger has its code, and storage of its own.
    let delegated = json!([{"to": accounts().address(3)}, "latest"]);
    assert_eq!(node.result("eth_call", delegated).await, word(0));
}

#[tokio::test]
async fn calls_see_their_block_and_its_signer() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let from = accounts().address(1);
    let told = node
        .result("eth_call", json!([{"from": from, "to": TELLER}, "0x2"]))
        .await;
    let signer = wattline_chain::test_utils::Signers::new(1).address(0);
    let expected = [
        word(2),
        word(2),
        json!(signer.into_word()),
        json!(from.into_word()),
    ];
    assert_eq!(told, json!(joined(&expected)));
}

fn joined(words: &[Value]) -> String {
    let digits = words
        .iter()
        .map(|word| &word.as_str().expect("a word")[2..]);
    format!("0x{}", digits.collect::<String>())
}

#[tokio::test]
async fn reverts_carry_reason_and_data() {
    let node = Served::new(empty().chain()).await;
    for method in ["eth_call", "eth_estimateGas"] {
        let expected = |message: &str, data: Value| Failure {
            code: 3,
            message: message.to_owned(),
            data,
        };
        assert_eq!(
            node.failure(method, json!([{"to": REVERTER}])).await,
            expected("execution reverted: no power", json!(revert_data()))
        );
        assert_eq!(
            node.failure(method, json!([{"to": PANICKER}])).await,
            expected(
                "execution reverted: arithmetic underflow or overflow",
                json!(panic_data())
            )
        );
        let silent =
            json!([{"to": BREAKER}, "latest", {BREAKER.to_string(): {"code": "0x5f5ffd"}}]);
        assert_eq!(
            node.failure(method, silent).await,
            expected("execution reverted", json!("0x"))
        );
    }
}

#[tokio::test]
async fn exceptions_are_named() {
    let node = Served::new(empty().chain()).await;
    for (code, message) in [
        ("0xfe", "invalid opcode: INVALID"),
        ("0x01", "stack underflow"),
        ("0x600456", "invalid jump destination"),
        ("0x0c", "invalid opcode"),
    ] {
        let params = json!([{"to": BREAKER}, "latest", {BREAKER.to_string(): {"code": code}}]);
        assert_eq!(
            node.error("eth_call", params).await,
            (-32000, message.to_owned())
        );
    }
    let gas = json!([{"to": LOOPER, "gas": "0x186a0"}]);
    assert_eq!(
        node.error("eth_call", gas).await,
        (-32000, "out of gas".to_owned())
    );
}

#[tokio::test]
async fn calls_that_cannot_start_say_why() {
    let node = Served::new(empty().chain()).await;
    let poor = address!("00000000000000000000000000000000000000ff");
    let too_much = json!([{"from": poor, "to": LOGGER, "value": "0x5", "gas": "0x186a0"}]);
    let message = format!(
        "err: insufficient funds for gas * price + value: address {poor} have 0 want 5 (supplied \
         gas 100000)"
    );
    assert_eq!(
        node.error("eth_call", too_much.clone()).await,
        (-32000, message.clone())
    );
    assert_eq!(
        node.error("eth_estimateGas", too_much).await,
        (-32000, message)
    );
    let priced =
        json!([{"from": poor, "to": LOGGER, "value": "0x5", "gas": "0x186a0", "gasPrice": "0x1"}]);
    let (code, message) = node.error("eth_call", priced).await;
    assert_eq!(code, -32000);
    assert!(
        message.contains("insufficient funds for gas * price + value"),
        "{message}"
    );

    let little = json!([{"to": LOGGER, "gas": "0x5207"}]);
    assert_eq!(
        node.error("eth_call", little).await,
        (
            -32000,
            "err: intrinsic gas too low: have 20999, want 21000 (supplied gas 20999)".to_owned()
        )
    );
    for (request, message) in [
        (
            json!({"to": LOGGER, "chainId": "0x1"}),
            "chainId does not match node's (have=1, want=57836)",
        ),
        (
            json!({"to": LOGGER, "gasPrice": "0x1", "maxFeePerGas": "0x1"}),
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        (
            json!({"to": LOGGER, "blobVersionedHashes": [B256::ZERO]}),
            "blob transactions (EIP-4844) are refused on this chain",
        ),
    ] {
        assert_eq!(
            node.error("eth_call", json!([request])).await,
            (-32602, message.to_owned())
        );
    }
    let both = json!([{"to": LOGGER, "data": "0x01", "input": "0x02"}]);
    let (code, message) = node.error("eth_call", both).await;
    assert_eq!(code, -32602);
    assert!(
        message.contains("data") && message.contains("input"),
        "{message}"
    );
}

#[tokio::test]
async fn state_overrides_change_what_a_call_sees() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let logger = LOGGER.to_string();
    let read = async |overrides: Value| {
        node.result("eth_call", json!([{"to": LOGGER}, "latest", overrides]))
            .await
    };
    assert_eq!(read(json!({})).await, word(9));
    assert_eq!(
        read(json!({&logger: {"stateDiff": {word(0).as_str().expect("text"): word(42)}}})).await,
        word(42)
    );
    assert_eq!(
        read(json!({&logger: {"stateDiff": {word(1).as_str().expect("text"): word(42)}}})).await,
        word(9)
    );
    assert_eq!(
        read(json!({&logger: {"state": {word(1).as_str().expect("text"): word(42)}}})).await,
        word(0)
    );
    assert_eq!(
        read(json!({&logger: {"code": "0x60075f5260205ff3"}})).await,
        word(7)
    );

    let poor = address!("00000000000000000000000000000000000000ff");
    let pay = json!({"from": poor, "to": accounts().address(0), "value": "0x5"});
    let funded = json!({poor.to_string(): {"balance": "0x5"}});
    assert_eq!(
        node.result("eth_call", json!([pay, "latest", funded]))
            .await,
        "0x"
    );
    assert_eq!(
        node.result("eth_estimateGas", json!([pay, "latest", funded]))
            .await,
        "0x5208"
    );

    let both = json!({&logger: {"state": {}, "stateDiff": {}}});
    let (code, message) = node
        .error("eth_call", json!([{"to": LOGGER}, "latest", both]))
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("invalid state override: Both 'state' and 'stateDiff'"),
        "{message}"
    );
    // The identity precompile under another address.
    let moved = json!({
        "0x0000000000000000000000000000000000000004": {"movePrecompileToAddress": poor}
    });
    let echo = json!({"to": poor, "input": "0x1234"});
    assert_eq!(
        node.result("eth_call", json!([echo, "latest", moved]))
            .await,
        "0x1234"
    );
    let nothing = json!({logger: {"movePrecompileToAddress": poor}});
    let (code, message) = node
        .error("eth_call", json!([echo, "latest", nothing]))
        .await;
    assert_eq!(code, -32602);
    assert!(message.contains("not a precompile"), "{message}");
}

#[tokio::test]
async fn block_overrides_change_the_environment() {
    let node = Served::new(empty().chain()).await;
    let coinbase = address!("00000000000000000000000000000000000000cb");
    let block = json!({"number": "0x64", "time": "0xc8", "feeRecipient": coinbase});
    let told = node
        .result("eth_call", json!([{"to": TELLER}, "latest", null, block]))
        .await;
    let expected = [word(100), word(200), json!(coinbase.into_word()), word(0)];
    assert_eq!(told, json!(joined(&expected)));
}

#[tokio::test]
async fn estimates_are_enough_and_hardly_more() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let from = accounts().address(0);
    let transfer = json!([{"from": from, "to": accounts().address(1), "value": "0x1"}]);
    assert_eq!(node.result("eth_estimateGas", transfer).await, "0x5208");

    for request in [
        json!({"from": from, "to": LOGGER, "input": word(5)}),
        json!({"from": from, "to": MISER}),
        json!({"from": from, "input": "0x60015f5360015ff3"}),
        json!({"from": from, "to": LOGGER, "input": word(5), "gasPrice": "0x3b9aca00"}),
    ] {
        let gas: u64 =
            quantity(&node.result("eth_estimateGas", json!([request])).await).to::<u64>();
        let with = |gas: u64| {
            let mut request = request.clone();
            request["gas"] = json!(format!("{gas:#x}"));
            json!([request])
        };
        node.result("eth_call", with(gas)).await;
        node.failure("eth_call", with(gas * 98 / 100)).await;
    }
    // 100,000 are left after the 21,000 that every transaction costs.
    let miser = quantity(&node.result("eth_estimateGas", json!([{"to": MISER}])).await);
    assert!(
        miser > U256::from(121_000) && miser < U256::from(123_000),
        "{miser}"
    );
}

#[tokio::test]
async fn estimates_respect_what_is_allowed() {
    let node = Served::new(empty().chain()).await;
    let exceeds = |gas: u64| (-32000, format!("gas required exceeds allowance ({gas})"));
    // By the block, by the client, by the sender's purse.
    assert_eq!(
        node.error("eth_estimateGas", json!([{"to": LOOPER}])).await,
        exceeds(30_000_000)
    );
    let limited = json!([{"to": LOOPER, "gas": "0x186a0"}]);
    assert_eq!(
        node.error("eth_estimateGas", limited).await,
        exceeds(100_000)
    );
    let poor = address!("00000000000000000000000000000000000000ff");
    let priced = json!([
        {"from": poor, "to": LOGGER, "gasPrice": "0x3b9aca00"},
        "latest",
        {poor.to_string(): {"balance": format!("{:#x}", 20_000 * GWEI)}}
    ]);
    assert_eq!(node.error("eth_estimateGas", priced).await, exceeds(20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_calls_are_stopped() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        call_timeout: Duration::from_millis(200),
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let expected = (-32000, "execution aborted (timeout = 0.2s)".to_owned());
    assert_eq!(
        node.error("eth_call", json!([{"to": LOOPER}])).await,
        expected
    );
    // The node is there for others meanwhile and after.
    let endless = json!([{"to": LOOPER}]);
    let (stopped, number) = tokio::join!(
        node.error("eth_call", endless),
        node.result("eth_blockNumber", json!([]))
    );
    assert_eq!(stopped, expected);
    assert_eq!(number, "0x0");
}

#[tokio::test]
async fn calls_have_a_gas_cap() {
    let limits = RpcLimits {
        call_gas: 100_000,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let greedy = json!([{"to": MISER, "gas": "0xffffffff"}]);
    assert_eq!(
        node.error("eth_call", greedy).await,
        (-32000, "invalid opcode: INVALID".to_owned())
    );
}
