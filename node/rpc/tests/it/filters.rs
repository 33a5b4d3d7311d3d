//! Filters that are polled.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;
use wattline_primitives::RecoveredTransaction;
use wattline_rpc::RpcLimits;
use wattline_rpc_server::ServerLimits;

use crate::{
    chain::{CHATTERER, GWEI, LOGGER, TOPIC, accounts, call, empty, sign, transfer},
    client::{Served, word, word_bytes},
};

const NOT_FOUND: (i64, &str) = (-32000, "filter not found");

impl Served {
    async fn install(&self, method: &str, params: Value) -> Value {
        let id = self.result(method, params).await;
        let digits = id.as_str().and_then(|id| id.strip_prefix("0x"));
        assert!(
            digits.is_some_and(|digits| u128::from_str_radix(digits, 16).is_ok()),
            "{id}"
        );
        id
    }

    async fn log_filter(&self, filter: Value) -> Value {
        self.install("eth_newFilter", json!([filter])).await
    }

    async fn changes(&self, id: &Value) -> Value {
        self.result("eth_getFilterChanges", json!([id])).await
    }

    fn wait(&self, tx: &RecoveredTransaction) {
        self.pool.add(tx.inner().clone()).expect("it may wait");
    }
}

/// What of each log tells it from others: block and data. None is ever taken back.
fn brief(logs: &Value) -> Vec<(Value, Value)> {
    let logs = logs.as_array().expect("a list").iter();
    logs.map(|log| {
        assert_eq!(log["removed"], false);
        (log["blockHash"].clone(), log["data"].clone())
    })
    .collect()
}

#[tokio::test]
async fn blocks_are_told_once() {
    let forge = empty();
    forge.extend_in_turn(2);
    let node = Served::new(forge.chain()).await;
    let id = node.install("eth_newBlockFilter", json!([])).await;
    assert_eq!(node.changes(&id).await, json!([]));
    let blocks = forge.extend_in_turn(3);
    let hashes: Vec<_> = blocks.iter().map(|block| block.hash()).collect();
    let later = node.install("eth_newBlockFilter", json!([])).await;
    assert_eq!(node.changes(&id).await, json!(hashes));
    assert_eq!(node.changes(&id).await, json!([]));
    assert_eq!(node.changes(&later).await, json!([]));
    let block = forge.extend(Template::default()).hash();
    assert_eq!(node.changes(&id).await, json!([block]));
    assert_eq!(node.changes(&later).await, json!([block]));
}

#[tokio::test]
async fn logs_are_told_by_filter() {
    let forge = empty();
    let before = call(1, 0, LOGGER, word_bytes(4));
    forge.extend(Template::default().with(vec![before]));
    let node = Served::new(forge.chain()).await;
    let second = accounts().address(1).into_word();
    let all = node.log_filter(json!({"fromBlock": "earliest"})).await;
    let mine = node
        .log_filter(json!({"address": LOGGER, "topics": [TOPIC, second]}))
        .await;
    let other = node
        .log_filter(json!({"address": Address::repeat_byte(1)}))
        .await;
    let until = node.log_filter(json!({"toBlock": "0x2"})).await;
    let from = node.log_filter(json!({"fromBlock": "0x3"})).await;
    assert_eq!(node.changes(&all).await, json!([]), "only what is new");

    let mut blocks = Vec::new();
    for (index, nonce, value) in [(0, 0, 5), (1, 1, 6)] {
        let tx = call(index, nonce, LOGGER, word_bytes(value));
        blocks.push(json!(
            forge.extend(Template::default().with(vec![tx])).hash()
        ));
    }
    let five = (blocks[0].clone(), word(5));
    let six = (blocks[1].clone(), word(6));
    for (id, expected) in [
        (&all, vec![five.clone(), six.clone()]),
        (&mine, vec![six.clone()]),
        (&other, vec![]),
        (&until, vec![five]),
        (&from, vec![six]),
    ] {
        assert_eq!(brief(&node.changes(id).await), expected);
        assert_eq!(node.changes(id).await, json!([]));
    }

    let logs = async |id: &Value| node.result("eth_getFilterLogs", json!([id])).await;
    let data = |logs: Value| brief(&logs).into_iter().map(|log| log.1).collect();
    let data: [Vec<Value>; 2] = [data(logs(&all).await), data(logs(&mine).await)];
    assert_eq!(data, [vec![word(4), word(5), word(6)], vec![word(6)]]);
    let same = node
        .result("eth_getLogs", json!([{"fromBlock": "earliest"}]))
        .await;
    assert_eq!(logs(&all).await, same);
    assert_eq!(node.changes(&all).await, json!([]), "nothing is new by it");
}

