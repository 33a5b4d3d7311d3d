//! Sending transactions.

use std::time::Duration;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{Bytes, Signature, TxKind, U256};
use alloy_signer::SignerSync;
use serde_json::{Value, json};
use wattline_chain::test_utils::{Signers, Template};
use wattline_primitives::{RecoveredTransaction, TransactionSigned};
use wattline_rpc::RpcLimits;

use crate::{
    chain::{CHAIN_ID, ETHER, GWEI, LOGGER, accounts, empty, sign, story, transfer},
    client::{Failure, Served, hex, quantity},
};

fn raw(tx: &RecoveredTransaction) -> serde_json::Value {
    hex(tx.inner().encoded_2718())
}

#[tokio::test]
async fn transactions_of_all_types_are_taken() {
    let story = story();
    let node = Served::new(empty().chain()).await;
    // Those that the story has mined wait on the empty chain.
    for tx in [
        &story.legacy,
        &story.eip2930,
        &story.eip1559,
        &story.eip7702,
        &story.create,
    ] {
        let hash = node
            .result("eth_sendRawTransaction", json!([raw(tx)]))
            .await;
        assert_eq!(hash, json!(tx.tx_hash()));
        assert!(node.pool.contains(tx.tx_hash()));
    }
    let count = json!([accounts().address(0), "pending"]);
    assert_eq!(
        quantity(&node.result("eth_getTransactionCount", count).await),
        U256::from(2)
    );
}

#[tokio::test]
async fn refusals_are_in_the_words_that_tools_know() {
    let story = story();
    let node = Served::new(story.forge.chain()).await;
    let send = async |tx: &RecoveredTransaction| {
        node.error("eth_sendRawTransaction", json!([raw(tx)])).await
    };
    let waiting = transfer(0, 2, LOGGER, 0);
    node.result("eth_sendRawTransaction", json!([raw(&waiting)]))
        .await;
    let base = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 3,
        gas_limit: 21_000,
        to: TxKind::Call(LOGGER),
        ..Default::default()
    };
    let poor = Signers::named("poor", 1);
    let cases = [
        (waiting, "already known"),
        (
            transfer(0, 0, LOGGER, 0),
            "nonce too low: next nonce 2, tx nonce 0",
        ),
        (
            sign(
                0,
                TxEip1559 {
                    chain_id: 1,
                    ..base.clone()
                },
            ),
            "invalid chain id for signer: have 1 want 57836",
        ),
        (
            transfer(0, 3, LOGGER, 5000 * ETHER),
            "insufficient funds for gas * price + value",
        ),
        (
            sign(
                0,
                TxEip1559 {
                    gas_limit: 20_999,
                    ..base.clone()
                },
            ),
            "intrinsic gas too low",
        ),
        (
            sign(
                0,
                TxEip1559 {
                    gas_limit: 30_000_001,
                    ..base.clone()
                },
            ),
            "exceeds block gas limit",
        ),
        (
            sign(
                0,
                TxEip1559 {
                    max_priority_fee_per_gas: GWEI,
                    ..base.clone()
                },
            ),
            "max priority fee per gas higher than max fee per gas",
        ),
        (
            transfer(0, 2, LOGGER, 1),
            "replacement transaction underpriced",
        ),
        (
            sign(
                0,
                TxLegacy {
                    gas_limit: 21_000,
                    to: TxKind::Call(LOGGER),
                    ..Default::default()
                },
            ),
            "only replay-protected (EIP-155) transactions allowed",
        ),
    ];
    for (tx, message) in cases {
        let (code, found) = send(&tx).await;
        assert_eq!(code, -32000, "{found}");
        assert!(found.starts_with(message), "{found}\nexpected {message}");
    }

    let tx = TxEip1559 {
        value: U256::from(1),
        nonce: 0,
        ..base
    };
    let signature = poor
        .key(0)
        .sign_hash_sync(&tx.signature_hash())
        .expect("local keys sign");
    let signed = TransactionSigned::from(tx.into_signed(signature));
    let (code, message) = node
        .error(
            "eth_sendRawTransaction",
            json!([hex(signed.encoded_2718())]),
        )
        .await;
    assert_eq!(code, -32000);
    assert!(
        message.starts_with("insufficient funds for gas * price + value"),
        "{message}"
    );
}

