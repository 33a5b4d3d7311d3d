//! What the node signs for its clients, and what it does not.

use alloy_consensus::{Transaction as _, transaction::SignerRecoverable as _};
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, U256, eip191_hash_message};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;
use wattline_primitives::TransactionSigned;

use crate::{
    chain::{CHAIN_ID, LOGGER, dev_accounts, empty},
    client::{Served, hex, word},
};

/// Who signed the hash.
fn signer(value: &Value, hash: &B256) -> Address {
    let bytes: Bytes = serde_json::from_value(value.clone()).expect("bytes");
    assert_eq!(bytes.len(), 65);
    assert!([27, 28].contains(&bytes[64]), "v is 27 or 28");
    let signature = Signature::from_raw(&bytes).expect("a signature");
    signature
        .recover_address_from_prehash(hash)
        .expect("a key's signature")
}

#[tokio::test]
async fn development_accounts_can_send() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let from = dev_accounts()[0].address();
    let mut sent = Vec::new();
    for request in [
        json!({"from": from, "to": LOGGER, "data": word(5)}),
        json!({"from": from, "to": LOGGER, "value": "0x1", "gasPrice": "0x7"}),
        json!({"from": from, "to": LOGGER, "accessList": [], "gasPrice": "0x7"}),
        json!({"from": from, "data": "0x60015f5360015ff3", "maxFeePerGas": "0x9"}),
        json!({"from": from, "to": LOGGER, "gas": "0x186a0", "nonce": "0x4", "chainId": "0xe1ec"}),
    ] {
        let hash = node.result("eth_sendTransaction", json!([request])).await;
        let hash = serde_json::from_value(hash).expect("a hash");
        let found = node.pool.get(&hash).expect("it waits");
        assert_eq!(found.transaction().signer(), from);
        sent.push(found.transaction().clone());
    }
    let nonces: Vec<_> = sent.iter().map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [0, 1, 2, 3, 4]);
    let types: Vec<_> = sent.iter().map(|tx| tx.tx_type() as u8).collect();
    assert_eq!(types, [2, 0, 1, 2, 2]);
    assert!(sent.iter().all(|tx| tx.chain_id() == Some(CHAIN_ID)));
    assert_eq!(sent[3].max_fee_per_gas(), 9);
    assert!(sent[3].is_create());
    assert_eq!(sent[4].gas_limit(), 100_000);

    let block = forge.extend(Template::default().with(sent));
    assert_eq!(block.body().transactions.len(), 5);
    // The gas that was estimated is enough.
    let receipts = node.result("eth_getBlockReceipts", json!(["0x1"])).await;
    for receipt in receipts.as_array().expect("a list") {
        assert_eq!(receipt["status"], "0x1");
    }
}

#[tokio::test]
async fn development_accounts_can_sign() {
    let node = Served::new(empty().chain()).await;
    let from = dev_accounts()[1].address();
    let message = b"sun on the roof";
    let signed = node.result("eth_sign", json!([from, hex(message)])).await;
    let hash = eip191_hash_message(message);
    assert_eq!(signer(&signed, &hash), from);
    for params in [json!([hex(message), from]), json!([hex(message), from, ""])] {
        assert_eq!(node.result("personal_sign", params).await, signed);
    }

    let request = json!({"from": from, "to": LOGGER, "value": "0x5"});
    let raw = node.result("eth_signTransaction", json!([request])).await;
    let raw: Bytes = serde_json::from_value(raw).expect("bytes");
    let tx = TransactionSigned::decode_2718_exact(&raw).expect("a transaction");
    assert_eq!(tx.recover_signer().expect("it is signed"), from);
    assert_eq!(tx.value(), U256::from(5));
    assert!(
        (23_000..100_000).contains(&tx.gas_limit()),
        "it was estimated"
    );
    assert_eq!(node.pool.status().pending, 0, "it is not sent");
}

/// The example of EIP-712.
fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Person": [
                {"name": "name", "type": "string"},
                {"name": "wallet", "type": "address"},
            ],
            "Mail": [
                {"name": "from", "type": "Person"},
                {"name": "to", "type": "Person"},
                {"name": "contents", "type": "string"},
            ],
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
        "message": {
            "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!",
        },
    })
}

