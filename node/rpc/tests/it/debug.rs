//! The `debug` namespace.

use std::time::Duration;

use alloy_consensus::proofs::ordered_trie_root_with_encoder;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, U256, address, hex as encode};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;
use wattline_rpc::RpcLimits;

use crate::{
    chain::{
        ETHER, GWEI, LOGGER, LOOPER, REVERTER, TELLER, accounts, empty, revert_data, story,
        transfer,
    },
    client::{Served, hex, quantity, word},
    traced::{CALLER, DIVER, HISTORIAN, PESTER, Traced, assert_replays, hash, slot, traced},
};

async fn served() -> (Traced, Served) {
    let traced = traced();
    let node = Served::new(traced.forge.chain()).await;
    (traced, node)
}

#[tokio::test]
async fn replays_execute_as_the_chain_did() {
    let (traced, node) = served().await;
    assert_replays(&node).await;
    // What a system call stored before the block is seen within it.
    let parent = traced.forge.blocks()[0].hash();
    let diff = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let asked = node
        .result("debug_traceTransaction", json!([hash(&traced.asked), diff]))
        .await;
    let stored = &asked["post"][HISTORIAN.to_string().to_lowercase()]["storage"];
    assert_eq!(stored[word(0).as_str().expect("text")], json!(parent));

    let story = story();
    let node = Served::new(story.forge.chain()).await;
    assert_replays(&node).await;
}

#[tokio::test]
async fn call_tracer_shows_the_tree_of_calls() {
    let (traced, node) = served().await;
    let trace = async |config: Value| {
        let options = json!({"tracer": "callTracer", "tracerConfig": config});
        node.result(
            "debug_traceTransaction",
            json!([hash(&traced.nested), options]),
        )
        .await
    };
    let frame = trace(json!({})).await;
    let receipt = node
        .result("eth_getTransactionReceipt", json!([hash(&traced.nested)]))
        .await;
    assert_eq!(frame["type"], "CALL");
    assert_eq!(frame["from"], json!(accounts().address(1)));
    assert_eq!(frame["to"], json!(CALLER));
    assert_eq!(frame["input"], word(7));
    assert_eq!(frame["gas"], "0xf4240");
    assert_eq!(frame["gasUsed"], receipt["gasUsed"]);
    assert_eq!(frame["value"], "0x0");
    assert!(frame.get("error").is_none() && frame.get("logs").is_none());
    let calls = frame["calls"].as_array().expect("two calls");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["to"], json!(LOGGER));
    assert_eq!(calls[0]["from"], json!(CALLER));
    assert_eq!(calls[0]["input"], word(7));
    assert!(calls[0].get("error").is_none() && calls[0].get("calls").is_none());
    assert_eq!(calls[1]["to"], json!(REVERTER));
    assert_eq!(calls[1]["error"], "execution reverted");
    assert_eq!(calls[1]["revertReason"], "no power");
    assert_eq!(calls[1]["output"], json!(revert_data()));

    let with_log = trace(json!({"withLog": true})).await;
    let log = &with_log["calls"][0]["logs"][0];
    assert_eq!(log["address"], json!(LOGGER));
    assert_eq!(log["data"], word(7));
    let top = trace(json!({"onlyTopCall": true})).await;
    assert_eq!(top["gasUsed"], receipt["gasUsed"]);
    assert!(top.get("calls").is_none());

    let flat = json!([hash(&traced.nested), {"tracer": "flatCallTracer"}]);
    let flat = node.result("debug_traceTransaction", flat).await;
    let places: Vec<&Value> = flat
        .as_array()
        .expect("traces")
        .iter()
        .map(|trace| &trace["traceAddress"])
        .collect();
    assert_eq!(places, [&json!([]), &json!([0]), &json!([1])]);
    assert_eq!(flat[2]["error"], "Reverted");
    assert_eq!(flat[2]["action"]["to"], json!(REVERTER));
    assert_eq!(flat[0]["transactionPosition"], 1);
}