#[tokio::test]
async fn blobs_and_bad_signatures_are_refused() {
    let node = Served::new(empty().chain()).await;
    let blob = TxEip4844 {
        chain_id: CHAIN_ID,
        ..Default::default()
    };
    let blob = TransactionSigned::from(blob.into_signed(Signature::test_signature()));
    let (code, message) = node
        .error("eth_sendRawTransaction", json!([hex(blob.encoded_2718())]))
        .await;
    assert_eq!(code, -32000);
    assert!(
        message.contains("blob transactions (EIP-4844) are refused"),
        "{message}"
    );
    // As wallets send them, with the blobs beside, which is another encoding.
    let (_, with_sidecar) = node
        .error("eth_sendRawTransaction", json!(["0x03f90001"]))
        .await;
    assert_eq!(with_sidecar, message);

    let to = TxKind::Call(LOGGER);
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        to,
        ..Default::default()
    };
    let bad = Signature::new(U256::MAX, U256::MAX, false);
    let signed = TransactionSigned::from(tx.into_signed(bad));
    let (code, message) = node
        .error(
            "eth_sendRawTransaction",
            json!([hex(signed.encoded_2718())]),
        )
        .await;
    assert_eq!(code, -32000);
    assert!(message.starts_with("invalid sender"), "{message}");
}

#[tokio::test]
async fn bytes_that_are_no_transaction_are_refused() {
    let node = Served::new(empty().chain()).await;
    let good = transfer(0, 0, LOGGER, 0).inner().encoded_2718();
    let cut = Bytes::copy_from_slice(&good[..good.len() - 1]);
    let long = Bytes::from([&good[..], &[0]].concat());
    for bytes in [
        Bytes::new(),
        [0x02].into(),
        [0xc0].into(),
        [0x05, 0xc0].into(),
        cut,
        long,
    ] {
        let (code, message) = node.error("eth_sendRawTransaction", json!([bytes])).await;
        assert_eq!(code, -32602, "{bytes}: {message}");
        assert!(
            message.starts_with("failed to decode signed transaction: "),
            "{message}"
        );
    }
    assert_eq!(node.pool.status().pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_wait_for_its_receipt() {
    let forge = empty();
    let node = Served::new(forge.chain()).await;
    let tx = transfer(0, 0, accounts().address(1), 5);
    let mut arrivals = node.pool.subscribe();
    let params = json!([raw(&tx), 60_000]);
    let seal = async {
        arrivals.recv().await.expect("it arrives");
        tokio::task::block_in_place(|| forge.extend(Template::default().with(vec![tx.clone()])))
    };
    let (receipt, block) = tokio::join!(node.result("eth_sendRawTransactionSync", params), seal);
    assert_eq!(receipt["transactionHash"], json!(tx.tx_hash()));
    assert_eq!(receipt["blockHash"], json!(block.hash()));
    assert_eq!(receipt["status"], "0x1");
    let later = node
        .result("eth_getTransactionReceipt", json!([tx.tx_hash()]))
        .await;
    assert_eq!(receipt, later);
}

#[tokio::test]
async fn a_client_waits_no_longer_than_it_wants() {
    let limits = RpcLimits {
        inclusion_wait: Duration::from_millis(70),
        max_inclusion_wait: Duration::from_millis(100),
        ..RpcLimits::default()
    };
    let node = Served::limited(empty().chain(), limits).await;
    // What is too long or nothing is not what the client meant: the default holds.
    for (nonce, timeout, seconds) in [
        (0, json!("0x14"), "0.02"),
        (1, json!(100), "0.1"),
        (2, json!(101), "0.07"),
        (3, json!(0), "0.07"),
        (4, Value::Null, "0.07"),
    ] {
        let tx = transfer(0, nonce, LOGGER, 5);
        let failure = node
            .failure("eth_sendRawTransactionSync", json!([raw(&tx), timeout]))
            .await;
        let expected = Failure {
            code: 4,
            message: format!(
                "the transaction was taken in but is not in a block after {seconds}s: ask for its \
                 receipt later"
            ),
            data: json!(tx.tx_hash()),
        };
        assert_eq!(failure, expected);
        assert!(node.pool.contains(tx.tx_hash()));
    }
    // Nobody waits for what cannot execute.
    let gapped = transfer(0, 7, LOGGER, 5);
    let failure = node
        .failure("eth_sendRawTransactionSync", json!([raw(&gapped)]))
        .await;
    assert_eq!(failure.code, 5);
    assert_eq!(failure.data, json!(gapped.tx_hash()));
    assert_eq!(
        failure.message,
        "the transaction was taken in but cannot execute yet: send those with the nonces before \
         it, or fund its sender"
    );
    assert_eq!(
        node.error("eth_sendRawTransactionSync", json!([raw(&gapped)]))
            .await,
        (-32000, "already known".to_owned())
    );
    let (code, message) = node
        .error("eth_sendRawTransactionSync", json!(["0x02"]))
        .await;
    assert_eq!(code, -32602);
    assert!(
        message.starts_with("failed to decode signed transaction: "),
        "{message}"
    );
}