#[tokio::test]
async fn typed_data_is_signed_as_object_and_as_text() {
    let node = Served::new(empty().chain()).await;
    let from = dev_accounts()[0].address();
    // The hash that the EIP gives for its example.
    let hash =
        alloy_primitives::b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    for (method, data) in [
        ("eth_signTypedData_v4", mail()),
        ("eth_signTypedData_v4", json!(mail().to_string())),
        ("eth_signTypedData", mail()),
    ] {
        let signed = node.result(method, json!([from, data])).await;
        assert_eq!(signer(&signed, &hash), from, "{method}");
    }

    let mut unknown = mail();
    unknown["primaryType"] = json!("Letter");
    let mut many = mail();
    for index in 0..70 {
        many["types"][format!("T{index}")] = json!([]);
    }
    let mut deep = mail();
    deep["types"]["Mail"][2]["type"] = json!(format!("string{}", "[]".repeat(17)));
    for (data, reason) in [
        (unknown, ""),
        (many, "73 types, limit 64"),
        (deep, "an array of more than 16 dimensions"),
        (json!("no json"), "expected ident at line 1 column 2"),
        (json!(5), ""),
    ] {
        let (code, message) = node
            .error("eth_signTypedData_v4", json!([from, data]))
            .await;
        assert_eq!(code, -32602);
        let expected = format!("invalid typed data: {reason}");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[tokio::test]
async fn other_accounts_are_refused_with_what_to_do() {
    let node = Served::new(empty().chain()).await;
    let without = Served::without_accounts(&node.chain).await;
    let stranger = Address::repeat_byte(0x77);
    for (method, params) in [
        (
            "eth_sendTransaction",
            json!([{"from": stranger, "to": LOGGER}]),
        ),
        (
            "eth_signTransaction",
            json!([{"from": stranger, "to": LOGGER}]),
        ),
        ("eth_sign", json!([stranger, "0x00"])),
        ("personal_sign", json!(["0x00", stranger])),
        ("eth_signTypedData", json!([stranger, mail()])),
        ("eth_signTypedData_v4", json!([stranger, mail()])),
    ] {
        assert_eq!(
            node.error(method, params.clone()).await,
            (
                -32000,
                format!(
                    "unknown account {stranger}: this node signs for the accounts of eth_accounts \
                     only"
                )
            )
        );
        assert_eq!(
            without.error(method, params).await,
            (
                -32000,
                format!(
                    "unknown account {stranger}: this node holds no keys; sign in a wallet and \
                     send with eth_sendRawTransaction"
                )
            )
        );
    }
    assert_eq!(without.result("eth_accounts", json!([])).await, json!([]));
}

#[tokio::test]
async fn transactions_that_make_no_sense_are_refused() {
    let node = Served::new(empty().chain()).await;
    let from = dev_accounts()[0].address();
    for (request, code, message) in [
        (
            json!({"to": LOGGER}),
            -32602,
            "from is missing: it names the account that signs",
        ),
        (
            json!({"from": from, "to": LOGGER, "chainId": "0x1"}),
            -32602,
            "chainId does not match node's (have=1, want=57836)",
        ),
        (
            json!({"from": from}),
            -32602,
            "contract creation without any data provided",
        ),
        (
            json!({"from": from, "to": LOGGER, "gasPrice": "0x1", "maxFeePerGas": "0x1"}),
            -32602,
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        (
            json!({"from": from, "to": LOGGER, "nonce": "0x0", "maxFeePerGas": "0x1",
                "maxPriorityFeePerGas": "0x2", "gas": "0x5208"}),
            -32000,
            "max priority fee per gas higher than max fee per gas",
        ),
        (
            json!({"from": from, "to": crate::chain::REVERTER}),
            3,
            "execution reverted: no power",
        ),
    ] {
        let (found, text) = node.error("eth_sendTransaction", json!([request])).await;
        assert!(text.starts_with(message), "{text}");
        assert_eq!(found, code);
    }
    assert_eq!(node.pool.status().pending, 0);
}
