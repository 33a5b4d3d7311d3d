//! A node that has pruned old states.

use alloy_primitives::U256;
use serde_json::json;
use wattline_chain::test_utils::{Forge, Signers, Template};

use crate::{
    chain::{ETHER, accounts, genesis, transfer},
    client::{Served, quantity},
};

const REFUSAL: &str = "missing trie node: the state of block 2 was pruned, the oldest state that \
                       this node keeps is that of block 3";

/// Five blocks with a transfer each; the states from block 3 on are kept.
fn forge() -> Forge {
    let signers = Signers::new(1);
    let forge = Forge::new(genesis(&signers).history(2), signers);
    for nonce in 0..5 {
        let pay = transfer(0, nonce, accounts().address(1), ETHER);
        forge.extend(Template::default().with(vec![pay]));
    }
    forge
}

#[tokio::test]
async fn a_pruned_state_is_refused_and_the_block_is_still_served() {
    let forge = forge();
    let node = Served::new(forge.chain()).await;
    let account = accounts().address(1);
    let call = json!({"to": account});
    let blocks = forge.blocks();
    let third = &blocks[2].body().transactions[0];
    for (method, params) in [
        ("eth_getBalance", json!([account, "0x2"])),
        ("eth_getTransactionCount", json!([account, "0x2"])),
        ("eth_getCode", json!([account, "0x2"])),
        ("eth_getStorageAt", json!([account, "0x0", "0x2"])),
        ("eth_getProof", json!([account, [], "0x2"])),
        ("eth_call", json!([call, "0x2"])),
        ("eth_estimateGas", json!([call, "0x2"])),
        ("eth_simulateV1", json!([{"blockStateCalls": [{}]}, "0x2"])),
        ("debug_traceCall", json!([call, "0x2", {}])),
        // What block 3 did begins with the state of block 2.
        ("debug_traceBlockByNumber", json!(["0x3", {}])),
        ("trace_block", json!(["0x3"])),
        ("trace_transaction", json!([third.tx_hash()])),
    ] {
        let error = node.error(method, params).await;
        assert_eq!(error, (-32000, REFUSAL.to_owned()), "{method}");
    }

    let balance = node.result("eth_getBalance", json!([account, "0x3"])).await;
    assert_eq!(
        quantity(&balance) % U256::from(10 * ETHER),
        U256::from(3 * ETHER)
    );
    node.result("debug_traceBlockByNumber", json!(["0x4", {}]))
        .await;
    let block = node
        .result("eth_getBlockByNumber", json!(["0x1", true]))
        .await;
    let hash = &block["transactions"][0]["hash"];
    let receipt = node
        .result("eth_getTransactionReceipt", json!([hash]))
        .await;
    assert_eq!(receipt["status"], "0x1");
}

#[tokio::test]
async fn a_suspended_pool_tells_senders_why_and_takes_transactions_again() {
    let forge = forge();
    let node = Served::new(forge.chain()).await;
    let pay = transfer(0, 5, accounts().address(1), ETHER);
    let raw = json!([crate::client::hex(alloy_eips::Encodable2718::encoded_2718(
        pay.inner()
    ))]);
    node.pool.suspend(Some("its disk is full".into()));
    for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let error = node.error(method, raw.clone()).await;
        let expected = "this node takes no transactions at the moment: its disk is full";
        assert_eq!(error, (-32000, expected.to_owned()), "{method}");
    }
    node.result("eth_blockNumber", json!([])).await;
    node.pool.suspend(None);
    node.result("eth_sendRawTransaction", raw).await;
    assert!(node.pool.contains(pay.tx_hash()));
}
