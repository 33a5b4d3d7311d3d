//! Blocks of calls that nobody else sees.

use alloy_primitives::{Address, B256, U256, address};
use alloy_rpc_types_eth::{Block, simulate::SimulatedBlock};
use serde_json::{Value, json};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{BREAKER, LOGGER, REVERTER, TELLER, TOPIC, accounts, empty, revert_data, story},
    client::{Served, quantity, word},
};

#[allow(clippy::needless_pass_by_value, reason = "it wraps JSON literals")]
fn blocks(blocks: Value) -> Value {
    json!({"blockStateCalls": blocks})
}

#[tokio::test]
async fn blocks_build_on_one_another() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let head = story.forge.blocks().pop().expect("a block");
    let from = accounts().address(0);
    let write = json!({"from": from, "to": LOGGER, "input": word(42)});
    let read = json!({"to": LOGGER});
    let payload = blocks(json!([
        {"calls": [write, {"to": REVERTER}, {"to": BREAKER, "gas": "0x186a0"}]},
        {"calls": [read]},
    ]));
    let simulated = node
        .result("eth_simulateV1", json!([payload, "latest"]))
        .await;
    let decoded: Vec<SimulatedBlock<Block>> =
        serde_json::from_value(simulated.clone()).expect("libraries decode it");
    assert_eq!(decoded.len(), 2);
    for block in &decoded {
        assert_eq!(
            block.inner.header.inner.hash_slow(),
            block.inner.header.hash
        );
    }

    let (first, second) = (&simulated[0], &simulated[1]);
    assert_eq!(first["number"], "0x4");
    assert_eq!(second["number"], "0x5");
    assert_eq!(first["parentHash"], json!(head.hash()));
    assert_eq!(second["parentHash"], first["hash"]);
    assert_eq!(first["timestamp"], "0x4");
    assert_eq!(first["milliTimestamp"], "0xfa0");
    assert_eq!(first["baseFeePerGas"], "0x0");
    assert_eq!(first["gasLimit"], "0x1c9c380");
    assert_eq!(first["transactions"].as_array().map(Vec::len), Some(3));

    let calls = &first["calls"];
    assert_eq!(calls[0]["status"], "0x1");
    let log = &calls[0]["logs"][0];
    assert_eq!(log["address"], json!(LOGGER));
    assert_eq!(log["topics"], json!([TOPIC, from.into_word()]));
    assert_eq!(log["data"], word(42));
    assert_eq!(log["blockHash"], first["hash"]);
    assert_eq!(log["blockNumber"], "0x4");
    assert_eq!(log["transactionHash"], first["transactions"][0]);
    assert_eq!(log["logIndex"], "0x0");
    assert_eq!(calls[1]["status"], "0x0");
    assert_eq!(
        calls[1]["error"],
        json!({"code": 3, "message": "execution reverted: no power", "data": revert_data()})
    );
    assert_eq!(calls[1]["returnData"], json!(revert_data()));
    assert_eq!(
        calls[2]["error"],
        json!({"code": -32015, "message": "invalid opcode: INVALID"})
    );
    assert_eq!(calls[2]["gasUsed"], "0x186a0");
    let used: U256 = (0..3).map(|call| quantity(&calls[call]["gasUsed"])).sum();
    assert_eq!(quantity(&first["gasUsed"]), used);
    assert_eq!(second["calls"][0]["returnData"], word(42));
    // Nothing of it stays.
    assert_eq!(
        node.result("eth_call", json!([read, "latest"])).await,
        word(9)
    );
}

#[tokio::test]
async fn a_simulated_block_is_the_block_that_would_be() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    // The same transaction, simulated and sealed, leads to the same state.
    let tx = crate::chain::transfer(0, 2, accounts().address(1), 5);
    let call = json!({
        "from": accounts().address(0),
        "to": accounts().address(1),
        "value": "0x5",
        "gas": "0x5208",
    });
    let payload = json!({"blockStateCalls": [{"calls": [call]}], "validation": true});
    let simulated = node.result("eth_simulateV1", json!([payload])).await;
    let sealed = story
        .forge
        .build(wattline_chain::test_utils::Template::default().with(vec![tx]));
    assert_eq!(simulated[0]["stateRoot"], json!(sealed.state_root));
    assert_eq!(simulated[0]["receiptsRoot"], json!(sealed.receipts_root));
    assert_eq!(simulated[0]["gasUsed"], "0x5208");
    // On an older block there is no state root.
    let older = node
        .result("eth_simulateV1", json!([payload_of_nothing(), "0x1"]))
        .await;
    assert_eq!(older[0]["number"], "0x2");
    assert_eq!(older[0]["stateRoot"], json!(B256::ZERO));
}

fn payload_of_nothing() -> Value {
    blocks(json!([{}]))
}

