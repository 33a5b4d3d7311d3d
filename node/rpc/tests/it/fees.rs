//! What gas costs.

use alloy_primitives::U256;
use serde_json::json;
use wattline_chain::test_utils::{Forge, Signers, Template};

use crate::{
    chain::{CHAIN_ID, GWEI, genesis, story},
    client::{Served, quantity, word_bytes},
};

#[tokio::test]
async fn gas_is_free_while_there_is_room() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    assert_eq!(node.result("eth_gasPrice", json!([])).await, "0x0");
    assert_eq!(
        node.result("eth_maxPriorityFeePerGas", json!([])).await,
        "0x0"
    );
    assert_eq!(node.result("eth_blobBaseFee", json!([])).await, "0x1");
}

#[tokio::test]
async fn the_rules_in_force_can_be_read() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let config = node.result("eth_config", json!([])).await;
    assert_eq!(config["next"], json!(null));
    assert_eq!(config["last"], json!(null));
    let current = &config["current"];
    assert_eq!(current["activationTime"], 0);
    assert_eq!(current["chainId"], "0xe1ec");
    let genesis = story.forge.chain().spec().genesis_hash();
    let fork = alloy_eips::eip2124::ForkHash::from(genesis);
    assert_eq!(current["forkId"], crate::client::hex(fork.0));
    assert_eq!(
        current["blobSchedule"],
        json!({"baseFeeUpdateFraction": 5_007_716, "max": 0, "target": 0})
    );
    let precompiles = current["precompiles"].as_object().expect("an object");
    assert_eq!(precompiles.len(), 19);
    for (name, address) in [
        ("ECREC", "0x0000000000000000000000000000000000000001"),
        (
            "BLS12_MAP_FP2_TO_G2",
            "0x0000000000000000000000000000000000000011",
        ),
        ("P256VERIFY", "0x0000000000000000000000000000000000000100"),
        (
            "BATCH_AUCTION",
            "0x000000000000000000000000000000000000e1ec",
        ),
    ] {
        assert_eq!(precompiles[name], address);
    }
    // This genesis has none of the contracts that keep hashes.
    assert_eq!(current["systemContracts"], json!({}));
}

#[tokio::test]
async fn a_full_block_raises_the_suggested_tip() {
    let signers = Signers::new(1);
    let forge = Forge::new(genesis(&signers).gas_limit(5_000_000), signers);
    let gas = 4_900_000;
    let input = word_bytes(12_000);
    let tx = alloy_consensus::TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: gas,
        max_fee_per_gas: 7 * GWEI,
        max_priority_fee_per_gas: 4 * GWEI,
        to: alloy_primitives::TxKind::Call(crate::chain::CHATTERER),
        input,
        ..Default::default()
    };
    let tx = crate::chain::sign(0, tx);
    forge.extend(Template::default().with(vec![tx]));
    assert!(
        forge.chain().head().gas_used > 4_500_000,
        "the block is full"
    );
    let node = Served::new(forge.chain()).await;
    assert_eq!(
        quantity(&node.result("eth_maxPriorityFeePerGas", json!([])).await),
        U256::from(4 * GWEI)
    );
    assert_eq!(
        quantity(&node.result("eth_gasPrice", json!([])).await),
        U256::from(4 * GWEI)
    );
}

#[tokio::test]
async fn the_fee_history_reaches_back_and_one_ahead() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let history = node
        .result("eth_feeHistory", json!(["0x3", "latest", [0, 50, 100]]))
        .await;
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(
        history["baseFeePerGas"],
        json!(["0x0", "0x0", "0x0", "0x0"])
    );
    assert_eq!(
        history["baseFeePerBlobGas"],
        json!(["0x1", "0x1", "0x1", "0x1"])
    );
    assert_eq!(history["blobGasUsedRatio"], json!([0.0, 0.0, 0.0]));
    let ratios = history["gasUsedRatio"].as_array().expect("a list");
    let gas = story.forge.blocks()[0].gas_used;
    let ratio = ratios[0].as_f64().expect("a number");
    assert!((ratio - gas as f64 / 30e6).abs() < 1e-12, "{ratio}");
    assert_eq!(ratios[2].as_f64(), Some(0.0));
    let gwei = |amount: u128| format!("{:#x}", amount * GWEI);
    // Half of the block's gas is used by the transaction that paid 2 gwei.
    let paid = json!([gwei(1), gwei(2), gwei(3)]);
    assert_eq!(
        history["reward"],
        json!([paid, ["0x0", "0x0", "0x0"], ["0x0", "0x0", "0x0"]])
    );

    let short = node.result("eth_feeHistory", json!([1, "0x1"])).await;
    assert_eq!(short["oldestBlock"], "0x1");
    assert_eq!(short["baseFeePerGas"], json!(["0x0", "0x0"]));
    assert!(short.get("reward").is_none());
    let whole = node
        .result(
            "eth_feeHistory",
            json!(["0xffffffffffffffff", "latest", []]),
        )
        .await;
    assert_eq!(whole["oldestBlock"], "0x0");

    for (params, message) in [
        (
            json!(["0x1", "latest", [101]]),
            "invalid reward percentile: 101, expected a number from 0 to 100",
        ),
        (
            json!(["0x1", "latest", [-1]]),
            "invalid reward percentile: -1, expected a number from 0 to 100",
        ),
        (
            json!(["0x1", "latest", [60, 50]]),
            "invalid reward percentile: 60 comes before 50, expected ascending numbers",
        ),
        (
            json!(["0x1", "0x9"]),
            "request beyond head block: requested 9, head 3",
        ),
        (
            json!(["0x1", "latest", vec![1; 101]]),
            "invalid reward percentile: 101 given, over the query limit 100",
        ),
    ] {
        let expected = (-32602, message.to_owned());
        assert_eq!(node.error("eth_feeHistory", params).await, expected);
    }
}
