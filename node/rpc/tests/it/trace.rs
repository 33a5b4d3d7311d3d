//! The `trace` namespace.

use std::time::Duration;

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, U256};
use serde_json::{Value, json};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{ETHER, LOGGER, LOOPER, REVERTER, accounts, logger_code, revert_data, story, transfer},
    client::{Served, hex, word},
    traced::{CALLER, DIVER, PESTER, Traced, hash, traced},
};

async fn served() -> (Traced, Served) {
    let traced = traced();
    let node = Served::new(traced.forge.chain()).await;
    (traced, node)
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"))
}

#[tokio::test]
async fn blocks_and_transactions_show_their_calls() {
    let (traced, node) = served().await;
    let first = node.result("trace_block", json!(["0x1"])).await;
    let first = list(&first);
    let places: Vec<(Value, Value)> = first
        .iter()
        .map(|trace| {
            (
                trace["transactionPosition"].clone(),
                trace["traceAddress"].clone(),
            )
        })
        .collect();
    let expected = [
        (json!(0), json!([])),
        (json!(1), json!([])),
        (json!(1), json!([0])),
        (json!(1), json!([1])),
        (json!(2), json!([])),
    ];
    assert_eq!(places, expected);
    let block = traced.forge.blocks()[0].hash();
    let sent = &first[0];
    assert_eq!(sent["type"], "call");
    assert_eq!(sent["action"]["from"], json!(accounts().address(0)));
    assert_eq!(sent["action"]["to"], json!(accounts().address(1)));
    assert_eq!(sent["action"]["value"], "0x5");
    assert_eq!(sent["action"]["callType"], "call");
    assert_eq!(sent["result"], json!({"gasUsed": "0x0", "output": "0x"}));
    assert_eq!(sent["blockHash"], json!(block));
    assert_eq!(sent["blockNumber"], 1);
    assert_eq!(sent["transactionHash"], hash(&traced.transfer));
    assert_eq!(first[1]["subtraces"], 2);
    assert_eq!(first[2]["action"]["input"], word(7));
    assert_eq!(first[3]["error"], "Reverted");
    assert_eq!(first[3]["result"]["output"], json!(revert_data()));

    let nested = node
        .result("trace_transaction", json!([hash(&traced.nested)]))
        .await;
    assert_eq!(list(&nested), &first[1..4]);
    let created = node
        .result("trace_transaction", json!([hash(&traced.created)]))
        .await;
    assert_eq!(created[0]["type"], "create");
    assert_eq!(created[0]["result"]["code"], "0x01");
    let receipt = node
        .result("eth_getTransactionReceipt", json!([hash(&traced.created)]))
        .await;
    assert_eq!(created[0]["result"]["address"], receipt["contractAddress"]);

    let get = async |place: Value| {
        node.result("trace_get", json!([hash(&traced.nested), place]))
            .await
    };
    assert_eq!(get(json!(["0x1"])).await, first[3]);
    assert_eq!(get(json!([])).await, first[1]);
    assert_eq!(get(json!(["0x2"])).await, Value::Null);
    assert_eq!(get(json!(["0x0", "0x0"])).await, Value::Null);

    assert_eq!(node.result("trace_block", json!(["0x3"])).await, json!([]));
    assert_eq!(node.result("trace_block", json!(["0x0"])).await, json!([]));
    let unknown = json!(B256::repeat_byte(7));
    for method in ["trace_block", "trace_transaction"] {
        assert_eq!(node.result(method, json!([unknown])).await, Value::Null);
    }
    assert_eq!(
        node.result("trace_get", json!([unknown, []])).await,
        Value::Null
    );
}

