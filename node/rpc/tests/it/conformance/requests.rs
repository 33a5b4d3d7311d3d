//! What is asked: every method of the document, with parameters of all kinds.

use std::fmt;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use super::everything::{Everything, raw};
use crate::{
    chain::{BREAKER, LOGGER, PANICKER, REVERTER, TELLER, TOPIC, accounts},
    client::{hex, word, word_bytes},
};

/// What an answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A value of the method's schema that is not null.
    Value,
    /// Null.
    Nothing,
    /// An error with this code.
    Error(i64),
}

/// One request.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) params: Value,
    pub(super) answer: Answer,
    /// Whether the parameters are beyond the document: objects of EIP-1898, overrides, mistakes.
    pub(super) beyond: bool,
    /// The schema of the answer, where it is not the one of the method.
    pub(super) schema: Option<&'static str>,
    /// The name under which later requests refer to the answer.
    pub(super) keep: Option<&'static str>,
}

impl Request {
    fn beyond(mut self) -> Self {
        self.beyond = true;
        self
    }

    fn of(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    fn keep(mut self, name: &'static str) -> Self {
        self.keep = Some(name);
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.params)
    }
}

fn ask(method: &'static str, params: Value, answer: Answer) -> Request {
    Request {
        method,
        params,
        answer,
        beyond: false,
        schema: None,
        keep: None,
    }
}

fn value(method: &'static str, params: Value) -> Request {
    ask(method, params, Answer::Value)
}

fn nothing(method: &'static str, params: Value) -> Request {
    ask(method, params, Answer::Nothing)
}

fn error(code: i64, method: &'static str, params: Value) -> Request {
    ask(method, params, Answer::Error(code))
}

/// A number and a hash that no block has.
const NO_NUMBER: &str = "0x1000";
const NO_HASH: B256 = B256::repeat_byte(0xee);
/// Code of geth's error about unknown blocks and the like.
const SERVER_ERROR: i64 = -32000;
const INVALID_PARAMS: i64 = -32602;
const REVERTED: i64 = 3;

/// All requests, in the order in which they are to be asked.
pub(super) fn requests(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    all.extend(about_the_node());
    all.extend(about_blocks(on));
    all.extend(about_transactions(on));
    all.extend(about_state(on));
    all.extend(about_logs(on));
    all.extend(calls(on));
    all.extend(traces(on));
    all.extend(about_the_pool(on));
    all
}

/// Block parameters of every kind, by number or tag.
fn numbers() -> Vec<Value> {
    [
        "earliest", "latest", "pending", "0x0", "0x1", "0x2", "0x3", "0x4",
    ]
    .into_iter()
    .map(Value::from)
    .collect()
}

/// Those, hashes, and objects of EIP-1898; with whether the document knows them.
fn blocks(on: &Everything) -> Vec<(Value, bool)> {
    let mut all: Vec<_> = numbers().into_iter().map(|block| (block, false)).collect();
    for hash in on.blocks() {
        all.push((json!(hash), false));
        all.push((json!({"blockHash": hash, "requireCanonical": true}), true));
    }
    all.push((json!({"blockNumber": "0x2"}), true));
    all
}

fn about_the_node() -> Vec<Request> {
    let mut all: Vec<_> = [
        "eth_accounts",
        "eth_baseFee",
        "eth_blobBaseFee",
        "eth_blockNumber",
        "eth_capabilities",
        "eth_chainId",
        "eth_config",
        "eth_gasPrice",
        "eth_maxPriorityFeePerGas",
        "eth_syncing",
        "net_version",
        "debug_getBadBlocks",
    ]
    .map(|method| value(method, json!([])))
    .into();
    for newest in numbers() {
        for percentiles in [json!([]), json!([0, 25, 50.5, 100])] {
            all.push(value("eth_feeHistory", json!(["0x3", newest, percentiles])));
        }
    }
    all.push(value("eth_feeHistory", json!(["0x0", "latest", []])));
    all.push(value("eth_feeHistory", json!(["0x400", "latest", [50]])));
    all.push(error(
        INVALID_PARAMS,
        "eth_feeHistory",
        json!(["0x1", "latest", [101]]),
    ));
    all.push(error(
        INVALID_PARAMS,
        "eth_feeHistory",
        json!(["0x1", NO_NUMBER, []]),
    ));
    all
}

