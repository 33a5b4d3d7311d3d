//! What the chain holds, as clients read it.

use alloy_consensus::Transaction as _;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, U256, address};
use alloy_rpc_types_eth::{Block, Transaction, TransactionReceipt};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;

use crate::{
    chain::{
        ETHER, GWEI, LOGGER, TELLER, TOPIC, accounts, call, dev_accounts, empty, logger_code,
        story, transfer,
    },
    client::{Served, hex, quantity, word, word_bytes},
};

#[tokio::test]
async fn says_who_and_where_it_is() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let dev = json!([dev_accounts()[0].address(), dev_accounts()[1].address()]);
    for (method, params, expected) in [
        ("eth_chainId", json!([]), json!("0xe1ec")),
        ("eth_blockNumber", json!([]), json!("0x3")),
        ("eth_syncing", json!([]), json!(false)),
        ("eth_accounts", json!([]), dev),
        ("net_version", json!([]), json!("57836")),
        ("net_listening", json!([]), json!(true)),
        ("net_peerCount", json!([]), json!("0x0")),
        ("web3_clientVersion", json!([]), json!("wattline/test")),
        (
            "web3_sha3",
            json!(["0x68656c6c6f20776f726c64"]),
            json!("0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad"),
        ),
    ] {
        assert_eq!(node.result(method, params).await, expected, "{method}");
    }
}

#[tokio::test]
async fn blocks_have_every_present_day_field() {
    let story = story();
    let chain = story.forge.chain();
    let node = Served::new(chain).await;
    let block = node
        .result("eth_getBlockByNumber", json!(["0x1", false]))
        .await;
    let sealed = story.forge.blocks().swap_remove(0);

    assert_eq!(block["hash"], json!(sealed.hash()));
    assert_eq!(block["parentHash"], json!(chain.spec().genesis_hash()));
    assert_eq!(block["number"], "0x1");
    assert_eq!(block["difficulty"], "0x2");
    assert_eq!(block["miner"], "0x0000000000000000000000000000000000000000");
    assert_eq!(block["nonce"], "0x0000000000000000");
    assert_eq!(block["mixHash"], json!(B256::ZERO));
    assert_eq!(block["extraData"], json!(sealed.extra_data));
    assert_eq!(block["gasLimit"], "0x1c9c380");
    assert_eq!(quantity(&block["gasUsed"]), U256::from(sealed.gas_used));
    assert_eq!(block["baseFeePerGas"], "0x0");
    assert_eq!(block["timestamp"], "0x1");
    assert_eq!(block["milliTimestamp"], "0x3e8");
    assert_eq!(block["stateRoot"], json!(sealed.state_root));
    assert_eq!(block["transactionsRoot"], json!(sealed.transactions_root));
    assert_eq!(block["receiptsRoot"], json!(sealed.receipts_root));
    assert_eq!(block["logsBloom"], json!(sealed.logs_bloom));
    assert_eq!(block["uncles"], json!([]));
    assert_eq!(block["withdrawals"], json!([]));
    assert_eq!(block["blobGasUsed"], "0x0");
    assert_eq!(block["excessBlobGas"], "0x0");
    assert_eq!(
        block["parentBeaconBlockRoot"],
        json!(sealed.parent_beacon_block_root)
    );
    for field in ["withdrawalsRoot", "requestsHash", "sha3Uncles"] {
        assert_eq!(block[field].as_str().map(str::len), Some(66), "{field}");
    }
    assert_eq!(
        quantity(&block["size"]),
        U256::from(alloy_rlp::encode(sealed.clone_block()).len())
    );
    let hashes = [&story.legacy, &story.eip2930, &story.eip1559].map(|tx| *tx.tx_hash());
    assert_eq!(block["transactions"], json!(hashes));

    let by_hash = node
        .result("eth_getBlockByHash", json!([sealed.hash(), false]))
        .await;
    assert_eq!(by_hash, block);
    // A client library decodes it and comes to the same hash.
    let decoded: Block = serde_json::from_value(block).expect("libraries decode it");
    assert_eq!(decoded.header.inner.hash_slow(), sealed.hash());
}