#[tokio::test]
async fn calls_are_found_by_who_made_and_received_them() {
    let (traced, node) = served().await;
    let filter = async |filter: Value| node.result("trace_filter", json!([filter])).await;
    let to_logger = filter(json!({"toAddress": [LOGGER]})).await;
    let found: Vec<(&Value, &Value)> = list(&to_logger)
        .iter()
        .map(|trace| (&trace["transactionHash"], &trace["traceAddress"]))
        .collect();
    let (nested, logged) = (hash(&traced.nested), hash(&traced.logged));
    assert_eq!(found, [(&nested, &json!([0])), (&logged, &json!([]))]);

    let sender = accounts().address(1);
    let both = json!({"fromAddress": [sender], "toAddress": [LOGGER], "fromBlock": "earliest"});
    assert_eq!(list(&filter(both).await).len(), 1);
    // The three calls of account 1, and the one that the caller made.
    let either = json!({"fromAddress": [sender], "toAddress": [LOGGER], "mode": "union"});
    assert_eq!(list(&filter(either).await).len(), 4);
    let all = filter(json!({"fromBlock": "0x1", "toBlock": "latest"})).await;
    // Block 1 has five; block 2 a revert, a creation, a call and a static call in it.
    assert_eq!(list(&all).len(), 9);
    let page = filter(json!({"after": 2, "count": 3})).await;
    assert_eq!(list(&page), &list(&all)[2..5]);
    assert_eq!(filter(json!({"count": 0})).await, json!([]));
    assert_eq!(filter(json!({"fromBlock": "0x3"})).await, json!([]));

    assert_eq!(
        node.error(
            "trace_filter",
            json!([{"fromBlock": "0x3", "toBlock": "0x1"}])
        )
        .await,
        (-32602, "fromBlock 3 is after toBlock 1".to_owned())
    );
    let limits = RpcLimits {
        trace_blocks: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(traced.forge.chain(), limits).await;
    assert_eq!(
        node.error("trace_filter", json!([{"fromBlock": "0x1"}]))
            .await,
        (
            -32005,
            "3 blocks from 1 to 3: expected at most 2 in one trace_filter".to_owned()
        )
    );
    let (code, _) = node
        .error("trace_filter", json!([{"formBlock": "0x1"}]))
        .await;
    assert_eq!(code, -32602);
}

#[tokio::test]
async fn state_diffs_are_what_a_transaction_changed() {
    let (traced, node) = served().await;
    let replay = async |tx: Value| {
        node.result("trace_replayTransaction", json!([tx, ["stateDiff"]]))
            .await
    };
    let wei = |amount: u128| json!(format!("{amount:#x}"));
    let sent = replay(hash(&traced.transfer)).await;
    assert_eq!(sent["trace"], json!([]));
    assert_eq!(sent["vmTrace"], Value::Null);
    assert_eq!(
        sent["stateDiff"],
        json!({
            accounts().address(0).to_string().to_lowercase(): {
                "balance": {"*": {"from": wei(1000 * ETHER), "to": wei(1000 * ETHER - 5)}},
                "code": "=",
                "nonce": {"*": {"from": "0x0", "to": "0x1"}},
                "storage": {}
            },
            accounts().address(1).to_string().to_lowercase(): {
                "balance": {"*": {"from": wei(1000 * ETHER), "to": wei(1000 * ETHER + 5)}},
                "code": "=",
                "nonce": "=",
                "storage": {}
            }
        })
    );
    let logged = replay(hash(&traced.logged)).await;
    let zero = word(0);
    assert_eq!(
        logged["stateDiff"][LOGGER.to_string().to_lowercase()]["storage"],
        json!({zero.as_str().expect("text"): {"*": {"from": word(7), "to": word(8)}}})
    );
    let created = replay(hash(&traced.created)).await;
    let address = accounts().address(0).create(1).to_string().to_lowercase();
    assert_eq!(created["stateDiff"][&address]["code"], json!({"+": "0x01"}));

    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let delegated = node
        .result(
            "trace_replayTransaction",
            json!([hash(&story.eip7702), ["stateDiff"]]),
        )
        .await;
    let account = accounts().address(3).to_string().to_lowercase();
    let designator = format!("0xef0100{}", &LOGGER.to_string().to_lowercase()[2..]);
    assert_eq!(
        delegated["stateDiff"][account]["code"],
        json!({"*": {"from": "0x", "to": designator}})
    );
}

#[tokio::test]
async fn vm_traces_nest_as_the_calls_did() {
    let (traced, node) = served().await;
    let types = json!(["trace", "vmTrace", "stateDiff"]);
    let replayed = node
        .result(
            "trace_replayTransaction",
            json!([hash(&traced.nested), types]),
        )
        .await;
    assert_eq!(list(&replayed["trace"]).len(), 3);
    let ops = list(&replayed["vmTrace"]["ops"]);
    let calls: Vec<&Value> = ops.iter().filter(|op| op["op"] == "CALL").collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["sub"]["code"], json!(logger_code()));
    assert_eq!(calls[0]["ex"]["push"], json!(["0x1"]));
    assert_eq!(calls[1]["ex"]["push"], json!(["0x0"]));
    assert_ne!(calls[1]["sub"]["code"], calls[0]["sub"]["code"]);
    let logger = list(&calls[0]["sub"]["ops"]);
    let find = |name: &str| {
        logger
            .iter()
            .find(|op| op["op"] == name)
            .expect("an operation")
    };
    assert_eq!(
        find("SSTORE")["ex"]["store"],
        json!({"key": "0x0", "val": "0x7"})
    );
    assert_eq!(
        find("MSTORE")["ex"]["mem"],
        json!({"off": 0, "data": word(7)})
    );
    assert_eq!(find("CALLDATASIZE")["ex"]["push"], json!(["0x20"]));
    assert!(logger.iter().all(|op| op["sub"].is_null()));
    // Gas left after an instruction is what the next one has.
    let used = |op: &Value| op["ex"]["used"].as_u64().expect("gas");
    let cost = |op: &Value| op["cost"].as_u64().expect("gas");
    for pair in logger.windows(2) {
        assert_eq!(used(&pair[0]) - cost(&pair[1]), used(&pair[1]));
    }

    let block = node
        .result("trace_replayBlockTransactions", json!(["0x1", types]))
        .await;
    let block = list(&block);
    assert_eq!(block.len(), 3);
    assert_eq!(block[1]["transactionHash"], hash(&traced.nested));
    assert_eq!(block[1]["vmTrace"], replayed["vmTrace"]);
    assert_eq!(block[1]["stateDiff"], replayed["stateDiff"]);

    let unknown = json!(B256::repeat_byte(7));
    assert_eq!(
        node.error("trace_replayTransaction", json!([unknown, types]))
            .await,
        (-32000, "transaction not found".to_owned())
    );
    assert_eq!(
        node.result("trace_replayBlockTransactions", json!([unknown, types]))
            .await,
        Value::Null
    );
    let (code, message) = node
        .error("trace_replayTransaction", json!([unknown, ["everything"]]))
        .await;
    assert_eq!(code, -32602);
    assert!(message.contains("everything"), "{message}");
}