fn about_blocks(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    for number in numbers() {
        for full in [false, true] {
            all.push(value("eth_getBlockByNumber", json!([number, full])));
        }
        for method in [
            "eth_getBlockTransactionCountByNumber",
            "debug_getRawBlock",
            "debug_getRawHeader",
            "debug_getRawReceipts",
        ] {
            all.push(value(method, json!([number])));
        }
    }
    for hash in on.blocks() {
        for full in [false, true] {
            all.push(value("eth_getBlockByHash", json!([hash, full])));
        }
        all.push(value("eth_getBlockTransactionCountByHash", json!([hash])));
    }
    for (block, beyond) in blocks(on) {
        let mut request = value("eth_getBlockReceipts", json!([block]));
        request.beyond = beyond;
        all.push(request);
    }
    all.push(nothing("eth_getBlockByNumber", json!([NO_NUMBER, true])));
    all.push(nothing("eth_getBlockByHash", json!([NO_HASH, false])));
    all.push(nothing("eth_getBlockReceipts", json!([NO_NUMBER])));
    all.push(nothing("eth_getBlockReceipts", json!([NO_HASH])));
    all.push(nothing(
        "eth_getBlockTransactionCountByNumber",
        json!([NO_NUMBER]),
    ));
    all.push(nothing(
        "eth_getBlockTransactionCountByHash",
        json!([NO_HASH]),
    ));
    all.push(error(SERVER_ERROR, "debug_getRawBlock", json!([NO_NUMBER])));
    all.push(error(
        SERVER_ERROR,
        "debug_getRawHeader",
        json!([NO_NUMBER]),
    ));
    all.push(error(INVALID_PARAMS, "eth_getBlockByHash", json!(["0x12", true])).beyond());
    all.push(
        error(
            INVALID_PARAMS,
            "eth_getBlockByNumber",
            json!(["newest", true]),
        )
        .beyond(),
    );
    all
}

fn about_transactions(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    for tx in on.transactions() {
        for method in [
            "eth_getTransactionByHash",
            "eth_getTransactionReceipt",
            "debug_getRawTransaction",
        ] {
            all.push(value(method, json!([tx.tx_hash()])));
        }
    }
    let hashes = on.blocks();
    for (block, count) in [(1, 3), (2, 2), (4, 6)] {
        let number = format!("0x{block:x}");
        for index in 0..count {
            let index = format!("0x{index:x}");
            all.push(value(
                "eth_getTransactionByBlockNumberAndIndex",
                json!([number, index]),
            ));
            all.push(value(
                "eth_getTransactionByBlockHashAndIndex",
                json!([hashes[block], index]),
            ));
        }
    }
    for (block, index) in [("0x1", "0x3"), ("0x0", "0x0"), (NO_NUMBER, "0x0")] {
        all.push(nothing(
            "eth_getTransactionByBlockNumberAndIndex",
            json!([block, index]),
        ));
    }
    all.push(nothing(
        "eth_getTransactionByBlockHashAndIndex",
        json!([NO_HASH, "0x0"]),
    ));
    all.push(nothing("eth_getTransactionByHash", json!([NO_HASH])));
    all.push(nothing("eth_getTransactionReceipt", json!([NO_HASH])));
    all.push(nothing(
        "eth_getTransactionReceipt",
        json!([on.pending.tx_hash()]),
    ));
    all
}