#[tokio::test]
async fn full_blocks_hold_whole_transactions() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let first = node
        .result("eth_getBlockByNumber", json!(["0x1", true]))
        .await;
    let second = node
        .result("eth_getBlockByNumber", json!(["0x2", true]))
        .await;
    let types = |block: &Value| -> Vec<Value> {
        let transactions = block["transactions"].as_array().expect("a list");
        transactions.iter().map(|tx| tx["type"].clone()).collect()
    };
    assert_eq!(types(&first), ["0x0", "0x1", "0x2"]);
    assert_eq!(types(&second), ["0x4", "0x2"]);

    let tx = &first["transactions"][1];
    assert_eq!(tx["hash"], json!(story.eip2930.tx_hash()));
    assert_eq!(tx["from"], json!(accounts().address(1)));
    assert_eq!(tx["to"], json!(LOGGER));
    assert_eq!(tx["input"], json!(word_bytes(7)));
    assert_eq!(tx["blockNumber"], "0x1");
    assert_eq!(tx["blockHash"], first["hash"]);
    assert_eq!(tx["transactionIndex"], "0x1");
    assert_eq!(tx["accessList"][0]["address"], json!(LOGGER));
    assert_eq!(
        quantity(&first["transactions"][2]["gasPrice"]),
        U256::from(3 * GWEI)
    );
    let authorization = &second["transactions"][0]["authorizationList"][0];
    assert_eq!(authorization["address"], json!(LOGGER));
    assert_eq!(authorization["chainId"], "0xe1ec");
    for tx in first["transactions"].as_array().expect("a list") {
        serde_json::from_value::<Transaction>(tx.clone()).expect("libraries decode it");
    }
}

#[tokio::test]
async fn tags_name_blocks() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    for (tag, number) in [
        ("latest", "0x3"),
        ("pending", "0x3"),
        ("earliest", "0x0"),
        ("0x2", "0x2"),
    ] {
        let block = node
            .result("eth_getBlockByNumber", json!([tag, false]))
            .await;
        assert_eq!(block["number"], number, "{tag}");
    }
    let unknown = json!([B256::repeat_byte(1), false]);
    assert_eq!(
        node.result("eth_getBlockByNumber", json!(["0x4", false]))
            .await,
        Value::Null
    );
    assert_eq!(
        node.result("eth_getBlockByHash", unknown).await,
        Value::Null
    );
    assert_eq!(
        node.result("eth_getBlockReceipts", json!(["0x4"])).await,
        Value::Null
    );
}

#[tokio::test]
async fn what_is_shown_is_final() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let head = story.forge.chain().head();
    for tag in ["latest", "safe", "finalized"] {
        let block = node
            .result("eth_getBlockByNumber", json!([tag, false]))
            .await;
        assert_eq!(block["hash"], json!(head.hash()), "{tag}");
    }
    // Every method takes the tags.
    for (method, params) in [
        ("eth_getBalance", json!([LOGGER, "finalized"])),
        ("eth_call", json!([{"to": LOGGER}, "safe"])),
        (
            "eth_getLogs",
            json!([{"fromBlock": "safe", "toBlock": "latest"}]),
        ),
        ("eth_feeHistory", json!([1, "finalized"])),
        ("eth_getBlockReceipts", json!(["safe"])),
        ("clique_getSigners", json!(["finalized"])),
        ("clique_getSigner", json!(["safe"])),
    ] {
        node.result(method, params).await;
    }
}

#[tokio::test]
async fn pending_is_the_state_that_the_next_block_stands_on() {
    let forge = empty();
    forge.extend_in_turn(1);
    let node = Served::new(forge.chain()).await;
    let sender = accounts().address(0);
    let receiver = address!("00000000000000000000000000000000000000ff");
    let answers = async |tag: &str| {
        let mut answers = Vec::new();
        for (method, params) in [
            ("eth_getBalance", json!([receiver, tag])),
            ("eth_getStorageAt", json!([LOGGER, "0x0", tag])),
            ("eth_getCode", json!([LOGGER, tag])),
            ("eth_getTransactionCount", json!([sender, tag])),
            ("eth_call", json!([{"to": LOGGER}, tag])),
            ("eth_call", json!([{"to": TELLER}, tag])),
        ] {
            answers.push(node.result(method, params).await);
        }
        let params = json!([tag, false]);
        let block = node.result("eth_getBlockByNumber", params).await;
        answers.push(block["number"].clone());
        answers
    };
    let before = answers("latest").await;
    assert_eq!(answers("pending").await, before);

    let transactions = vec![
        transfer(0, 0, receiver, 5),
        call(0, 1, LOGGER, word_bytes(7)),
    ];
    let block = forge.add(Template::default().with(transactions));
    node.chain.set_pending(block.block.hash());
    assert_eq!(answers("latest").await, before, "it is not final");
    let pending = answers("pending").await;
    assert_eq!(pending[0], "0x5");
    assert_eq!(pending[1], word(7));
    assert_eq!(pending[2], json!(logger_code()));
    assert_eq!(pending[3], "0x2");
    assert_eq!(pending[4], word(7));
    let number = pending[5].as_str().and_then(|bytes| bytes.get(..66));
    assert_eq!(number.map(Value::from), Some(word(2)));
    assert_eq!(pending[6], "0x1", "a block is shown when it is final");

    // Another block becomes final in its place.
    forge.extend(Template {
        salt: 1,
        ..Template::default()
    });
    let after = answers("latest").await;
    assert_eq!((&after[0], &after[6]), (&json!("0x0"), &json!("0x2")));
    assert_eq!(answers("pending").await, after);
}

