//! Writing: transactions until they are in blocks.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Bytes as Raw, keccak256};
use bytes::Bytes;
use eyre::{bail, eyre};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    connection::{self, Connection, quantity},
    peer::{self, Peer},
    report::Latency,
    senders::{self, Senders},
};

/// Transactions in one JSON-RPC batch.
const BATCH: usize = 50;
/// Connections that send at once.
const CONNECTIONS: usize = 4;
/// How long any work may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks at what is included.
const LOOK: Duration = Duration::from_millis(20);

/// Mints for the senders.
pub(crate) async fn give_tokens(peer: &Peer, senders: &Senders) -> eyre::Result<()> {
    let mut connection = Connection::open(peer.addr).await?;
    let mint = senders::mint(&peer::bank(), senders.addresses());
    let hash = connection
        .call("eth_sendRawTransaction", json!([mint]))
        .await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let receipt = connection
            .call("eth_getTransactionReceipt", json!([hash]))
            .await?;
        match receipt["status"].as_str() {
            Some("0x1") => return Ok(()),
            Some(_) => bail!("the bank cannot mint: {receipt}"),
            None if Instant::now() > deadline => bail!("the mint is not included"),
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Sends in batches and waits until all are included. Transactions per second, from the first
/// request to the moment when the last nonce is seen in the state. It begins right after a block,
/// so that the luck of the moment is the same for both peers.
pub(crate) async fn until_included(
    peer: &Peer,
    transactions: &[Raw],
    senders: &Senders,
) -> eyre::Result<f64> {
    if transactions.is_empty() {
        return Ok(0.0);
    }
    let batches: Vec<Bytes> = transactions
        .chunks(BATCH)
        .map(|chunk| {
            let requests = chunk.iter().enumerate().map(|(id, raw)| {
                json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
            });
            Value::from(requests.collect::<Vec<_>>()).to_string().into()
        })
        .collect();
    let mut watcher = Connection::open(peer.addr).await?;
    let batches = Arc::new(Mutex::new(batches.into_iter()));
    next_block(&mut watcher).await?;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(peer.addr).await?;
        let batches = Arc::clone(&batches);
        tasks.spawn(async move {
            loop {
                let Some(batch) = batches.lock().await.next() else {
                    return eyre::Ok(());
                };
                send(&mut connection, batch).await?;
            }
        });
    }
    while let Some(sent) = tasks.join_next().await {
        sent??;
    }
    eprintln!("  sent in {:.2?}", started.elapsed());
    let addresses = senders.addresses();
    let requests = addresses.iter().map(|address| {
        json!({"jsonrpc": "2.0", "id": 0, "method": "eth_getTransactionCount", "params": [address, "latest"]})
    });
    let nonces: Bytes = Value::from(requests.collect::<Vec<_>>()).to_string().into();
    loop {
        let answer: Vec<Value> = serde_json::from_slice(&watcher.post(nonces.clone()).await?)?;
        let mut reached = true;
        for nonce in &answer {
            reached &= quantity(&nonce["result"])? >= senders.nonce();
        }
        if reached {
            let took = started.elapsed();
            eprintln!("  included after {took:.2?}");
            return Ok(transactions.len() as f64 / took.as_secs_f64());
        }
        if started.elapsed() > PATIENCE {
            bail!("not all transactions were included: {answer:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The gas that the last of these transactions, which are included, used: all use the same but the
/// first to each account.
pub(crate) async fn gas_of_last(peer: &Peer, transactions: &[Raw]) -> eyre::Result<f64> {
    let Some(last) = transactions.last() else {
        return Ok(0.0);
    };
    let mut connection = Connection::open(peer.addr).await?;
    let receipt = connection
        .call("eth_getTransactionReceipt", json!([keccak256(last)]))
        .await?;
    Ok(quantity(&receipt["gasUsed"])? as f64)
}

/// Waits for the next block.
async fn next_block(watcher: &mut Connection) -> eyre::Result<()> {
    let started = Instant::now();
    let head = watcher.call("eth_blockNumber", json!([])).await?;
    while watcher.call("eth_blockNumber", json!([])).await? == head {
        if started.elapsed() > PATIENCE {
            bail!("no block follows {head}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Sends a batch, again as long as the pool has no room for all of it.
async fn send(connection: &mut Connection, batch: Bytes) -> eyre::Result<()> {
    loop {
        let answer = connection.post(batch.clone()).await?;
        if !memchr(&answer, b"\"error\"") {
            return Ok(());
        }
        let answers: Vec<Value> = serde_json::from_slice(&answer)?;
        let refused = answers
            .iter()
            .filter_map(|answer| answer["error"]["message"].as_str())
            .find(|message| {
                ![
                    "full",
                    "limit reached",
                    "known",
                    "imported",
                    "nonce too low",
                ]
                .iter()
                .any(|passing| message.contains(passing))
            });
        if let Some(message) = refused {
            bail!("a transaction was refused: {message}");
        }
        let crowded = answers.iter().any(|answer| {
            answer["error"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("full") || message.contains("limit"))
        });
        if !crowded {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn memchr(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Sends one by one at a constant rate and tells how long each took from the moment when it was
/// due to be sent until a block with it was seen.
pub(crate) async fn send_to_inclusion(
    peer: &Peer,
    transactions: &[Raw],
    per_second: u32,
) -> eyre::Result<Latency> {
    let due = Instant::now() + Duration::from_millis(200);
    let at = |index: usize| due + Duration::from_secs(1) * index as u32 / per_second;
    let mut expected: HashMap<String, Instant> = transactions
        .iter()
        .enumerate()
        .map(|(index, raw)| (keccak256(raw).to_string(), at(index)))
        .collect();

    let (sender, receiver) = mpsc::channel::<(Instant, Bytes)>(transactions.len());
    let receiver = Arc::new(Mutex::new(receiver));
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let mut connection = Connection::open(peer.addr).await?;
        let receiver = Arc::clone(&receiver);
        tasks.spawn(async move {
            loop {
                let Some((at, body)) = receiver.lock().await.recv().await else {
                    return eyre::Ok(());
                };
                tokio::time::sleep_until(at.into()).await;
                connection::result(&connection.post(body).await?)?;
            }
        });
    }
    for (index, raw) in transactions.iter().enumerate() {
        let body = connection::request(index, "eth_sendRawTransaction", &json!([raw]));
        sender.send((at(index), body)).await?;
    }
    drop(sender);

    let mut watcher = Connection::open(peer.addr).await?;
    let mut next = quantity(&watcher.call("eth_blockNumber", json!([])).await?)?;
    let mut took = Vec::with_capacity(expected.len());
    while !expected.is_empty() {
        let head = quantity(&watcher.call("eth_blockNumber", json!([])).await?)?;
        let seen = Instant::now();
        while next <= head {
            let block = watcher
                .call("eth_getBlockByNumber", json!([format!("{next:#x}"), false]))
                .await?;
            let hashes = block["transactions"].as_array();
            for hash in hashes.ok_or_else(|| eyre!("no block {next}"))? {
                let sent = hash.as_str().and_then(|hash| expected.remove(hash));
                took.extend(sent.map(|sent| seen.saturating_duration_since(sent)));
            }
            next += 1;
        }
        if due.elapsed() > PATIENCE {
            bail!("{} transactions were not included", expected.len());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while let Some(sent) = tasks.join_next().await {
        sent??;
    }
    Ok(Latency::of(took))
}