fn about_state(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    let delegated = accounts().address(3);
    let nobody = Address::repeat_byte(0xfe);
    for address in [LOGGER, accounts().address(0), delegated, nobody] {
        for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
            all.push(value(method, json!([address])));
        }
        all.push(value("eth_getStorageAt", json!([address, "0x0"])));
        all.push(value("eth_getProof", json!([address, []])));
        for (block, beyond) in blocks(on) {
            for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
                let mut request = value(method, json!([address, block]));
                request.beyond = beyond;
                all.push(request);
            }
            for slot in [json!("0x0"), word(0)] {
                let mut request = value("eth_getStorageAt", json!([address, slot, block]));
                request.beyond = beyond;
                all.push(request);
                let mut request = value("eth_getProof", json!([address, [slot, "0x1"], block]));
                request.beyond = beyond;
                all.push(request);
            }
            let slots = json!({address.to_string().to_lowercase(): ["0x0", word(1)]});
            let mut request = value("eth_getStorageValues", json!([slots, block]));
            request.beyond = beyond;
            all.push(request);
        }
    }
    for block in [json!(NO_NUMBER), json!(NO_HASH)] {
        for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
            all.push(error(SERVER_ERROR, method, json!([LOGGER, block])));
        }
        let params = json!([LOGGER, "0x0", block]);
        all.push(error(SERVER_ERROR, "eth_getStorageAt", params));
        let params = json!([LOGGER, [], block]);
        all.push(error(SERVER_ERROR, "eth_getProof", params));
    }
    all
}

fn about_logs(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    let filters = [
        json!({}),
        json!({"fromBlock": "earliest", "toBlock": "latest"}),
        json!({"fromBlock": "0x0", "toBlock": "0x4", "address": LOGGER}),
        json!({"fromBlock": "0x1", "toBlock": "0x1", "address": [LOGGER, REVERTER]}),
        json!({"fromBlock": "0x0", "topics": [TOPIC]}),
        json!({"fromBlock": "0x0", "topics": [[TOPIC, NO_HASH], null]}),
        json!({"fromBlock": "0x0", "topics": null, "address": null}),
        json!({"blockHash": on.blocks()[4]}),
        json!({"blockHash": on.blocks()[3], "topics": []}),
    ];
    for filter in &filters {
        all.push(value("eth_getLogs", json!([filter])));
        if filter.get("blockHash").is_none() {
            all.push(value("eth_newFilter", json!([filter])).keep("$logs"));
            all.push(value("eth_getFilterLogs", json!(["$logs"])));
            all.push(value("eth_getFilterChanges", json!(["$logs"])));
            all.push(value("eth_uninstallFilter", json!(["$logs"])));
            all.push(error(
                SERVER_ERROR,
                "eth_getFilterChanges",
                json!(["$logs"]),
            ));
        }
    }
    all.push(error(
        SERVER_ERROR,
        "eth_getLogs",
        json!([{"blockHash": NO_HASH}]),
    ));
    all.push(value("eth_newBlockFilter", json!([])).keep("$blocks"));
    all.push(value("eth_newPendingTransactionFilter", json!([])).keep("$pending"));
    all.push(value("eth_getFilterChanges", json!(["$blocks"])));
    all.push(value("eth_getFilterChanges", json!(["$pending"])));
    all.push(error(SERVER_ERROR, "eth_getFilterLogs", json!(["$blocks"])));
    all.push(value("eth_uninstallFilter", json!(["$blocks"])));
    all.push(value("eth_uninstallFilter", json!(["$blocks"])));
    all
}