#[tokio::test]
async fn overrides_hold_for_their_block() {
    let node = Served::new(empty().chain()).await;
    let coinbase = address!("00000000000000000000000000000000000000cb");
    let slot = word(0);
    let slot = slot.as_str().expect("text");
    let payload = blocks(json!([
        {
            "blockOverrides": {"number": "0x3", "time": "0x64", "feeRecipient": coinbase},
            "stateOverrides": {LOGGER.to_string(): {"stateDiff": {slot: word(7)}}},
            "calls": [{"to": TELLER}, {"to": LOGGER}],
        },
        {"calls": [{"to": TELLER}, {"to": LOGGER}]},
    ]));
    let simulated = node.result("eth_simulateV1", json!([payload])).await;
    let numbers: Vec<_> = (0..4)
        .map(|block| simulated[block]["number"].clone())
        .collect();
    assert_eq!(numbers, ["0x1", "0x2", "0x3", "0x4"], "gaps are filled");
    assert_eq!(simulated[1]["timestamp"], "0x2");
    assert_eq!(simulated[2]["timestamp"], "0x64");
    assert_eq!(simulated[2]["miner"], json!(coinbase));
    assert_eq!(simulated[3]["timestamp"], "0x65");
    let told = |block: usize, index: usize| -> String {
        let data = simulated[block]["calls"][0]["returnData"]
            .as_str()
            .expect("words");
        format!("0x{}", &data[2 + 64 * index..2 + 64 * (index + 1)])
    };
    assert_eq!(json!(told(2, 0)), word(3));
    assert_eq!(json!(told(2, 1)), word(100));
    assert_eq!(json!(told(2, 2)), json!(coinbase.into_word()));
    assert_eq!(json!(told(3, 0)), word(4));
    // The state goes on, the block's overrides do not.
    assert_ne!(json!(told(3, 2)), json!(coinbase.into_word()));
    for block in [2, 3] {
        assert_eq!(simulated[block]["calls"][1]["returnData"], word(7));
    }
}

#[tokio::test]
async fn transfers_are_logged_if_wanted() {
    let node = Served::new(empty().chain()).await;
    let (from, to) = (accounts().address(0), accounts().address(1));
    let pay = json!({"from": from, "to": to, "value": "0x5"});
    let mut payload = blocks(json!([{"calls": [pay]}]));
    let plain = node.result("eth_simulateV1", json!([payload])).await;
    assert_eq!(plain[0]["calls"][0]["logs"], json!([]));
    payload["traceTransfers"] = json!(true);
    payload["returnFullTransactions"] = json!(true);
    let traced = node.result("eth_simulateV1", json!([payload])).await;
    let log = &traced[0]["calls"][0]["logs"][0];
    assert_eq!(log["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    let topic = alloy_primitives::keccak256("Transfer(address,address,uint256)");
    assert_eq!(
        log["topics"],
        json!([topic, from.into_word(), to.into_word()])
    );
    assert_eq!(log["data"], word(5));
    // They are no part of the block.
    assert_eq!(traced[0]["receiptsRoot"], plain[0]["receiptsRoot"]);
    assert_eq!(traced[0]["hash"], plain[0]["hash"]);
    let tx = &traced[0]["transactions"][0];
    assert_eq!(tx["from"], json!(from));
    assert_eq!(tx["value"], "0x5");
    assert_eq!(tx["hash"], plain[0]["transactions"][0]);
    assert_eq!(tx["blockHash"], traced[0]["hash"]);
}

#[tokio::test]
async fn validation_checks_what_a_block_would() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let from = accounts().address(0);
    let poor = address!("00000000000000000000000000000000000000ff");
    for (call, code, message) in [
        (
            json!({"from": from, "to": LOGGER, "nonce": "0x0"}),
            -38010,
            format!("nonce too low: address {from}, tx: 0 state: 2"),
        ),
        (
            json!({"from": from, "to": LOGGER, "nonce": "0x9"}),
            -38011,
            format!("nonce too high: address {from}, tx: 9 state: 2"),
        ),
        (
            json!({"from": from, "to": LOGGER, "gas": "0x5207"}),
            -38013,
            "intrinsic gas too low: have 20999, want 21000".to_owned(),
        ),
        (
            json!({"from": poor, "to": LOGGER, "value": "0x5"}),
            -38014,
            format!("insufficient funds for gas * price + value: address {poor} have 0 want 5"),
        ),
        (
            json!({"from": from, "to": LOGGER, "gas": "0x1c9c381"}),
            -38015,
            "block gas limit reached: gas 30000001, remaining 30000000".to_owned(),
        ),
        (
            json!({"from": from, "input": format!("0x{}", "00".repeat(49_153))}),
            -38025,
            "max initcode size exceeded".to_owned(),
        ),
    ] {
        let payload = json!({"blockStateCalls": [{"calls": [call]}], "validation": true});
        assert_eq!(
            node.error("eth_simulateV1", json!([payload])).await,
            (code, message)
        );
    }
    let fee = json!({"from": from, "to": LOGGER, "maxFeePerGas": "0x1"});
    let payload = json!({
        "blockStateCalls": [{"blockOverrides": {"baseFeePerGas": "0x2"}, "calls": [fee]}],
        "validation": true,
    });
    let (code, message) = node.error("eth_simulateV1", json!([payload])).await;
    assert!(
        message.starts_with("max fee per gas less than block base fee"),
        "{message}"
    );
    assert_eq!(code, -38012);

    // Without it nonces and base fee do not matter.
    let loose = blocks(json!([{"calls": [
        {"from": from, "to": LOGGER, "nonce": "0x0"},
        {"from": from, "to": LOGGER, "nonce": "0x9"},
    ]}]));
    let simulated = node.result("eth_simulateV1", json!([loose])).await;
    for call in 0..2 {
        assert_eq!(simulated[0]["calls"][call]["status"], "0x1");
    }
}

#[tokio::test]
async fn what_makes_no_chain_is_refused() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let at = |overrides: Value| json!({"blockOverrides": overrides});
    let identity = "0x0000000000000000000000000000000000000004";
    let sha256 = "0x0000000000000000000000000000000000000002";
    let moves = |to: &str| json!({"movePrecompileToAddress": to});
    for (payload, code, message) in [
        (json!([]), -32602, "empty input".to_owned()),
        (
            json!([at(json!({"number": "0x3"}))]),
            -38020,
            "block numbers must be in order: 3 <= 3".to_owned(),
        ),
        (
            json!([at(json!({"number": "0x9"})), at(json!({"number": "0x8"}))]),
            -38020,
            "block numbers must be in order: 8 <= 9".to_owned(),
        ),
        (
            json!([at(json!({"time": "0x3"}))]),
            -38021,
            "block timestamps must be in order: 3 <= 3".to_owned(),
        ),
        (
            json!([at(json!({"number": "0x104"}))]),
            -38026,
            "too many blocks: at most 256, those included that fill gaps".to_owned(),
        ),
        (
            Value::Array(vec![json!({}); 257]),
            -38026,
            "too many blocks: at most 256, those included that fill gaps".to_owned(),
        ),
        (
            json!([{"stateOverrides": {identity: moves(identity)}}]),
            -38022,
            format!(
                "MovePrecompileToAddress of {} refers to itself",
                identity.parse::<Address>().expect("an address")
            ),
        ),
        (
            json!([{"stateOverrides": {identity: moves(&LOGGER.to_string()), sha256: moves(&LOGGER.to_string())}}]),
            -38023,
            format!("several MovePrecompileToAddress refer to {LOGGER}"),
        ),
    ] {
        assert_eq!(
            node.error("eth_simulateV1", json!([blocks(payload)])).await,
            (code, message)
        );
    }
    assert_eq!(
        node.error("eth_simulateV1", json!([payload_of_nothing(), "0x9"]))
            .await,
        (-32000, "header not found".to_owned())
    );
    let blob = json!({"to": LOGGER, "blobVersionedHashes": [B256::ZERO]});
    assert_eq!(
        node.error(
            "eth_simulateV1",
            json!([blocks(json!([{"calls": [blob]}]))])
        )
        .await,
        (
            -32602,
            "blob transactions (EIP-4844) are refused on this chain".to_owned()
        )
    );
    // As many blocks as there may be.
    let most = Value::Array(vec![json!({}); 256]);
    let simulated = node.result("eth_simulateV1", json!([blocks(most)])).await;
    assert_eq!(simulated.as_array().map(Vec::len), Some(256));
}

