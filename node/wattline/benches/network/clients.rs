//! Participants of the market who pay in, and one who watches blocks.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    providers::{Provider as _, ProviderBuilder, WsConnect},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::ensure;
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;
use tokio::task::{JoinHandle, JoinSet};
use wattline_market::{
    abi::{ISettlementToken, IVault},
    predeploys::{SETTLEMENT_TOKEN, VAULT},
};
use wattline_testing::{CHAIN_ID, PATIENCE, dev_key, rpc::Peer};

use crate::consortium::quantity;

/// Participants that send.
const CLIENTS: usize = 50;
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(100);

fn keys() -> impl Iterator<Item = PrivateKeySigner> {
    (0..CLIENTS).map(|index| {
        let secret = keccak256(format!("wattline network bench {index}"));
        PrivateKeySigner::from_bytes(&secret).expect("a valid key")
    })
}

/// The participants, who want coins for gas.
pub(crate) fn addresses() -> impl Iterator<Item = Address> {
    keys().map(|key| key.address())
}

/// Participants with tokens that the vault may take.
pub(crate) struct Clients {
    rpc: Peer,
    keys: Vec<PrivateKeySigner>,
    /// Transactions signed so far, by all in turn.
    signed: usize,
}

/// When each transaction was due to be sent, in their order.
pub(crate) type Sent = Vec<(B256, Instant)>;

impl Clients {
    /// Clients of the node at `addr`.
    pub(crate) fn new(addr: &str) -> Self {
        Self {
            rpc: Peer::new(&format!("http://{addr}")),
            keys: keys().collect(),
            signed: 0,
        }
    }

    /// Gives them tokens, and lets the vault take them.
    pub(crate) async fn prepare(&mut self) -> eyre::Result<()> {
        let mint = ISettlementToken::mintManyCall {
            to: addresses().collect(),
            value: U256::from(1_000_000_000_000_u64),
        };
        let mint = sign(
            &dev_key(0),
            0,
            SETTLEMENT_TOKEN,
            mint.abi_encode(),
            5_000_000,
        )?;
        let mut waited = vec![mint.0];
        self.rpc.send(&[mint.1]).await?;
        for key in &self.keys {
            let approve = ISettlementToken::approveCall {
                spender: VAULT,
                value: U256::MAX,
            };
            let (hash, raw) = sign(key, 0, SETTLEMENT_TOKEN, approve.abi_encode(), 100_000)?;
            self.rpc.send(&[raw]).await?;
            waited.push(hash);
        }
        self.signed = CLIENTS;
        let begun = Instant::now();
        for hash in waited {
            loop {
                let receipt = self.rpc.result("eth_getTransactionReceipt", json!([hash]));
                let receipt = receipt.await?;
                if !receipt.is_null() {
                    ensure!(quantity(&receipt["status"])? == 1, "it fails: {receipt}");
                    break;
                }
                ensure!(begun.elapsed() < PATIENCE, "{hash} is not included");
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Sends so many deposits at a constant rate, and returns when the last is acknowledged.
    pub(crate) async fn send(&mut self, count: usize, per_second: u32) -> eyre::Result<Sent> {
        let mut signed = Vec::new();
        for _ in 0..count {
            let key = &self.keys[self.signed % CLIENTS];
            let nonce = (self.signed / CLIENTS) as u64;
            let deposit = IVault::depositCall { amount: U256::ONE };
            signed.push(sign(key, nonce, VAULT, deposit.abi_encode(), 200_000)?);
            self.signed += 1;
        }
        let begun = Instant::now();
        let mut sent = Sent::new();
        let mut sending = JoinSet::new();
        for (index, (hash, raw)) in signed.into_iter().enumerate() {
            let due = begun + Duration::from_secs(1) * index as u32 / per_second;
            tokio::time::sleep_until(due.into()).await;
            let rpc = self.rpc.clone();
            sending.spawn(async move { rpc.send(&[raw]).await });
            sent.push((hash, due));
            while let Some(done) = sending.try_join_next() {
                done??;
            }
        }
        while let Some(done) = sending.join_next().await {
            done??;
        }
        Ok(sent)
    }
}

fn sign(
    key: &PrivateKeySigner,
    nonce: u64,
    to: Address,
    input: Vec<u8>,
    gas_limit: u64,
) -> eyre::Result<(B256, Bytes)> {
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        to: TxKind::Call(to),
        input: input.into(),
        ..TxEip1559::default()
    };
    let signature = key.sign_transaction_sync(&mut tx)?;
    let signed = TxEnvelope::from(tx.into_signed(signature));
    Ok((*signed.tx_hash(), signed.encoded_2718().into()))
}

/// A subscriber to new blocks.
pub(crate) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<eyre::Result<()>>,
}

/// When what was seen.
#[derive(Default)]
struct Seen {
    blocks: Vec<Instant>,
    transactions: HashMap<B256, Instant>,
}

impl Watcher {
    /// Subscribes at the node at `addr`.
    pub(crate) async fn start(addr: &str) -> eyre::Result<Self> {
        let connect = WsConnect::new(format!("ws://{addr}"));
        let provider = ProviderBuilder::new().connect_ws(connect).await?;
        let mut heads = provider.subscribe_blocks().await?.into_stream();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Some(head) = heads.next().await {
                let now = Instant::now();
                shared.lock().blocks.push(now);
                let block = provider.get_block_by_hash(head.hash).await?;
                let Some(block) = block else { continue };
                let mut seen = shared.lock();
                for hash in block.transactions.hashes() {
                    seen.transactions.insert(hash, now);
                }
            }
            Ok(())
        });
        Ok(Self { seen, task })
    }

    /// How many blocks it saw.
    pub(crate) fn blocks(&self) -> usize {
        self.seen.lock().blocks.len()
    }

    /// How long each of these transactions took, in milliseconds.
    ///
    /// # Errors
    ///
    /// If one was not seen.
    pub(crate) fn latencies(&self, sent: &Sent) -> eyre::Result<Vec<u128>> {
        ensure!(!self.task.is_finished(), "the subscription ended");
        let seen = self.seen.lock();
        let mut latencies = Vec::with_capacity(sent.len());
        for (hash, due) in sent {
            let at = seen.transactions.get(hash);
            ensure!(at.is_some(), "transaction {hash} was not seen in a block");
            latencies.extend(at.map(|at| at.saturating_duration_since(*due).as_millis()));
        }
        Ok(latencies)
    }

    /// The times between two blocks, from `since` on.
    pub(crate) fn pauses(&self, since: Instant) -> Vec<Duration> {
        let seen = self.seen.lock();
        let later: Vec<_> = seen.blocks.iter().filter(|at| **at >= since).collect();
        let first = later.first().map(|at| at.duration_since(since));
        let between = later
            .windows(2)
            .map(|pair| pair[1].duration_since(*pair[0]));
        first.into_iter().chain(between).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sample below which `percent` of all are.
pub(crate) fn at(samples: &[u128], percent: usize) -> u128 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}
