//! Searching logs.

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;
use wattline_rpc::RpcLimits;

use crate::{
    chain::{CHATTERER, LOGGER, TOPIC, accounts, call, empty, story},
    client::{Served, word, word_bytes},
};

fn data(logs: &Value) -> Vec<Value> {
    logs.as_array()
        .expect("a list")
        .iter()
        .map(|log| log["data"].clone())
        .collect()
}

#[tokio::test]
async fn logs_are_found_by_address_and_topics() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let accounts = accounts();
    let second = |index: usize| accounts.address(index).into_word();
    let other = Address::repeat_byte(1);
    for (filter, expected) in [
        (json!({}), vec![7, 9]),
        (json!({"address": LOGGER}), vec![7, 9]),
        (json!({"address": [other, LOGGER]}), vec![7, 9]),
        (json!({"address": other}), vec![]),
        (json!({"topics": [TOPIC]}), vec![7, 9]),
        (json!({"topics": [null, second(1)]}), vec![7]),
        (json!({"topics": [TOPIC, second(2)]}), vec![9]),
        (
            json!({"topics": [TOPIC, [second(1), second(2)]]}),
            vec![7, 9],
        ),
        (json!({"topics": [[TOPIC, B256::ZERO], second(2)]}), vec![9]),
        (json!({"topics": [second(2)]}), vec![]),
        (json!({"address": LOGGER, "topics": []}), vec![7, 9]),
    ] {
        let mut ranged = filter.clone();
        ranged["fromBlock"] = json!("earliest");
        let logs = node.result("eth_getLogs", json!([ranged])).await;
        let expected: Vec<_> = expected.into_iter().map(word).collect();
        assert_eq!(data(&logs), expected, "{filter}");
    }
}

#[tokio::test]
async fn logs_know_their_place() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let block = story.forge.blocks()[0].hash();
    let logs = node
        .result("eth_getLogs", json!([{"blockHash": block}]))
        .await;
    assert_eq!(
        logs[1],
        json!({
            "address": LOGGER,
            "topics": [TOPIC, accounts().address(2).into_word()],
            "data": word(9),
            "blockHash": block,
            "blockNumber": "0x1",
            "blockTimestamp": "0x1",
            "transactionHash": story.eip1559.tx_hash(),
            "transactionIndex": "0x2",
            "logIndex": "0x1",
            "removed": false,
        })
    );
}

#[tokio::test]
async fn ranges_of_blocks() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    for (from, to, count) in [
        (json!("0x0"), json!("0x3"), 2),
        (json!("0x1"), json!("0x1"), 2),
        (json!("0x2"), json!("latest"), 0),
        (json!("earliest"), json!("0x99"), 2),
        (json!("0x90"), json!("0x99"), 0),
        (json!("earliest"), json!("finalized"), 2),
        (json!("safe"), json!("latest"), 0),
        (Value::Null, Value::Null, 0),
    ] {
        let filter = json!([{"fromBlock": from, "toBlock": to}]);
        let logs = node.result("eth_getLogs", filter.clone()).await;
        assert_eq!(logs.as_array().map(Vec::len), Some(count), "{filter}");
    }
    let error = async |filter: Value| node.error("eth_getLogs", json!([filter])).await;
    assert_eq!(
        error(json!({"fromBlock": "0x2", "toBlock": "0x1"})).await,
        (
            -32602,
            "invalid block range params: fromBlock 2 is after toBlock 1".to_owned()
        )
    );
    assert_eq!(
        error(json!({"blockHash": B256::repeat_byte(1)})).await,
        (-32000, "unknown block".to_owned())
    );
    let (code, message) = error(json!({"blockHash": B256::ZERO, "fromBlock": "0x1"})).await;
    assert_eq!(code, -32602);
    assert!(
        message.contains("cannot specify both blockHash and fromBlock/toBlock"),
        "{message}"
    );
    let (code, message) = error(json!({"topics": [null, null, null, null, null]})).await;
    assert_eq!(code, -32602);
    assert!(message.contains("exceeded maximum topics len"), "{message}");
}

#[tokio::test]
async fn too_much_is_refused_with_what_to_do() {
    let forge = empty();
    for nonce in 0..2 {
        let chat = call(0, nonce, CHATTERER, word_bytes(6));
        forge.extend(Template::default().with(vec![chat]));
    }
    let limits = RpcLimits {
        log_blocks: 3,
        log_results: 12,
        log_alternatives: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(forge.chain(), limits).await;
    let all = json!([{"fromBlock": "0x0", "toBlock": "0x2"}]);
    let found = node.result("eth_getLogs", all.clone()).await;
    assert_eq!(
        found.as_array().map(Vec::len),
        Some(12),
        "exactly the limit"
    );

    forge.extend(Template::default().with(vec![call(0, 2, CHATTERER, word_bytes(1))]));
    let more = json!([{"fromBlock": "0x1", "toBlock": "0x3"}]);
    assert_eq!(
        node.error("eth_getLogs", more).await,
        (
            -32005,
            "query returned more than 12 results: narrow the range of blocks (up to 3 is too much \
             from 1) or filter by address or topics"
                .to_owned()
        )
    );
    let long = json!([{"fromBlock": "0x0", "toBlock": "0x3"}]);
    assert_eq!(
        node.error("eth_getLogs", long).await,
        (
            -32005,
            "query spans 4 blocks, limit 3: narrow the range of fromBlock and toBlock".to_owned()
        )
    );
    let many = json!([{"topics": [[B256::ZERO, B256::repeat_byte(1), B256::repeat_byte(2)]]}]);
    assert_eq!(
        node.error("eth_getLogs", many).await,
        (
            -32005,
            "exceed max addresses or topics per search position: 3 given, limit 2: split the query"
                .to_owned()
        )
    );
}
