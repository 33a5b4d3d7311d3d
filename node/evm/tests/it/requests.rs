//! What lives at the system addresses of the beacon chain's interfaces cannot stop the chain.

use crate::common::*;
use alloy_eips::{
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_primitives::{U256, keccak256};
use serde_json::json;

#[test]
fn hostile_request_contracts_are_never_asked() {
    // PUSH0 PUSH0 REVERT, and one that returns 32 bytes as if they were requests.
    let reverts = json!({ "balance": "0x0", "code": "0x5f5ffd" });
    let answers = json!({ "balance": "0x0", "code": "0x60205ff3" });
    let (config, db) = chain(
        &json!({}),
        &[
            (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, reverts),
            (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, answers),
        ],
    );
    let built = build(&config, &db, &genesis(&config), vec![sign(1, transfer(0))]);
    assert_eq!(built.header.requests_hash, Some(EMPTY_REQUESTS_HASH));
    let output = config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
    assert_eq!(output.requests_hash, EMPTY_REQUESTS_HASH);
}

#[test]
fn a_forged_deposit_event_is_an_ordinary_log() {
    // PUSH32 topic PUSH0 PUSH0 LOG1: a deposit event without any of its fields.
    let topic = keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)");
    let code = [&[0x7f][..], topic.as_slice(), &[0x5f, 0x5f, 0xa1]].concat();
    let account = json!({ "balance": "0x0", "code": alloy_primitives::Bytes::from(code) });
    let (config, db) = chain(&json!({}), &[(MAINNET_DEPOSIT_CONTRACT_ADDRESS, account)]);
    let forged = sign(1, call(0, MAINNET_DEPOSIT_CONTRACT_ADDRESS, vec![]));
    let built = build(&config, &db, &genesis(&config), vec![forged]);
    let logs: Vec<_> = built
        .output
        .receipts
        .iter()
        .flat_map(|receipt| &receipt.logs)
        .collect();
    assert_eq!(logs.len(), 1);
    assert_eq!(
        logs.first().map(|log| log.topics().to_vec()),
        Some(vec![topic])
    );
    config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
}

#[test]
fn a_predeployed_history_contract_stores_the_parents_hash() {
    let account = json!({ "balance": "0x0", "nonce": "0x1", "code": HISTORY_STORAGE_CODE });
    let (config, db) = chain(&json!({}), &[(HISTORY_STORAGE_ADDRESS, account)]);
    let parent = genesis(&config);
    let built = build(&config, &db, &parent, vec![]);
    let account = built
        .output
        .state
        .state
        .get(&HISTORY_STORAGE_ADDRESS)
        .expect("written");
    let stored = account.storage_slot(U256::ZERO).expect("slot of block 0");
    assert_eq!(stored, U256::from_be_bytes(parent.hash().0));
}
