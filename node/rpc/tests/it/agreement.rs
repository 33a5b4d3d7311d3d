//! What clients hear of the agreement and of peers.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, BlockNumber, Bytes, U64, U256};
use alloy_rlp::Decodable as _;
use alloy_rpc_types_admin::NodeInfo;
use alloy_rpc_types_eth::SyncInfo;
use jsonrpsee::{
    core::client::{Subscription, SubscriptionClientT as _},
    rpc_params,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use wattline_rpc::{
    RpcContext, RpcError, RpcLimits,
    agreement::{
        AgreementSource, RpcAgreementStatus, RpcCertificate, RpcCommitteeMember, RpcEvidence,
        RpcSignature,
    },
    peers::{
        PeerSource, RpcNode, RpcPeer, RpcPeerNetwork, RpcPeerProtocols, RpcPeerRole, RpcPeerStatus,
    },
};

use crate::{
    chain::empty,
    client::{Served, config, context},
};

const KEY: B256 = B256::repeat_byte(0x11);
const OTHER: B256 = B256::repeat_byte(0x22);

/// An agreement that stands still: block 3 has a certificate.
#[derive(Debug)]
struct Still {
    certified: B256,
    behind: Mutex<Option<SyncInfo>>,
}

impl AgreementSource for Still {
    fn finalization(&self, number: BlockNumber) -> Result<Option<RpcCertificate>, RpcError> {
        Ok((number <= 3).then(|| RpcCertificate {
            block_number: U64::from(3),
            block_hash: self.certified,
            epoch: U64::ZERO,
            view: U64::from(9),
            signatures: vec![RpcSignature {
                signer: Address::repeat_byte(5),
                node_key: KEY,
                signature: Bytes::from_static(&[1; 64]),
            }],
            certificate: Bytes::from_static(&[2; 80]),
        }))
    }

    fn evidence(&self, from: u64, limit: usize) -> Result<Vec<RpcEvidence>, RpcError> {
        let records = (from..300).take(limit).map(|index| RpcEvidence {
            index: U64::from(index),
            kind: "conflictingNotarize".to_owned(),
            node_key: OTHER,
            epoch: U64::from(1),
            view: U64::from(index),
            proof: Bytes::from_static(&[3]),
        });
        Ok(records.collect())
    }

    fn status(&self) -> RpcAgreementStatus {
        RpcAgreementStatus {
            epoch: U64::ZERO,
            committee: vec![RpcCommitteeMember {
                signer: Address::repeat_byte(5),
                node_key: KEY,
            }],
            votes: false,
            reason: Some("it is behind its peers".to_owned()),
        }
    }

    fn syncing(&self) -> Option<SyncInfo> {
        self.behind.lock().clone()
    }
}

/// A network of one peer that is connected and one that was left.
#[derive(Debug)]
struct Two;

impl PeerSource for Two {
    fn local(&self) -> RpcNode {
        RpcNode {
            node_key: KEY,
            listen: ([127, 0, 0, 1], 30_303).into(),
        }
    }

    fn count(&self) -> usize {
        1
    }

    fn peers(&self) -> Vec<RpcPeer> {
        let peer = |id, status| RpcPeer {
            enode: format!("{id:x}@peer.example.org:30303"),
            id,
            name: "Grid East".to_owned(),
            caps: vec!["wattline/1".to_owned()],
            network: RpcPeerNetwork {
                local_address: "127.0.0.1:30303".to_owned(),
                remote_address: "peer.example.org:30303".to_owned(),
            },
            protocols: RpcPeerProtocols { wattline: status },
        };
        let connected = RpcPeerStatus {
            role: Some(RpcPeerRole::Validator),
            connected_since: Some(U64::from(5)),
            head_number: Some(U64::from(3)),
            head_hash: Some(B256::ZERO),
            clock_ahead: Some(-12),
            ..RpcPeerStatus::default()
        };
        let left = RpcPeerStatus {
            blocked: Some("its chain is another".to_owned()),
            ..RpcPeerStatus::default()
        };
        vec![peer(OTHER, connected), peer(B256::repeat_byte(0x33), left)]
    }
}

/// A node of four blocks with an agreement and peers.
async fn served() -> (Served, Arc<Still>) {
    let forge = empty();
    forge.extend_in_turn(4);
    let agreement = Arc::new(Still {
        certified: forge.blocks()[2].hash(),
        behind: Mutex::default(),
    });
    let context = RpcContext {
        agreement: Some(agreement.clone()),
        peers: Some(Arc::new(Two)),
        ..context(forge.chain())
    };
    let node = Served::start(config(RpcLimits::default()), context).await;
    (node, agreement)
}

#[tokio::test]
async fn a_certificate_comes_with_the_headers_that_lead_to_it() {
    let (node, agreement) = served().await;
    let found = node
        .result("consensus_getFinalization", json!(["0x1"]))
        .await;
    assert_eq!(found["blockNumber"], "0x3");
    assert_eq!(found["blockHash"], json!(agreement.certified));
    assert_eq!(
        (&found["epoch"], &found["view"]),
        (&json!("0x0"), &json!("0x9"))
    );
    assert_eq!(
        found["signatures"],
        json!([{
            "signer": Address::repeat_byte(5),
            "nodeKey": KEY,
            "signature": Bytes::from_static(&[1; 64]),
        }])
    );
    assert_eq!(found["certificate"], json!(Bytes::from_static(&[2; 80])));

    // What somebody does who trusts the certificate only.
    let headers: Vec<Bytes> = serde_json::from_value(found["headers"].clone()).expect("bytes");
    let headers: Vec<_> = headers
        .iter()
        .map(|rlp| Header::decode(&mut rlp.as_ref()).expect("a header"))
        .collect();
    let numbers: Vec<_> = headers.iter().map(|header| header.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for pair in headers.windows(2) {
        assert_eq!(pair[1].parent_hash, pair[0].hash_slow());
    }
    assert_eq!(headers[2].hash_slow(), agreement.certified);

    let alone = node
        .result("consensus_getFinalization", json!([agreement.certified]))
        .await;
    assert_eq!(alone["headers"].as_array().map(Vec::len), Some(1));
    for none in [json!("0x4"), json!("0x5"), json!(B256::ZERO)] {
        assert_eq!(
            node.result("consensus_getFinalization", json!([none]))
                .await,
            Value::Null
        );
    }
}

#[tokio::test]
async fn evidence_comes_in_pages() {
    let (node, _) = served().await;
    let places = async |params: Value| {
        let found = node.result("consensus_getEvidence", params).await;
        let found = found.as_array().expect("a list").clone();
        assert!(found.iter().all(|one| one["nodeKey"] == json!(OTHER)));
        let first = found.first().map(|one| one["index"].clone());
        (found.len(), first)
    };
    assert_eq!(places(json!([])).await, (100, Some(json!("0x0"))));
    assert_eq!(places(json!(["0x5", "0x2"])).await, (2, Some(json!("0x5"))));
    assert_eq!(places(json!(["0x0", "0xffffffff"])).await.0, 100);
    assert_eq!(places(json!(["0x12b"])).await, (1, Some(json!("0x12b"))));
    assert_eq!(places(json!(["0xffffffffffffffff"])).await, (0, None));
}

#[tokio::test]
async fn where_the_agreement_is() {
    let (node, _) = served().await;
    assert_eq!(
        node.result("consensus_status", json!([])).await,
        json!({
            "epoch": "0x0",
            "committee": [{"signer": Address::repeat_byte(5), "nodeKey": KEY}],
            "votes": false,
            "reason": "it is behind its peers",
        })
    );
}

#[tokio::test]
async fn peers_are_shown_and_counted() {
    let (node, _) = served().await;
    assert_eq!(node.result("net_peerCount", json!([])).await, "0x1");
    let info = node.result("admin_nodeInfo", json!([])).await;
    let info: NodeInfo = serde_json::from_value(info).expect("libraries decode it");
    assert_eq!(info.id, KEY.to_string());
    assert_eq!(info.enode, format!("{KEY:x}@127.0.0.1:30303"));
    assert_eq!(
        (info.listen_addr.port(), info.ports.listener),
        (30_303, 30_303)
    );

    let peers = node.result("admin_peers", json!([])).await;
    assert_eq!(peers[0]["id"], json!(OTHER));
    assert_eq!(
        peers[0]["network"]["remoteAddress"],
        "peer.example.org:30303"
    );
    let status = &peers[0]["protocols"]["wattline"];
    assert_eq!(status["role"], "validator");
    assert_eq!(
        (&status["headNumber"], &status["clockAhead"]),
        (&json!("0x3"), &json!(-12))
    );
    assert_eq!(status.get("blocked"), None);
    let status = &peers[1]["protocols"]["wattline"];
    assert_eq!(
        (&status["role"], &status["connectedSince"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(status["blocked"], "its chain is another");
}

#[tokio::test]
async fn a_node_that_is_behind_says_so() {
    let (node, agreement) = served().await;
    assert_eq!(node.result("eth_syncing", json!([])).await, false);
    let client = node.websocket().await;
    let mut syncing: Subscription<Value> = client
        .subscribe("eth_subscribe", rpc_params!["syncing"], "eth_unsubscribe")
        .await
        .expect("a subscription");
    let mut next = async || syncing.next().await.expect("goes on").expect("JSON");
    assert_eq!(next().await, json!(false));

    *agreement.behind.lock() = Some(SyncInfo {
        starting_block: U256::from(1),
        current_block: U256::from(4),
        highest_block: U256::from(90),
        ..SyncInfo::default()
    });
    let progress = node.result("eth_syncing", json!([])).await;
    assert_eq!(
        ["startingBlock", "currentBlock", "highestBlock"].map(|field| progress[field].clone()),
        ["0x1", "0x4", "0x5a"].map(Value::from)
    );
    assert_eq!(
        next().await,
        json!({
            "syncing": true,
            "startingBlock": "0x1",
            "currentBlock": "0x4",
            "highestBlock": "0x5a",
        })
    );
    *agreement.behind.lock() = None;
    assert_eq!(next().await, json!(false));
    assert_eq!(node.result("eth_syncing", json!([])).await, false);
}

#[tokio::test]
async fn a_node_alone_says_that_it_is() {
    let node = Served::new(empty().chain()).await;
    for (method, params, answer) in [
        ("consensus_getFinalization", json!(["latest"]), Value::Null),
        ("consensus_getEvidence", json!([]), json!([])),
        ("consensus_status", json!([]), Value::Null),
        ("net_peerCount", json!([]), json!("0x0")),
        ("admin_peers", json!([]), json!([])),
        ("eth_syncing", json!([]), json!(false)),
    ] {
        assert_eq!(node.result(method, params).await, answer, "{method}");
    }
}