#[tokio::test]
async fn prestate_tracer_shows_what_was_there_and_what_changed() {
    let (traced, node) = served().await;
    let logger = LOGGER.to_string().to_lowercase();
    let zero = word(0);
    let zero = zero.as_str().expect("text");
    let trace = async |config: Value| {
        let options = json!({"tracer": "prestateTracer", "tracerConfig": config});
        node.result(
            "debug_traceTransaction",
            json!([hash(&traced.logged), options]),
        )
        .await
    };
    // The transaction before it in the block stored 7.
    let pre = trace(json!({})).await;
    assert_eq!(pre[&logger]["storage"], json!({zero: word(7)}));
    assert_eq!(pre[&logger]["code"], json!(crate::chain::logger_code()));
    let sender = accounts().address(1).to_string().to_lowercase();
    assert_eq!(pre[&sender]["nonce"], 1);
    let balance = U256::from(1000 * ETHER + 5);
    assert_eq!(quantity(&pre[&sender]["balance"]), balance);

    let diff = trace(json!({"diffMode": true})).await;
    assert_eq!(diff["pre"][&logger]["storage"], json!({zero: word(7)}));
    assert_eq!(diff["post"][&logger], json!({"storage": {zero: word(8)}}));
    assert_eq!(diff["post"][&sender], json!({"nonce": 2}));

    let bare = trace(json!({"disableCode": true, "disableStorage": true})).await;
    assert!(bare[&logger].get("code").is_none() && bare[&logger].get("storage").is_none());
}

