//! `debug_storageRangeAt`.

use std::collections::BTreeMap;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, U256, address, bytes, keccak256};
use serde_json::{Value, json};
use wattline_chain::test_utils::{Forge, Signers, Template};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{LOGGER, call, genesis},
    client::Served,
};

/// Stores the second word of its calldata in the slot that the first one names.
const KEEPER: Address = address!("00000000000000000000000000000000000000b5");

fn store(slot: u64, value: u64) -> Bytes {
    let words = [U256::from(slot), U256::from(value)];
    words.iter().flat_map(U256::to_be_bytes::<32>).collect()
}

/// Slots 1 to 5 hold ten times their number; block 1 clears slot 2 and then sets slot 9, block 2
/// changes slot 1.
fn forge() -> Forge {
    let signers = Signers::new(1);
    let storage: BTreeMap<B256, B256> = (1..=5_u64)
        .map(|slot| (U256::from(slot).into(), U256::from(slot * 10).into()))
        .collect();
    let keeper = GenesisAccount::default()
        .with_code(Some(bytes!("6020355f355500")))
        .with_storage(Some(storage));
    let forge = Forge::new(genesis(&signers).account(KEEPER, keeper), signers);
    let first = vec![
        call(0, 0, KEEPER, store(2, 0)),
        call(0, 1, KEEPER, store(9, 90)),
    ];
    forge.extend(Template::default().with(first));
    forge.extend(Template::default().with(vec![call(0, 2, KEEPER, store(1, 11))]));
    forge.extend(Template::default());
    forge
}

/// What the answer holds for these slots and values.
fn expected(slots: &[(u64, u64)]) -> BTreeMap<B256, Value> {
    let entry = |(slot, value): &(u64, u64)| {
        let key = B256::from(U256::from(*slot));
        let value = B256::from(U256::from(*value));
        (keccak256(key), json!({"key": key, "value": value}))
    };
    slots.iter().map(entry).collect()
}

#[tokio::test]
async fn slots_are_those_before_the_transaction() {
    let forge = forge();
    let node = Served::new(forge.chain()).await;
    let blocks = forge.blocks();
    let range = async |block: usize, index: Value| {
        let params = json!([blocks[block - 1].hash(), index, KEEPER, "0x", 100]);
        node.result("debug_storageRangeAt", params).await
    };
    let slots = [
        (
            1,
            json!(0),
            expected(&[(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]),
        ),
        (
            1,
            json!("0x1"),
            expected(&[(1, 10), (3, 30), (4, 40), (5, 50)]),
        ),
        (
            1,
            json!(2),
            expected(&[(1, 10), (3, 30), (4, 40), (5, 50), (9, 90)]),
        ),
        (
            2,
            json!(0),
            expected(&[(1, 10), (3, 30), (4, 40), (5, 50), (9, 90)]),
        ),
        (
            3,
            json!(0),
            expected(&[(1, 11), (3, 30), (4, 40), (5, 50), (9, 90)]),
        ),
    ];
    for (block, index, slots) in slots {
        assert_eq!(
            range(block, index.clone()).await,
            json!({"storage": slots, "nextKey": null}),
            "block {block}, index {index}"
        );
    }
}

#[tokio::test]
async fn ranges_go_on_where_they_ended() {
    let forge = forge();
    let limits = RpcLimits {
        storage_range: 2,
        ..RpcLimits::default()
    };
    let node = Served::limited(forge.chain(), limits).await;
    let block = forge.blocks()[0].hash();
    let all = expected(&[(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]);
    let mut seen = BTreeMap::new();
    let mut start = json!("0x");
    for _ in 0..3 {
        let params = json!([block, 0, KEEPER, start, 100]);
        let range = node.result("debug_storageRangeAt", params).await;
        let slots: BTreeMap<B256, Value> =
            serde_json::from_value(range["storage"].clone()).expect("slots");
        assert!(slots.len() <= 2);
        seen.extend(slots);
        start = range["nextKey"].clone();
    }
    assert_eq!(start, Value::Null);
    assert_eq!(seen, all);
    let (first, _) = all.first_key_value().expect("slots");
    let none = node
        .result("debug_storageRangeAt", json!([block, 0, KEEPER, "0x", 0]))
        .await;
    assert_eq!(none, json!({"storage": {}, "nextKey": first}));
}

#[tokio::test]
async fn ranges_that_are_not_there_say_why() {
    let forge = forge();
    let node = Served::new(forge.chain()).await;
    let block = forge.blocks()[0].hash();
    let nobody = address!("00000000000000000000000000000000000000ff");
    let long = format!("0x{}", "00".repeat(33));
    let genesis = forge.chain().spec().genesis_hash();
    for (params, code, message) in [
        (
            json!([B256::repeat_byte(7), 0, KEEPER, "0x", 1]),
            -32000,
            "header for hash not found".to_owned(),
        ),
        (
            json!([block, 3, KEEPER, "0x", 1]),
            -32000,
            format!("transaction index 3 out of range for block {block}"),
        ),
        (
            json!([block, 0, nobody, "0x", 1]),
            -32000,
            format!("account {nobody} doesn't exist"),
        ),
        (
            json!([block, 0, KEEPER, long, 1]),
            -32602,
            "first hash of 33 bytes: expected at most 32".to_owned(),
        ),
        (
            json!([genesis, 0, KEEPER, "0x", 1]),
            -32000,
            "genesis is not traceable".to_owned(),
        ),
    ] {
        assert_eq!(
            node.error("debug_storageRangeAt", params).await,
            (code, message)
        );
    }
    let empty = node
        .result("debug_storageRangeAt", json!([block, 0, LOGGER, "0x", 9]))
        .await;
    assert_eq!(empty, json!({"storage": {}, "nextKey": null}));
}