#[tokio::test]
async fn logs_of_one_block_to_come() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let block = || Template::default().with(vec![call(1, 0, LOGGER, word_bytes(4))]);
    let hash = empty().extend(block()).hash();
    let this = node.log_filter(json!({"blockHash": hash})).await;
    let other = node.log_filter(json!({"blockHash": B256::ZERO})).await;
    assert_eq!(forge.extend(block()).hash(), hash);
    forge.extend(Template::default().with(vec![call(1, 1, LOGGER, word_bytes(5))]));
    assert_eq!(brief(&node.changes(&this).await), [(json!(hash), word(4))]);
    assert_eq!(node.changes(&other).await, json!([]));
    assert_eq!(node.changes(&this).await, json!([]));
}

#[tokio::test]
async fn executable_transactions_are_told_whether_or_not_they_still_wait() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let before = transfer(3, 0, LOGGER, 1);
    node.wait(&before);
    let kind = "eth_newPendingTransactionFilter";
    let hashes = node.install(kind, json!([])).await;
    let full = node.install(kind, json!([true])).await;
    let brief = node.install(kind, json!([false])).await;
    assert_eq!(node.changes(&full).await, json!([]));

    let [first, second, queued] = [
        transfer(0, 0, LOGGER, 1),
        transfer(0, 1, LOGGER, 2),
        transfer(1, 1, LOGGER, 3),
    ];
    for tx in [&first, &second, &queued] {
        node.wait(tx);
    }
    let expected = json!([first.tx_hash(), second.tx_hash()]);
    assert_eq!(node.changes(&hashes).await, expected);
    assert_eq!(node.changes(&hashes).await, json!([]));
    assert_eq!(node.changes(&brief).await, expected);

    // One goes into a block, one is replaced, and one fills the gap before another.
    let block = forge.extend(Template::default().with(vec![first.clone()]));
    let update = forge.chain().storage().reader().expect("a reader");
    let block = update.block_with_receipts(block.number).expect("readable");
    let block = std::sync::Arc::new(block.expect("it was stored"));
    node.pool.on_canonical_update(&node.chain.head(), &[block]);
    let better = sign(
        0,
        alloy_consensus::TxEip1559 {
            chain_id: crate::chain::CHAIN_ID,
            nonce: 1,
            gas_limit: 21_000,
            max_fee_per_gas: GWEI,
            max_priority_fee_per_gas: GWEI,
            to: LOGGER.into(),
            ..Default::default()
        },
    );
    node.wait(&better);
    let filler = transfer(1, 0, LOGGER, 4);
    node.wait(&filler);
    let found = node.changes(&full).await;
    let found = found.as_array().expect("a list");
    let told: Vec<_> = found.iter().map(|tx| tx["hash"].clone()).collect();
    let expected = [&first, &better, &filler, &queued];
    assert_eq!(told, expected.map(|tx| json!(tx.tx_hash())));
    for (tx, sender) in found.iter().zip([0, 0, 1, 1]) {
        assert_eq!(tx["from"], json!(accounts().address(sender)));
        assert_eq!(tx["blockHash"], Value::Null);
        assert_eq!(tx["blockNumber"], Value::Null);
        assert_eq!(tx["transactionIndex"], Value::Null);
    }
    assert_eq!(node.changes(&full).await, json!([]));
}

#[tokio::test]
async fn a_filter_far_behind_misses_the_oldest_transactions() {
    let limits = RpcLimits {
        filter_arrivals: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let id = node
        .install("eth_newPendingTransactionFilter", json!([]))
        .await;
    let txs = [0, 1, 2].map(|nonce| transfer(0, nonce, LOGGER, 1));
    for tx in &txs {
        node.wait(tx);
    }
    let expected = json!([txs[1].tx_hash(), txs[2].tx_hash()]);
    assert_eq!(node.changes(&id).await, expected);
}

#[tokio::test]
async fn one_poll_tells_as_much_as_one_answer_may_hold() {
    let forge = empty();
    let limits = RpcLimits {
        log_results: 5,
        log_blocks: 4,
        ..RpcLimits::default()
    };
    let answers = |max_response_bytes| ServerLimits {
        max_response_bytes,
        ..ServerLimits::default()
    };
    // Two transactions of these.
    let node = Served::limited(forge.chain(), (answers(2_000), limits)).await;
    let large = Served::limited(forge.chain(), (answers(1 << 20), limits)).await;
    let id = large.log_filter(json!({})).await;
    for (nonce, logs) in [2, 2, 7, 1, 1, 1].into_iter().enumerate() {
        let chat = call(0, nonce as u64, CHATTERER, word_bytes(logs));
        forge.extend(Template::default().with(vec![chat]));
    }
    let mut counts = Vec::new();
    loop {
        let logs = large.changes(&id).await;
        let logs = logs.as_array().expect("a list");
        if logs.is_empty() {
            break;
        }
        let first = logs[0]["blockNumber"].clone();
        counts.push((first, logs.len()));
    }
    // Four blocks are too many, and so are the second half of them; a block is never cut.
    let expected = [("0x1", 4), ("0x3", 7), ("0x4", 3)];
    assert_eq!(counts, expected.map(|(block, count)| (json!(block), count)));

    let kind = "eth_newPendingTransactionFilter";
    let id = node.install(kind, json!([true])).await;
    for nonce in 0..5 {
        node.wait(&call(1, nonce, LOGGER, vec![1; 100].into()));
    }
    let mut counts = Vec::new();
    loop {
        let found = node.changes(&id).await;
        match found.as_array().map(Vec::len) {
            Some(0) => break,
            count => counts.extend(count),
        }
    }
    assert_eq!(counts, [2, 2, 1]);
}

#[tokio::test]
async fn what_is_no_filter_is_not_found() {
    let node = Served::new(empty().chain()).await;
    let blocks = node.install("eth_newBlockFilter", json!([])).await;
    let pending = node
        .install("eth_newPendingTransactionFilter", json!([null]))
        .await;
    for id in [
        json!("0x1"),
        json!(""),
        json!("nonsense"),
        json!("f".repeat(1000)),
    ] {
        for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
            let (code, message) = node.error(method, json!([id])).await;
            assert_eq!((code, message.as_str()), NOT_FOUND, "{method} {id}");
        }
        assert_eq!(node.result("eth_uninstallFilter", json!([id])).await, false);
    }
    for id in [&blocks, &pending] {
        let (code, message) = node.error("eth_getFilterLogs", json!([id])).await;
        assert_eq!((code, message.as_str()), NOT_FOUND, "no filter for logs");
        assert_eq!(node.result("eth_uninstallFilter", json!([id])).await, true);
        assert_eq!(node.result("eth_uninstallFilter", json!([id])).await, false);
        let (code, message) = node.error("eth_getFilterChanges", json!([id])).await;
        assert_eq!((code, message.as_str()), NOT_FOUND);
    }
}

