//! The `clique` namespace.

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use wattline_chain::test_utils::{Forge, Signers, Template};
use wattline_pool::{Pool, PoolConfig};
use wattline_producer::{Producer, ProducerConfig, SignerKey};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{empty, genesis},
    client::{Served, config, hex},
};

/// Three signers; blocks 1 and 2 in turn, block 3 by another; block 1 votes for an account.
fn voted() -> (Forge, Signers, Address) {
    let signers = Signers::new(3);
    let forge = Forge::new(genesis(&signers), signers.clone());
    let account = Address::repeat_byte(0x77);
    forge.extend(Template {
        vote: Some((account, true)),
        ..Template::by(1)
    });
    forge.extend(Template::by(2));
    forge.extend(Template::by(1));
    (forge, signers, account)
}

#[tokio::test]
async fn shows_signers_and_votes_of_any_block() {
    let (forge, signers, account) = voted();
    let node = Served::new(forge.chain()).await;
    let addresses = json!(signers.addresses());
    let hash = forge.blocks()[1].hash();
    assert_eq!(node.result("clique_getSigners", json!([])).await, addresses);
    assert_eq!(
        node.result("clique_getSigners", json!(["0x0"])).await,
        addresses
    );
    assert_eq!(
        node.result("clique_getSignersAtHash", json!([hash])).await,
        addresses
    );

    let snapshot = node.result("clique_getSnapshotAtHash", json!([hash])).await;
    let members: serde_json::Map<_, _> = signers
        .addresses()
        .iter()
        .map(|signer| (signer.to_string().to_lowercase(), json!({})))
        .collect();
    let expected = json!({
        "number": 2,
        "hash": hash,
        "signers": members,
        "recents": {"1": signers.address(1), "2": signers.address(2)},
        "votes": [
            {"signer": signers.address(1), "block": 1, "address": account, "authorize": true}
        ],
        "tally": {account.to_string(): {"authorize": true, "votes": 1}},
    });
    assert_eq!(lowercase(&snapshot), lowercase(&expected));
    assert_eq!(
        node.result("clique_getSnapshot", json!(["0x2"])).await,
        snapshot
    );
    let head = node.result("clique_getSnapshot", json!([])).await;
    assert_eq!(head["number"], 3);

    let unknown = (-32000, "unknown block".to_owned());
    assert_eq!(
        node.error("clique_getSnapshot", json!(["0x4"])).await,
        unknown
    );
    assert_eq!(
        node.error("clique_getSignersAtHash", json!([B256::ZERO]))
            .await,
        unknown
    );
}

fn lowercase(value: &Value) -> Value {
    serde_json::from_str(&value.to_string().to_lowercase()).expect("still JSON")
}

#[tokio::test]
async fn tells_who_sealed() {
    let (forge, signers, _) = voted();
    let node = Served::new(forge.chain()).await;
    let block = forge.blocks().swap_remove(1);
    for parameter in [
        json!("0x2"),
        json!(block.hash()),
        json!({"blockHash": block.hash()}),
        json!({"blockNumber": "0x2"}),
        hex(alloy_rlp::encode(block.header())),
    ] {
        let signer = node.result("clique_getSigner", json!([parameter])).await;
        assert_eq!(signer, json!(signers.address(2)), "{parameter}");
    }
    assert_eq!(
        node.result("clique_getSigner", json!([])).await,
        json!(signers.address(1))
    );
    assert_eq!(
        node.error("clique_getSigner", json!(["0x9"])).await,
        (-32000, "unknown block".to_owned())
    );
    let (code, message) = node
        .error("clique_getSigner", json!([hex([0xc0; 40])]))
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("invalid block: expected a number, tag, hash or the RLP"),
        "{message}"
    );
    let (code, message) = node.error("clique_getSigner", json!(["0x0"])).await;
    assert_eq!(code, -32000);
    assert!(
        message.starts_with("the block has no valid seal"),
        "{message}"
    );
}

#[tokio::test]
async fn shows_how_signers_take_turns() {
    let (forge, signers, _) = voted();
    let node = Served::new(forge.chain()).await;
    let status = node.result("clique_status", json!([])).await;
    assert_eq!(status["numBlocks"], 3);
    let percent = status["inturnPercent"].as_f64().expect("a number");
    assert!((percent - 200.0 / 3.0).abs() < 1e-9, "{percent}");
    let activity = lowercase(&status["sealingActivity"]);
    let of = |index: usize| activity[signers.address(index).to_string().to_lowercase()].clone();
    assert_eq!([of(0), of(1), of(2)], [json!(0), json!(2), json!(1)]);

    let fresh = Served::new(empty().chain()).await;
    let status = fresh.result("clique_status", json!([])).await;
    assert_eq!(
        (&status["numBlocks"], &status["inturnPercent"]),
        (&json!(0), &json!(0.0))
    );
}

#[tokio::test]
async fn proposals_are_for_nodes_that_seal() {
    let node = Served::new(empty().chain()).await;
    let expected = (
        -32000,
        "this node seals no blocks: start it with --signer to vote".to_owned(),
    );
    let account = Address::repeat_byte(0x77);
    assert_eq!(node.error("clique_proposals", json!([])).await, expected);
    assert_eq!(
        node.error("clique_propose", json!([account, true])).await,
        expected
    );
    assert_eq!(
        node.error("clique_discard", json!([account])).await,
        expected
    );
}

#[tokio::test]
async fn proposals_reach_the_signer() {
    let forge = empty();
    let chain = forge.chain();
    let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
    let pool = Pool::open(PoolConfig::default(), None, storage, evm).expect("a pool opens");
    let key = SignerKey::from(Signers::new(1).key(0).clone());
    let producer = Producer::new(chain.clone(), pool, key, ProducerConfig::default());
    let node = Served::with(chain, config(RpcLimits::default()), Some(producer.handle())).await;
    let (one, two) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    assert_eq!(node.result("clique_proposals", json!([])).await, json!({}));
    assert_eq!(
        node.result("clique_propose", json!([one, true])).await,
        Value::Null
    );
    assert_eq!(
        node.result("clique_propose", json!([two, false])).await,
        Value::Null
    );
    assert_eq!(
        node.result("clique_proposals", json!([])).await,
        json!({one.to_string(): true, two.to_string(): false})
    );
    assert_eq!(
        node.result("clique_discard", json!([one])).await,
        Value::Null
    );
    assert_eq!(
        node.result("clique_proposals", json!([])).await,
        json!({two.to_string(): false})
    );
    assert_eq!(producer.handle().proposals(), [(two, false)].into());

    // The chain's only signer.
    let signer = Signers::new(1).address(0);
    let expected = format!(
        "account {signer} is the chain's only signer: without it nobody could seal a block ever \
         again; propose another signer first, and this one once the other is voted in"
    );
    assert_eq!(
        node.error("clique_propose", json!([signer, false])).await,
        (-32000, expected)
    );
    assert_eq!(producer.handle().proposals(), [(two, false)].into());
}