#[tokio::test]
async fn parts_of_blocks_are_found() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let hash = story.forge.blocks()[0].hash();
    let block = node
        .result("eth_getBlockByNumber", json!(["0x1", true]))
        .await;

    let header = node.result("eth_getHeaderByNumber", json!(["0x1"])).await;
    assert_eq!(header["hash"], json!(hash));
    assert_eq!(header["stateRoot"], block["stateRoot"]);
    assert_eq!(header.get("transactions"), None);
    assert_eq!(
        node.result("eth_getHeaderByHash", json!([hash])).await,
        header
    );

    for (name, count) in [("BlockTransactionCount", "0x3"), ("UncleCount", "0x0")] {
        let (by_number, by_hash) = if name == "UncleCount" {
            (
                "eth_getUncleCountByBlockNumber",
                "eth_getUncleCountByBlockHash",
            )
        } else {
            (
                "eth_getBlockTransactionCountByNumber",
                "eth_getBlockTransactionCountByHash",
            )
        };
        assert_eq!(node.result(by_number, json!(["0x1"])).await, count);
        assert_eq!(node.result(by_hash, json!([hash])).await, count);
        assert_eq!(node.result(by_number, json!(["earliest"])).await, "0x0");
    }
    let tx = &story.eip2930;
    let bytes = hex(tx.inner().encoded_2718());
    for index in ["0x0", "0x1", "0x2"] {
        for (method, id) in [
            ("eth_getTransactionByBlockNumberAndIndex", json!("0x1")),
            ("eth_getTransactionByBlockHashAndIndex", json!(hash)),
        ] {
            let found = node.result(method, json!([id, index])).await;
            let position = index[2..].parse::<usize>().expect("a digit");
            assert_eq!(found, block["transactions"][position]);
        }
    }
    for (method, params) in [
        ("eth_getRawTransactionByHash", json!([tx.tx_hash()])),
        (
            "eth_getRawTransactionByBlockNumberAndIndex",
            json!(["0x1", "0x1"]),
        ),
        (
            "eth_getRawTransactionByBlockHashAndIndex",
            json!([hash, "0x1"]),
        ),
    ] {
        assert_eq!(node.result(method, params).await, bytes, "{method}");
    }
    let waiting = transfer(0, 2, LOGGER, 0);
    node.pool.add(waiting.inner().clone()).expect("it may wait");
    assert_eq!(
        node.result("eth_getRawTransactionByHash", json!([waiting.tx_hash()]))
            .await,
        hex(waiting.inner().encoded_2718())
    );
}

