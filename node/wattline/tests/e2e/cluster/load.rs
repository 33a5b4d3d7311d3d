//! Transactions that clients send all the time.

use std::{collections::BTreeSet, time::Duration};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use eyre::bail;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wattline_testing::{CHAIN_ID, dev_key, rpc::Peer};

use super::nodes::Node;

/// The first development account that sends; none of them seals.
const FIRST: u32 = 6;
/// How often each sends.
const PACE: Duration = Duration::from_millis(100);

/// Clients, one for each of some nodes, with an account of its own.
pub(super) struct Load {
    stop: CancellationToken,
    clients: Vec<JoinHandle<eyre::Result<BTreeSet<B256>>>>,
}

impl Load {
    /// Begins to send to these nodes, at most four. A node that is down is asked again and again.
    pub(super) fn start<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let stop = CancellationToken::new();
        let clients = (FIRST..10)
            .zip(nodes)
            .map(|(account, node)| {
                let (rpc, stop) = (node.rpc.clone(), stop.clone());
                tokio::spawn(async move { client(&rpc, &dev_key(account), &stop).await })
            })
            .collect();
        Self { stop, clients }
    }

    /// Ends it. Returns the transactions that were acknowledged.
    pub(super) async fn end(self) -> eyre::Result<BTreeSet<B256>> {
        self.stop.cancel();
        let mut acknowledged = BTreeSet::new();
        for client in self.clients {
            acknowledged.extend(client.await??);
        }
        Ok(acknowledged)
    }
}

async fn client(
    rpc: &Peer,
    key: &PrivateKeySigner,
    stop: &CancellationToken,
) -> eyre::Result<BTreeSet<B256>> {
    let mut acknowledged = BTreeSet::new();
    let mut nonce = 0;
    while !stop.is_cancelled() {
        let (hash, raw) = transfer(key, nonce)?;
        // Without an answer nobody knows whether it was taken: it is sent again.
        if let Ok(answer) = rpc.ask("eth_sendRawTransaction", &json!([raw])).await {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            if answer["result"].is_string() {
                acknowledged.insert(hash);
                nonce += 1;
            } else if message.contains("already known") || message.contains("nonce too low") {
                nonce += 1;
            } else if !message.contains("sender limit reached") {
                // The load may outrun a chain that stands, which is its own refusal.
                bail!("a transaction is refused: {answer}");
            }
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(acknowledged)
}

fn transfer(key: &PrivateKeySigner, nonce: u64) -> eyre::Result<(B256, Bytes)> {
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        to: TxKind::Call(Address::with_last_byte(0x77)),
        value: U256::ONE,
        ..Default::default()
    };
    let signature = key.sign_transaction_sync(&mut tx)?;
    let signed = TxEnvelope::from(tx.into_signed(signature));
    Ok((*signed.tx_hash(), signed.encoded_2718().into()))
}