#[tokio::test]
async fn struct_logs_account_for_the_gas() {
    let (traced, node) = served().await;
    let trace = async |options: Value| {
        node.result(
            "debug_traceTransaction",
            json!([hash(&traced.logged), options]),
        )
        .await
    };
    let frame = trace(json!({})).await;
    let receipt = node
        .result("eth_getTransactionReceipt", json!([hash(&traced.logged)]))
        .await;
    let used = quantity(&receipt["gasUsed"]).to::<u64>();
    assert_eq!(frame["gas"], used);
    assert_eq!(frame["failed"], false);
    assert_eq!(frame["returnValue"], "0x");
    let steps = frame["structLogs"].as_array().expect("steps");
    let sum: u64 = steps
        .iter()
        .map(|step| step["gasCost"].as_u64().expect("a cost"))
        .sum();
    // 21,000, and of the calldata word 31 zero bytes at 4 and one other at 16.
    assert_eq!(sum + 21_000 + 31 * 4 + 16, used);
    assert_eq!(steps[0]["op"], "CALLDATASIZE");
    assert_eq!(steps[0]["pc"], 0);
    assert_eq!(steps[0]["depth"], 1);
    assert_eq!(steps[0]["stack"], json!([]));
    assert_eq!(steps[1]["stack"], json!(["0x20"]));
    assert!(steps[0].get("memory").is_none() && steps[0].get("returnData").is_none());
    let store = steps
        .iter()
        .find(|step| step["op"] == "SSTORE")
        .expect("a store");
    assert_eq!(
        store["storage"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    assert!(steps.last().is_some_and(|step| step["op"] == "STOP"));

    let few = trace(json!({"limit": 3, "disableStack": true, "disableStorage": true})).await;
    let few_steps = few["structLogs"].as_array().expect("steps");
    assert_eq!(few_steps.len(), 3);
    assert_eq!(few["gas"], used);
    assert!(few_steps[1].get("stack").is_none());
    let memory = trace(json!({"enableMemory": true, "enableReturnData": true})).await;
    let log = memory["structLogs"]
        .as_array()
        .expect("steps")
        .iter()
        .find(|step| step["op"] == "LOG2");
    assert_eq!(log.expect("a log")["memory"], json!([word(8)]));
    assert_eq!(memory["structLogs"][0]["returnData"], "0x");

    let nested = node
        .result("debug_traceTransaction", json!([hash(&traced.nested)]))
        .await;
    let depths: Vec<u64> = nested["structLogs"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["depth"].as_u64().expect("a depth"))
        .collect();
    assert_eq!(depths.iter().max(), Some(&2));
    let reverted = node
        .result("debug_traceTransaction", json!([hash(&traced.reverted)]))
        .await;
    assert_eq!(reverted["failed"], true);
    assert_eq!(reverted["returnValue"], json!(revert_data()));
}

#[tokio::test]
async fn small_tracers_and_several_at_once() {
    let (traced, node) = served().await;
    let trace = async |options: Value| {
        node.result(
            "debug_traceTransaction",
            json!([hash(&traced.nested), options]),
        )
        .await
    };
    // The caller and the logger are both called with a word that begins with four zero bytes.
    let selectors = json!({"0x00000000-28": 2});
    assert_eq!(trace(json!({"tracer": "4byteTracer"})).await, selectors);
    assert_eq!(trace(json!({"tracer": "noopTracer"})).await, json!({}));
    let mux = json!({"4byteTracer": null, "callTracer": null, "noopTracer": {}});
    let all = trace(json!({"tracer": "muxTracer", "tracerConfig": mux})).await;
    assert_eq!(all["4byteTracer"], selectors);
    assert_eq!(all["noopTracer"], json!({}));
    assert_eq!(all["callTracer"]["calls"][1]["to"], json!(REVERTER));
}

#[tokio::test]
async fn blocks_are_traced_by_number_hash_and_bytes() {
    let (traced, node) = served().await;
    let tracer = json!({"tracer": "callTracer", "reexec": 128});
    let by_number = node
        .result("debug_traceBlockByNumber", json!(["0x2", tracer]))
        .await;
    assert_eq!(by_number[0]["txHash"], hash(&traced.reverted));
    assert_eq!(by_number[1]["result"]["type"], "CREATE");
    assert_eq!(by_number[1]["result"]["output"], "0x01");
    let block = traced.forge.blocks()[1].clone();
    let by_hash = json!([block.hash(), tracer]);
    assert_eq!(
        node.result("debug_traceBlockByHash", by_hash).await,
        by_number
    );
    let bytes = node.result("debug_getRawBlock", json!(["0x2"])).await;
    assert_eq!(bytes, hex(alloy_rlp::encode(&block)));
    assert_eq!(
        node.result("debug_traceBlock", json!([bytes, tracer]))
            .await,
        by_number
    );
    assert_eq!(
        node.result("debug_traceBlockByNumber", json!(["latest"]))
            .await,
        json!([])
    );
}

#[tokio::test]
async fn what_cannot_be_traced_says_why() {
    let (traced, node) = served().await;
    let unknown = B256::repeat_byte(7);
    for (method, params, message) in [
        (
            "debug_traceTransaction",
            json!([unknown]),
            "transaction not found",
        ),
        (
            "debug_traceBlockByHash",
            json!([unknown]),
            "header for hash not found",
        ),
        (
            "debug_traceBlockByNumber",
            json!(["0x99"]),
            "header not found",
        ),
        (
            "debug_traceBlockByNumber",
            json!(["0x0"]),
            "genesis is not traceable",
        ),
        ("debug_getRawHeader", json!(["0x99"]), "header not found"),
        (
            "debug_getRawBlock",
            json!([unknown]),
            "header for hash not found",
        ),
        ("debug_getRawReceipts", json!(["0x99"]), "header not found"),
    ] {
        assert_eq!(
            node.error(method, params).await,
            (-32000, message.to_owned()),
            "{method}"
        );
    }
    let nested = hash(&traced.nested);
    for (options, message) in [
        (
            json!({"tracer": "{data: [], fault: function(log) {}, step: function() {}}"}),
            "unknown tracer \"{data: [], fault: function(log) {}, step\"…: expected callTracer, \
             flatCallTracer, prestateTracer, 4byteTracer, noopTracer, muxTracer, or none for the \
             struct logger; JavaScript is not executed here",
        ),
        (
            json!({"tracer": "erc7562Tracer"}),
            "unknown tracer \"erc7562Tracer\": expected callTracer, flatCallTracer, \
             prestateTracer, 4byteTracer, noopTracer, muxTracer, or none for the struct logger; \
             JavaScript is not executed here",
        ),
        (
            json!({"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}}),
            "muxTracer cannot run within muxTracer",
        ),
        (
            json!({"timeout": "soon"}),
            "invalid timeout \"soon\": expected a duration such as 5s, 300ms or 1m30s",
        ),
    ] {
        assert_eq!(
            node.error("debug_traceTransaction", json!([nested, options]))
                .await,
            (-32602, message.to_owned())
        );
    }
    let config = json!({"tracer": "callTracer", "tracerConfig": {"withLog": 3}});
    let (code, message) = node
        .error("debug_traceTransaction", json!([nested, config]))
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("invalid tracerConfig for callTracer: "),
        "{message}"
    );

    let (code, message) = node.error("debug_traceBlock", json!(["0xc0"])).await;
    assert_eq!(code, -32602);
    assert!(message.starts_with("invalid block: "), "{message}");
    let mut orphan = traced.forge.blocks()[1].clone().into_block();
    orphan.header.parent_hash = unknown;
    let (code, message) = node
        .error("debug_traceBlock", json!([hex(alloy_rlp::encode(&orphan))]))
        .await;
    assert_eq!(code, -32000);
    assert!(
        message.contains("only blocks whose parent is on the chain"),
        "{message}"
    );
    let index = json!([{"to": LOGGER}, "0x1", {"txIndex": "0x9"}]);
    let (code, message) = node.error("debug_traceCall", index).await;
    assert_eq!(code, -32000);
    assert!(
        message.starts_with("transaction index 9 out of range for block"),
        "{message}"
    );
}

#[tokio::test]
async fn calls_are_traced_on_any_state() {
    let (_traced, node) = served().await;
    let read = async |block: &str, options: Value| {
        let frame = node
            .result("debug_traceCall", json!([{"to": LOGGER}, block, options]))
            .await;
        frame["returnValue"].clone()
    };
    assert_eq!(read("latest", json!({})).await, word(8));
    assert_eq!(read("0x0", json!({})).await, word(0));
    // Before the second transaction of block 1, before the third and after it.
    assert_eq!(read("0x1", json!({"txIndex": "0x1"})).await, word(0));
    assert_eq!(read("0x1", json!({"txIndex": "0x2"})).await, word(7));
    assert_eq!(read("0x1", json!({"txIndex": "0x3"})).await, word(8));
    let zero = word(0);
    let state =
        json!({LOGGER.to_string(): {"stateDiff": {zero.as_str().expect("text"): word(42)}}});
    assert_eq!(
        read("latest", json!({"stateOverrides": state})).await,
        word(42)
    );
    let number = json!([{"to": TELLER}, "latest", {"blockOverrides": {"number": "0x64"}}]);
    let told = node.result("debug_traceCall", number).await;
    assert_eq!(
        told["returnValue"].as_str().map(|told| &told[..66]),
        word(100).as_str()
    );
    let poor = address!("00000000000000000000000000000000000000ff");
    let broke = json!([{"from": poor, "to": LOGGER, "value": "0x5"}, "latest", {}]);
    let (code, message) = node.error("debug_traceCall", broke).await;
    assert_eq!(code, -32000);
    assert!(message.contains("insufficient funds"), "{message}");
}

#[tokio::test]
async fn bundles_of_calls_see_each_other() {
    let (_traced, node) = served().await;
    let bundles = json!([
        {"transactions": [{"to": LOGGER, "input": word(3)}, {"to": LOGGER}]},
        {
            "transactions": [{"to": LOGGER}, {"to": TELLER}],
            "blockOverride": {"number": "0x64"}
        },
        {"transactions": [{"to": TELLER}]}
    ]);
    let traces = node
        .result(
            "debug_traceCallMany",
            json!([bundles, {"blockNumber": "0x1"}]),
        )
        .await;
    assert_eq!(traces[0][1]["returnValue"], word(3));
    assert_eq!(traces[1][0]["returnValue"], word(3));
    let number = |trace: &Value| {
        trace["returnValue"]
            .as_str()
            .map(|told| told[..66].to_owned())
    };
    assert_eq!(number(&traces[1][1]).as_deref(), word(100).as_str());
    assert_eq!(number(&traces[2][0]).as_deref(), word(1).as_str());

    let limits = RpcLimits {
        trace_requests: 3,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    assert_eq!(
        node.error("debug_traceCallMany", json!([bundles])).await,
        (
            -32005,
            "5 calls: expected at most 3 in one request".to_owned()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_traces_are_stopped() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        trace_timeout: Duration::from_millis(300),
        ..RpcLimits::default()
    };
    let traced = traced();
    let node = Served::limited(traced.forge.chain(), limits).await;
    let endless = async |options: Value| {
        node.error(
            "debug_traceCall",
            json!([{"to": LOOPER}, "latest", options]),
        )
        .await
    };
    let stopped = |time: &str| (-32000, format!("execution aborted (timeout = {time}s)"));
    assert_eq!(
        endless(json!({"tracer": "noopTracer"})).await,
        stopped("0.3")
    );
    assert_eq!(
        endless(json!({"tracer": "callTracer", "timeout": "100ms"})).await,
        stopped("0.1")
    );
    assert_eq!(
        endless(json!({"tracer": "callTracer", "timeout": "1h"})).await,
        stopped("0.3")
    );
    assert_eq!(endless(json!({"limit": 5})).await, stopped("0.3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_traces_are_refused_while_they_grow() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        trace_bytes: 100_000,
        trace_calls: 50,
        ..RpcLimits::default()
    };
    let traced = traced();
    let node = Served::limited(traced.forge.chain(), limits).await;
    let large = (
        -32005,
        "the trace is larger than 100000 bytes, the limit of this node: ask for less, for the \
         struct logger with limit, disableStack, disableStorage or without enableMemory, or for a \
         tracer that records less, such as callTracer"
            .to_owned(),
    );
    assert_eq!(
        node.error("debug_traceCall", json!([{"to": LOOPER}])).await,
        large
    );
    let pester = async |options: Value| {
        let call = json!({"to": PESTER, "gas": "0x989680"});
        node.error("debug_traceCall", json!([call, "latest", options]))
            .await
    };
    assert_eq!(
        pester(json!({"tracer": "callTracer"})).await,
        (
            -32005,
            "the transaction makes more than 50 calls, the limit of this node for one trace: use \
             callTracer with onlyTopCall, prestateTracer or 4byteTracer"
                .to_owned()
        )
    );
    let call = json!({"to": PESTER, "gas": "0x989680"});
    let top = json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": true}});
    let frame = node
        .result("debug_traceCall", json!([call, "latest", top]))
        .await;
    assert_eq!(frame["error"], "out of gas");
    // A trace that is small while it is recorded can still be too large as JSON.
    let limits = RpcLimits {
        trace_bytes: 1_200,
        ..RpcLimits::default()
    };
    let node = Served::limited(traced.forge.chain(), limits).await;
    let (code, message) = node
        .error(
            "debug_traceBlockByNumber",
            json!(["0x1", {"tracer": "prestateTracer"}]),
        )
        .await;
    assert_eq!(code, -32005);
    assert!(
        message.starts_with("the trace is larger than 1200 bytes"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_calls_can_be_traced() {
    let limits = RpcLimits {
        call_gas: u64::MAX,
        ..RpcLimits::default()
    };
    let traced = traced();
    let node = Served::limited(traced.forge.chain(), limits).await;
    let dive = json!([{"to": DIVER, "gas": "0x38d7ea4c68000"}, "latest", {"tracer": "callTracer"}]);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "debug_traceCall", "params": dive});
    let (status, text) = node.post(request.to_string()).await;
    assert_eq!(status, 200);
    // 1,025 frames, and the one that is too deep.
    assert_eq!(text.matches("\"type\":\"CALL\"").count(), 1_026);
    assert!(
        text.contains("CallTooDeep"),
        "{}",
        &text[text.len() - 2_000..]
    );
}

#[tokio::test]
async fn raw_bytes_are_those_of_the_chain() {
    let (traced, node) = served().await;
    let block = traced.forge.blocks()[0].clone();
    let header = node
        .result("debug_getRawHeader", json!([block.hash()]))
        .await;
    assert_eq!(header, hex(alloy_rlp::encode(block.header())));
    let bytes = encode::decode(header.as_str().expect("text")).expect("bytes");
    assert_eq!(alloy_primitives::keccak256(bytes), block.hash());
    let receipts = node.result("debug_getRawReceipts", json!(["0x1"])).await;
    let encoded: Vec<Vec<u8>> = receipts
        .as_array()
        .expect("receipts")
        .iter()
        .map(|receipt| encode::decode(receipt.as_str().expect("text")).expect("bytes"))
        .collect();
    let root = ordered_trie_root_with_encoder(&encoded, |receipt, out| {
        out.extend_from_slice(receipt);
    });
    assert_eq!(root, block.header().receipts_root);
    let raw = async |hash: Value| node.result("debug_getRawTransaction", json!([hash])).await;
    assert_eq!(
        raw(hash(&traced.nested)).await,
        hex(traced.nested.encoded_2718())
    );
    let waiting = transfer(3, 0, LOGGER, 1);
    node.pool
        .add(waiting.inner().clone())
        .expect("the pool takes it");
    assert_eq!(raw(hash(&waiting)).await, hex(waiting.encoded_2718()));
    assert_eq!(raw(json!(B256::repeat_byte(7))).await, Value::Null);
}

#[tokio::test]
async fn bad_blocks_are_shown() {
    let traced = traced();
    let node = Served::new(traced.forge.chain()).await;
    assert_eq!(
        node.result("debug_getBadBlocks", json!([])).await,
        json!([])
    );
    let good = traced
        .forge
        .build(Template::default().with(vec![transfer(3, 0, LOGGER, GWEI)]));
    let mut bad = good.into_block();
    bad.header.state_root = B256::repeat_byte(7);
    let bad = traced.forge.reseal(bad, 0);
    // However often it comes, it is shown once.
    for _ in 0..2 {
        let refused = node.chain.execute(bad.clone(), &|_| None);
        let error = refused.expect_err("another root");
        assert!(error.to_string().contains("state root"), "{error}");
    }
    let shown = node.result("debug_getBadBlocks", json!([])).await;
    assert_eq!(shown.as_array().map(Vec::len), Some(1));
    assert_eq!(shown[0]["hash"], json!(bad.hash()));
    assert_eq!(shown[0]["rlp"], hex(alloy_rlp::encode(&bad)));
    assert_eq!(shown[0]["block"]["hash"], json!(bad.hash()));
    assert_eq!(
        shown[0]["block"]["stateRoot"],
        slot(U256::from_be_bytes([7; 32]))
    );
    assert_eq!(shown[0]["block"]["transactions"][0]["to"], json!(LOGGER));
}
