//! Waiting transactions, and the node itself.

use alloy_rpc_types_admin::NodeInfo;
use alloy_rpc_types_txpool::{TxpoolContent, TxpoolContentFrom, TxpoolInspect};
use serde_json::json;

use crate::{
    chain::{CHAIN_ID, LOGGER, accounts, empty, story, transfer},
    client::Served,
};

#[tokio::test]
async fn what_waits_is_shown_by_sender_and_nonce() {
    let node = Served::new(empty().chain()).await;
    let none = json!({"pending": {}, "queued": {}});
    assert_eq!(node.result("txpool_content", json!([])).await, none);
    assert_eq!(node.result("txpool_inspect", json!([])).await, none);

    let (zero, one) = (accounts().address(0), accounts().address(1));
    let waiting = [
        transfer(0, 0, LOGGER, 5),
        transfer(0, 1, LOGGER, 6),
        // Nonces 2 and 3 are missing.
        transfer(0, 4, LOGGER, 7),
        transfer(1, 0, LOGGER, 8),
    ];
    for tx in &waiting {
        node.pool.add(tx.inner().clone()).expect("it is valid");
    }
    assert_eq!(
        node.result("txpool_status", json!([])).await,
        json!({"pending": "0x3", "queued": "0x1"})
    );

    let content = node.result("txpool_content", json!([])).await;
    let content: TxpoolContent = serde_json::from_value(content).expect("libraries decode it");
    let found = |index: usize| {
        let (sender, part) = match index {
            2 => (zero, &content.queued),
            3 => (one, &content.pending),
            _ => (zero, &content.pending),
        };
        let nonce = ["0", "1", "4", "0"][index];
        &part[&sender][nonce]
    };
    for (index, tx) in waiting.iter().enumerate() {
        let found = found(index);
        assert_eq!(found.inner.tx_hash(), tx.tx_hash());
        assert_eq!(found.inner.signer(), tx.signer());
        assert_eq!(found.block_hash, None);
    }
    assert_eq!(content.pending_transactions().count(), 3);
    assert_eq!(content.queued_transactions().count(), 1);

    let from = node.result("txpool_contentFrom", json!([zero])).await;
    let from: TxpoolContentFrom = serde_json::from_value(from).expect("libraries decode it");
    assert!(from.pending.keys().eq(["0", "1"]));
    assert!(from.queued.keys().eq(["4"]));
    assert_eq!(
        node.result("txpool_contentFrom", json!([LOGGER])).await,
        none
    );

    let inspect = node.result("txpool_inspect", json!([])).await;
    let expected = format!("{LOGGER:?}: 7 wei + 21000 gas × 0 wei");
    assert_eq!(inspect["queued"][zero.to_string()]["4"], expected);
    let inspect: TxpoolInspect = serde_json::from_value(inspect).expect("libraries decode it");
    assert_eq!(inspect.pending[&one]["0"].to, Some(LOGGER));
}

#[tokio::test]
async fn the_node_tells_of_itself() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let info = node.result("admin_nodeInfo", json!([])).await;
    let info: NodeInfo = serde_json::from_value(info).expect("libraries decode it");
    assert_eq!(info.name, "wattline/test");
    assert_eq!(info.listen_addr, node.handle.local_addr());
    assert_eq!(info.ip, node.handle.local_addr().ip());
    assert_eq!(info.ports.listener, node.handle.local_addr().port());
    let eth = info.protocols.eth.expect("it speaks of a chain");
    assert_eq!(eth.network, CHAIN_ID);
    assert_eq!(eth.genesis, node.chain.spec().genesis_hash());
    assert_eq!(eth.head, node.chain.head().hash());
    assert_eq!(&eth.config, &node.chain.spec().genesis().config);
    assert_eq!(node.result("admin_peers", json!([])).await, json!([]));
}