#[tokio::test]
async fn what_is_unknown_is_null() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let unknown = json!(B256::repeat_byte(1));
    let known = json!(story.forge.blocks()[0].hash());
    for (method, params) in [
        ("eth_getHeaderByNumber", json!(["0x4"])),
        ("eth_getHeaderByHash", json!([unknown])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x4"])),
        ("eth_getBlockTransactionCountByHash", json!([unknown])),
        ("eth_getUncleCountByBlockNumber", json!(["0x4"])),
        ("eth_getUncleCountByBlockHash", json!([unknown])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["0x1", "0x0"])),
        ("eth_getUncleByBlockHashAndIndex", json!([known, "0x0"])),
        (
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["0x1", "0x3"]),
        ),
        (
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["0x4", "0x0"]),
        ),
        (
            "eth_getTransactionByBlockHashAndIndex",
            json!([unknown, "0x0"]),
        ),
        ("eth_getRawTransactionByHash", json!([unknown])),
        (
            "eth_getRawTransactionByBlockNumberAndIndex",
            json!(["0x1", "0x3"]),
        ),
        (
            "eth_getRawTransactionByBlockHashAndIndex",
            json!([unknown, "0x0"]),
        ),
        ("eth_getTransactionBySenderAndNonce", json!([LOGGER, "0x0"])),
    ] {
        assert_eq!(node.result(method, params).await, Value::Null, "{method}");
    }
    let (code, message) = node
        .error(
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["0x1", "one"]),
        )
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.ends_with(
            "expected eth_getTransactionByBlockNumberAndIndex(block number or tag, index)"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn transactions_are_found_by_sender_and_nonce() {
    let story = story();
    let accounts = accounts();
    let node = Served::new(story.forge.chain()).await;
    let waiting = transfer(0, 2, LOGGER, 0);
    node.pool.add(waiting.inner().clone()).expect("it may wait");
    for (index, nonce, tx) in [
        (0, "0x0", &story.legacy),
        (0, "0x1", &story.eip7702),
        (0, "0x2", &waiting),
        (1, "0x0", &story.eip2930),
        (2, "0x0", &story.eip1559),
        (2, "0x1", &story.create),
    ] {
        let params = json!([accounts.address(index), nonce]);
        let found = node
            .result("eth_getTransactionBySenderAndNonce", params)
            .await;
        assert_eq!(found["hash"], json!(tx.tx_hash()));
    }
    // Of the account that delegated, the authorization took the nonce.
    for nonce in ["0x0", "0x1"] {
        let params = json!([accounts.address(3), nonce]);
        assert_eq!(
            node.result("eth_getTransactionBySenderAndNonce", params)
                .await,
            Value::Null
        );
    }
}

#[tokio::test]
async fn receipts_tell_what_happened() {
    let story = story();
    let accounts = accounts();
    let node = Served::new(story.forge.chain()).await;
    let receipts = node.result("eth_getBlockReceipts", json!(["0x1"])).await;
    let receipts = receipts.as_array().expect("a list");
    let types: Vec<_> = receipts.iter().map(|receipt| &receipt["type"]).collect();
    assert_eq!(types, ["0x0", "0x1", "0x2"]);
    let prices: Vec<_> = receipts
        .iter()
        .map(|receipt| quantity(&receipt["effectiveGasPrice"]))
        .collect();
    assert_eq!(prices, [2 * GWEI, GWEI, 3 * GWEI].map(U256::from));

    let gas: Vec<_> = receipts
        .iter()
        .map(|receipt| quantity(&receipt["gasUsed"]))
        .collect();
    assert_eq!(gas[0], U256::from(21_000));
    assert_eq!(
        quantity(&receipts[2]["cumulativeGasUsed"]),
        gas.iter().sum::<U256>()
    );

    let receipt = node
        .result(
            "eth_getTransactionReceipt",
            json!([story.eip1559.tx_hash()]),
        )
        .await;
    assert_eq!(receipt, receipts[2]);
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["from"], json!(accounts.address(2)));
    assert_eq!(receipt["to"], json!(LOGGER));
    assert_eq!(receipt["contractAddress"], Value::Null);
    assert_eq!(receipt["transactionIndex"], "0x2");
    let log = &receipt["logs"][0];
    assert_eq!(log["address"], json!(LOGGER));
    assert_eq!(
        log["topics"],
        json!([TOPIC, accounts.address(2).into_word()])
    );
    assert_eq!(log["data"], word(9));
    assert_eq!(log["logIndex"], "0x1", "the block's second log");
    assert_eq!(log["transactionHash"], json!(story.eip1559.tx_hash()));
    assert_eq!(log["blockTimestamp"], "0x1");
    assert_eq!(log["removed"], false);
    serde_json::from_value::<TransactionReceipt>(receipt).expect("libraries decode it");

    let create = node
        .result("eth_getTransactionReceipt", json!([story.create.tx_hash()]))
        .await;
    assert_eq!(create["to"], Value::Null);
    assert_eq!(
        create["contractAddress"],
        json!(accounts.address(2).create(1))
    );
    let unknown = json!([B256::repeat_byte(1)]);
    assert_eq!(
        node.result("eth_getTransactionReceipt", unknown.clone())
            .await,
        Value::Null
    );
    assert_eq!(
        node.result("eth_getTransactionByHash", unknown).await,
        Value::Null
    );
}

#[tokio::test]
async fn transactions_are_found_on_the_chain_and_in_the_pool() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    for tx in [
        &story.legacy,
        &story.eip2930,
        &story.eip1559,
        &story.eip7702,
        &story.create,
    ] {
        let found = node
            .result("eth_getTransactionByHash", json!([tx.tx_hash()]))
            .await;
        assert_eq!(found["hash"], json!(tx.tx_hash()));
        assert_eq!(
            found["nonce"],
            json!(alloy_primitives::U64::from(tx.nonce()))
        );
        assert_eq!(found["chainId"], "0xe1ec");
    }
    let waiting = transfer(0, 2, LOGGER, 0);
    node.pool.add(waiting.inner().clone()).expect("it may wait");
    let found = node
        .result("eth_getTransactionByHash", json!([waiting.tx_hash()]))
        .await;
    assert_eq!(found["from"], json!(accounts().address(0)));
    assert_eq!(found["blockHash"], Value::Null);
    assert_eq!(found["blockNumber"], Value::Null);
    assert_eq!(found["transactionIndex"], Value::Null);

    let account = accounts().address(0);
    for (block, nonce) in [
        ("latest", "0x2"),
        ("pending", "0x3"),
        ("0x1", "0x1"),
        ("0x0", "0x0"),
    ] {
        let count = node
            .result("eth_getTransactionCount", json!([account, block]))
            .await;
        assert_eq!(count, nonce, "{block}");
    }
}