#[tokio::test]
async fn calls_that_are_not_on_the_chain_are_traced() {
    let (_traced, node) = served().await;
    let call = json!({"to": CALLER, "input": word(3)});
    let traced = node
        .result("trace_call", json!([call, ["trace"], "latest"]))
        .await;
    assert_eq!(list(&traced["trace"]).len(), 3);
    assert_eq!(traced["trace"][1]["action"]["input"], word(3));
    assert_eq!(traced["trace"][2]["action"]["to"], json!(REVERTER));
    let zero = word(0);
    let overrides =
        json!({LOGGER.to_string(): {"stateDiff": {zero.as_str().expect("text"): word(42)}}});
    let read = json!([{"to": LOGGER}, ["trace"], "latest", overrides]);
    assert_eq!(node.result("trace_call", read).await["output"], word(42));

    let calls = json!([
        [{"to": LOGGER, "input": word(3)}, ["stateDiff"]],
        [{"to": LOGGER}, ["trace"]]
    ]);
    let many = node.result("trace_callMany", json!([calls, "0x0"])).await;
    assert_eq!(many[1]["output"], word(3));
    assert_eq!(many[1]["stateDiff"], Value::Null);
    assert_eq!(many[0]["trace"], json!([]));
    let limits = RpcLimits {
        trace_requests: 1,
        ..RpcLimits::default()
    };
    let limited = Served::limited(&node.chain, limits).await;
    assert_eq!(
        limited.error("trace_callMany", json!([calls])).await,
        (
            -32005,
            "2 calls: expected at most 1 in one request".to_owned()
        )
    );
}

#[tokio::test]
async fn transactions_are_traced_before_they_are_sent() {
    let (_traced, node) = served().await;
    let raw = async |nonce: u64| {
        let tx = transfer(0, nonce, accounts().address(1), 7);
        json!([hex(tx.encoded_2718()), ["trace"]])
    };
    let traced = node.result("trace_rawTransaction", raw(2).await).await;
    assert_eq!(traced["trace"][0]["action"]["value"], "0x7");
    assert_eq!(
        traced["trace"][0]["action"]["from"],
        json!(accounts().address(0))
    );
    let (code, message) = node.error("trace_rawTransaction", raw(9).await).await;
    assert_eq!(code, -32000);
    assert!(
        message.contains("nonce 9 too high, expected 2"),
        "{message}"
    );
    let (code, message) = node
        .error("trace_rawTransaction", json!(["0x02c0", ["trace"]]))
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("failed to decode signed transaction"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_stay_within_their_limits() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        trace_timeout: Duration::from_millis(300),
        trace_calls: 50,
        ..RpcLimits::default()
    };
    let traced = traced();
    let node = Served::limited(traced.forge.chain(), limits).await;
    assert_eq!(
        node.error("trace_call", json!([{"to": LOOPER}, ["trace"]]))
            .await,
        (-32000, "execution aborted (timeout = 0.3s)".to_owned())
    );
    let (code, message) = node
        .error("trace_call", json!([{"to": PESTER}, ["trace"]]))
        .await;
    assert_eq!(code, -32005);
    assert!(
        message.starts_with("the transaction makes more than 50 calls"),
        "{message}"
    );
    let limits = RpcLimits {
        trace_bytes: 100_000,
        ..RpcLimits::default()
    };
    let node = Served::limited(traced.forge.chain(), limits).await;
    let (code, message) = node
        .error("trace_call", json!([{"to": LOOPER}, ["vmTrace"]]))
        .await;
    assert_eq!(code, -32005);
    assert!(
        message.starts_with("the trace is larger than 100000 bytes"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_instructions_can_be_traced() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        ..RpcLimits::default()
    };
    let traced = traced();
    let node = Served::limited(traced.forge.chain(), limits).await;
    let dive = json!([{"to": DIVER, "gas": "0x38d7ea4c68000"}, ["vmTrace"]]);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "trace_call", "params": dive});
    let (status, text) = node.post(request.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(text.matches("\"op\":\"CALL\"").count(), 1_025);
    assert_eq!(
        U256::from(text.matches("\"pc\":7").count()),
        U256::from(1_025)
    );
}