#[tokio::test]
async fn precompiles_move() {
    let node = Served::new(empty().chain()).await;
    let identity = "0x0000000000000000000000000000000000000004";
    let elsewhere = address!("0000000000000000000000000000000000000e04");
    let echo = |to: Value| json!({"to": to, "input": "0x1234"});
    let payload = blocks(json!([
        {
            "stateOverrides": {identity: {"movePrecompileToAddress": elsewhere}},
            "calls": [echo(json!(elsewhere)), echo(json!(identity))],
        },
        {"calls": [echo(json!(elsewhere))]},
    ]));
    let simulated = node.result("eth_simulateV1", json!([payload])).await;
    assert_eq!(simulated[0]["calls"][0]["returnData"], "0x1234");
    assert_eq!(simulated[0]["calls"][1]["returnData"], "0x");
    assert_eq!(simulated[1]["calls"][0]["returnData"], "0x1234");
}

#[tokio::test]
async fn all_calls_together_have_a_gas_limit() {
    let limits = RpcLimits {
        call_gas: 50_000,
        simulated_calls: 3,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let burn = json!({"to": BREAKER});
    let once = blocks(json!([{"calls": [burn]}]));
    let simulated = node.result("eth_simulateV1", json!([once])).await;
    assert_eq!(simulated[0]["calls"][0]["gasUsed"], "0xc350");
    let twice = blocks(json!([{"calls": [burn, burn]}]));
    assert_eq!(
        node.error("eth_simulateV1", json!([twice])).await,
        (
            -38026,
            "the calls have used all the gas that one request may use: simulate less".to_owned()
        )
    );
    let many = blocks(json!([{"calls": [burn, burn]}, {"calls": [burn, burn]}]));
    assert_eq!(
        node.error("eth_simulateV1", json!([many])).await,
        (
            -32005,
            "too many calls in one request: 4 given, limit 3: send several requests".to_owned()
        )
    );
}