fn calls(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    let from = accounts().address(0);
    let transactions = [
        json!({"to": LOGGER}),
        json!({"to": TELLER, "from": from}),
        json!({"to": LOGGER, "from": from, "input": word(5)}),
        json!({"type": "0x0", "to": LOGGER, "from": from, "gasPrice": "0x1", "gas": "0x30d40"}),
        json!({"type": "0x1", "to": LOGGER, "from": from, "gasPrice": "0x1",
            "accessList": [{"address": LOGGER, "storageKeys": [word(0)]}]}),
        json!({"type": "0x2", "to": LOGGER, "from": from, "value": "0x0",
            "maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1", "chainId": "0xe1ec"}),
        json!({"from": from, "input": "0x60015f5360015ff3"}),
    ];
    for tx in &transactions {
        for method in ["eth_call", "eth_estimateGas", "eth_createAccessList"] {
            all.push(value(method, json!([tx])));
            for block in numbers() {
                // The logger of later blocks is what the genesis block has.
                all.push(value(method, json!([tx, block])));
            }
        }
        for hash in on.blocks() {
            all.push(value("eth_call", json!([tx, hash])));
        }
    }
    for method in ["eth_call", "eth_estimateGas"] {
        for to in [REVERTER, PANICKER] {
            all.push(error(REVERTED, method, json!([{"to": to}])));
        }
        all.push(error(SERVER_ERROR, method, json!([{"to": BREAKER}])));
        all.push(error(
            SERVER_ERROR,
            method,
            json!([{"to": LOGGER}, NO_NUMBER]),
        ));
        let mistaken = json!([{"to": "0x12"}]);
        all.push(error(INVALID_PARAMS, method, mistaken).beyond());
        let overrides = json!({REVERTER.to_string().to_lowercase(): {"code": "0x"}});
        let params = json!([{"to": REVERTER}, "latest", overrides]);
        all.push(value(method, params).beyond());
    }
    all.push(value("eth_createAccessList", json!([{"to": REVERTER}])));
    let calls = json!([
        {"from": from, "to": LOGGER, "input": hex(word_bytes(3))},
        {"from": from, "to": REVERTER},
        {"from": from, "to": BREAKER, "gas": "0x186a0"},
        {"from": from, "to": accounts().address(1), "value": "0x1"},
    ]);
    for options in [
        json!({}),
        json!({"traceTransfers": true}),
        json!({"returnFullTransactions": true}),
    ] {
        let mut payload = options;
        payload["blockStateCalls"] = json!([
            {"calls": calls},
            {"blockOverrides": {"gasLimit": "0x989680"}, "calls": []},
        ]);
        for block in ["latest", "0x1"] {
            all.push(value("eth_simulateV1", json!([payload, block])));
        }
    }
    all.push(value(
        "eth_fillTransaction",
        json!([{"from": from, "to": LOGGER}]),
    ));
    all
}

fn traces(on: &Everything) -> Vec<Request> {
    let mut all = Vec::new();
    let configs = [
        json!({}),
        json!({"enableMemory": true, "enableReturnData": true}),
        json!({"disableStack": true, "disableStorage": true, "limit": 3}),
        json!({"tracer": "callTracer"}),
        json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}),
    ];
    for config in &configs {
        for tx in on.transactions() {
            all.push(value(
                "debug_traceTransaction",
                json!([tx.tx_hash(), config]),
            ));
        }
        for (number, hash) in on.blocks().iter().enumerate().skip(1) {
            let number = format!("0x{number:x}");
            all.push(value("debug_traceBlockByNumber", json!([number, config])));
            all.push(value("debug_traceBlockByHash", json!([hash, config])));
        }
    }
    all.push(error(
        SERVER_ERROR,
        "debug_traceBlockByNumber",
        json!(["earliest"]),
    ));
    all.push(error(
        SERVER_ERROR,
        "debug_traceBlockByHash",
        json!([NO_HASH]),
    ));
    all.push(error(
        SERVER_ERROR,
        "debug_traceTransaction",
        json!([NO_HASH]),
    ));
    all
}

fn about_the_pool(on: &Everything) -> Vec<Request> {
    let (pending, queued) = (accounts().address(0), accounts().address(1));
    let mut all = vec![
        value("txpool_status", json!([])),
        value("txpool_content", json!([])),
        value("txpool_contentFrom", json!([pending])),
        value("txpool_contentFrom", json!([queued])),
        value("txpool_contentFrom", json!([LOGGER])),
        value("eth_sendRawTransaction", json!([raw(&on.unsent)])),
        error(
            SERVER_ERROR,
            "eth_sendRawTransaction",
            json!([raw(&on.unsent)]),
        ),
        error(INVALID_PARAMS, "eth_sendRawTransaction", json!(["0x12"])),
    ];
    // The development account of the test bed has no key in the node.
    let tx = json!({"from": pending, "to": LOGGER});
    all.push(error(SERVER_ERROR, "eth_sendTransaction", json!([tx])));
    all.push(error(SERVER_ERROR, "eth_signTransaction", json!([tx])));
    all.push(error(SERVER_ERROR, "eth_sign", json!([pending, "0x12"])));
    // The document has no schema for a transaction that waits but that of the pool.
    let waiting = value("eth_getTransactionByHash", json!([on.queued.tx_hash()]));
    all.push(waiting.of("PendingTransactionInfo"));
    all
}