#[tokio::test]
async fn the_state_of_every_block_can_be_read() {
    let story = story();
    let accounts = accounts();
    let node = Served::new(story.forge.chain()).await;
    let balance = async |index: usize, block: Value| {
        quantity(
            &node
                .result("eth_getBalance", json!([accounts.address(index), block]))
                .await,
        )
    };
    let thousand = U256::from(1000 * ETHER);
    assert_eq!(balance(0, json!("0x0")).await, thousand);
    let fee = U256::from(21_000 * 2 * GWEI);
    assert_eq!(
        balance(0, json!("0x1")).await,
        thousand - U256::from(ETHER) - fee
    );
    assert_eq!(balance(1, json!("earliest")).await, thousand);
    let receipt = node
        .result(
            "eth_getTransactionReceipt",
            json!([story.eip2930.tx_hash()]),
        )
        .await;
    let fee = quantity(&receipt["gasUsed"]) * U256::from(GWEI);
    assert_eq!(
        balance(1, json!("latest")).await,
        thousand + U256::from(ETHER) - fee
    );
    assert_eq!(
        balance(1, Value::Null).await,
        balance(1, json!("latest")).await
    );

    let created = accounts.address(2).create(1);
    for (address, block, code) in [
        (LOGGER, "0x0", logger_code()),
        (created, "0x1", Default::default()),
        (created, "0x2", [1].into()),
        (accounts.address(3), "0x1", Default::default()),
        (
            accounts.address(3),
            "0x2",
            [&[0xef, 1, 0][..], LOGGER.as_slice()].concat().into(),
        ),
    ] {
        let found = node.result("eth_getCode", json!([address, block])).await;
        assert_eq!(found, json!(code), "{address} at {block}");
    }
    for (block, value) in [("0x0", 0), ("0x1", 9), ("latest", 9)] {
        for slot in [json!("0x0"), word(0)] {
            let found = node
                .result("eth_getStorageAt", json!([LOGGER, slot, block]))
                .await;
            assert_eq!(found, word(value), "{block}");
        }
    }
    let nobody = address!("00000000000000000000000000000000000000ff");
    assert_eq!(node.result("eth_getBalance", json!([nobody])).await, "0x0");
    assert_eq!(
        node.result("eth_getTransactionCount", json!([nobody]))
            .await,
        "0x0"
    );
}

#[tokio::test]
async fn block_parameters_follow_eip_1898() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let hash = story.forge.blocks()[0].hash();
    let genesis = story.forge.chain().spec().genesis_hash();
    for (block, value) in [
        (json!({"blockNumber": "0x0"}), 0),
        (json!({"blockNumber": "0x1"}), 9),
        (json!({"blockHash": genesis}), 0),
        (json!({"blockHash": hash, "requireCanonical": true}), 9),
        (json!(hash), 9),
    ] {
        let found = node
            .result("eth_getStorageAt", json!([LOGGER, "0x0", block]))
            .await;
        assert_eq!(found, word(value), "{block}");
    }
    let unknown = json!({"blockHash": B256::repeat_byte(1)});
    assert_eq!(
        node.error("eth_getBalance", json!([LOGGER, unknown])).await,
        (-32000, "header for hash not found".to_owned())
    );
    assert_eq!(
        node.error("eth_getBalance", json!([LOGGER, "0x4"])).await,
        (-32000, "header not found".to_owned())
    );
    assert_eq!(
        node.error("eth_call", json!([{"to": LOGGER}, "0x4"])).await,
        (-32000, "header not found".to_owned())
    );
}

#[tokio::test]
async fn reads_do_not_wait_for_a_writer() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let writer = node.chain.storage().writer().expect("nobody else writes");
    let found = node
        .result("eth_getStorageAt", json!([LOGGER, "0x0", "latest"]))
        .await;
    assert_eq!(found, hex(word_bytes(9)));
    drop(writer);
}
