//! Proofs of accounts and storage, verified as a light client would.

use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{ETHER, LOGGER, accounts, logger_code, story},
    client::Served,
};

/// Asks for a proof and verifies all of it against the block's state root.
async fn proven(
    node: &Served,
    address: Address,
    slots: Value,
    block: &str,
) -> (EIP1186AccountProofResponse, Value) {
    let header = node
        .result("eth_getBlockByNumber", json!([block, false]))
        .await;
    let state_root: B256 = header["stateRoot"]
        .as_str()
        .and_then(|root| root.parse().ok())
        .expect("a root");
    let answer = node
        .result("eth_getProof", json!([address, slots, block]))
        .await;
    let proof: EIP1186AccountProofResponse =
        serde_json::from_value(answer.clone()).expect("a proof");
    let leaf = (!proof.is_empty()).then(|| {
        alloy_rlp::encode(TrieAccount {
            nonce: proof.nonce,
            balance: proof.balance,
            storage_root: proof.storage_hash,
            code_hash: proof.code_hash,
        })
    });
    let path = |key: &[u8]| Nibbles::unpack(keccak256(key));
    verify_proof(
        state_root,
        path(address.as_slice()),
        leaf,
        &proof.account_proof,
    )
    .expect("the account is proven");
    for slot in &proof.storage_proof {
        let leaf = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
        let path = path(slot.key.as_b256().as_slice());
        verify_proof(proof.storage_hash, path, leaf, &slot.proof).expect("the slot is proven");
    }
    (proof, answer)
}

#[tokio::test]
async fn accounts_and_slots_are_proven_at_any_block() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let slots = json!(["0x0", B256::with_last_byte(1)]);
    for (block, value) in [("0x0", 0u64), ("0x1", 9), ("0x2", 9), ("latest", 9)] {
        let (proof, answer) = proven(&node, LOGGER, slots.clone(), block).await;
        assert_eq!(proof.code_hash, keccak256(logger_code()));
        assert_eq!(proof.storage_hash == EMPTY_ROOT_HASH, value == 0);
        assert_eq!(proof.storage_proof[0].value, U256::from(value), "{block}");
        assert_eq!(proof.storage_proof[1].value, U256::ZERO);
        // As they were asked for.
        assert_eq!(answer["storageProof"][0]["key"], "0x0");
        assert_eq!(answer["storageProof"][1]["key"], slots[1]);
    }
    let receiver = accounts().address(1);
    let (before, _) = proven(&node, receiver, json!([]), "0x0").await;
    let (after, _) = proven(&node, receiver, json!([]), "0x1").await;
    assert_eq!(after.nonce, before.nonce + 1);
    assert!(after.balance > before.balance + U256::from(ETHER / 2));
}

#[tokio::test]
async fn what_does_not_exist_is_proven_not_to() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let created = accounts().address(2).create(1);
    let (proof, _) = proven(&node, created, json!(["0x5"]), "0x1").await;
    assert!(proof.is_empty());
    assert_eq!(proof.code_hash, KECCAK256_EMPTY);
    assert_eq!(proof.storage_hash, EMPTY_ROOT_HASH);
    assert!(proof.storage_proof[0].proof.is_empty());
    let (proof, _) = proven(&node, created, json!(["0x5"]), "0x2").await;
    assert_eq!((proof.nonce, proof.code_hash), (1, keccak256([1])));
}

#[tokio::test]
async fn proofs_keep_to_their_limits() {
    let story = story();
    let limits = RpcLimits {
        proof_slots: 2,
        proof_changes: 1,
        ..RpcLimits::default()
    };
    let node = Served::limited(story.forge.chain(), limits).await;
    let error = async |params: Value| node.error("eth_getProof", params).await;
    assert_eq!(
        error(json!([LOGGER, ["0x0", "0x1", "0x2"], "latest"])).await,
        (
            -32005,
            "too many slots: 3 given, limit 2: split the query".to_owned()
        )
    );
    assert_eq!(
        error(json!([LOGGER, [], "0x0"])).await,
        (
            -32005,
            "more than 1 accounts and slots changed since block 0, which a proof of its state has \
             to undo: prove a later block"
                .to_owned()
        )
    );
    assert_eq!(
        error(json!([LOGGER, [], "0x9"])).await,
        (-32000, "header not found".to_owned())
    );
    node.result("eth_getProof", json!([LOGGER, ["0x0", "0x1"]]))
        .await;
}