#[tokio::test]
async fn filters_have_limits() {
    let limits = RpcLimits {
        max_filters: 2,
        log_alternatives: 100,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let first = node.log_filter(json!({})).await;
    let full = (
        -32005,
        "too many filters on this node, limit 2: uninstall those not needed, try again later, or \
         subscribe over WebSocket"
            .to_owned(),
    );
    // As many addresses take the place of another filter.
    let addresses: Vec<_> = (0..64).map(Address::with_last_byte).collect();
    let many = json!([{"address": addresses}]);
    assert_eq!(node.error("eth_newFilter", many.clone()).await, full);
    node.install("eth_newBlockFilter", json!([])).await;
    for method in [
        "eth_newFilter",
        "eth_newBlockFilter",
        "eth_newPendingTransactionFilter",
    ] {
        let params = match method {
            "eth_newFilter" => json!([{}]),
            _ => json!([]),
        };
        assert_eq!(node.error(method, params).await, full);
    }
    let gone = node.result("eth_uninstallFilter", json!([first])).await;
    assert_eq!(gone, true);
    node.log_filter(json!({})).await;

    let topics: Vec<_> = (0..=100).map(B256::with_last_byte).collect();
    assert_eq!(
        node.error("eth_newFilter", json!([{"topics": [topics]}]))
            .await,
        (
            -32005,
            "exceed max addresses or topics per search position: 101 given, limit 100: split the \
             query"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_filter_that_nobody_polls_expires() {
    let limits = RpcLimits {
        max_filters: 1,
        filter_lifetime: Duration::ZERO,
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    let id = node.log_filter(json!({})).await;
    for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
        let (code, message) = node.error(method, json!([id])).await;
        assert_eq!((code, message.as_str()), NOT_FOUND);
    }
    assert_eq!(node.result("eth_uninstallFilter", json!([id])).await, false);
    node.log_filter(json!({})).await;
    node.install("eth_newBlockFilter", json!([])).await;
}

#[tokio::test]
async fn wrong_filters_are_refused() {
    let node = Served::new(empty().chain()).await;
    assert_eq!(
        node.error(
            "eth_newFilter",
            json!([{"fromBlock": "0x2", "toBlock": "0x1"}])
        )
        .await,
        (
            -32602,
            "invalid block range params: fromBlock 2 is after toBlock 1".to_owned()
        )
    );
    for (method, params, expected) in [
        ("eth_newFilter", json!([]), "eth_newFilter(log filter)"),
        (
            "eth_newFilter",
            json!([{"adress": LOGGER}]),
            "eth_newFilter(log filter)",
        ),
        (
            "eth_newPendingTransactionFilter",
            json!(["full"]),
            "eth_newPendingTransactionFilter(true for whole transactions instead of hashes?)",
        ),
        (
            "eth_getFilterChanges",
            json!([5]),
            "eth_getFilterChanges(filter id)",
        ),
        (
            "eth_getFilterLogs",
            json!([null]),
            "eth_getFilterLogs(filter id)",
        ),
        (
            "eth_uninstallFilter",
            json!([]),
            "eth_uninstallFilter(filter id)",
        ),
    ] {
        let (code, message) = node.error(method, params.clone()).await;
        assert_eq!(code, -32602, "{method} {params}");
        assert!(
            message.ends_with(&format!("; expected {expected}")),
            "{message}"
        );
    }
}
