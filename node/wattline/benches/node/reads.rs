//! Reading: requests per second over connections that each ask again as soon as they are
//! answered. The peers take turns, a second each, so that what else the machine does meets both.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, hex},
    sol_types::SolCall,
};
use bytes::Bytes;
use eyre::{bail, eyre};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wattline_market::{
    Product,
    abi::{IMarket, IRegistry, ISettlementToken, IVault},
    predeploys::{MARKET, REGISTRY, SETTLEMENT_TOKEN, VAULT},
};

use crate::{
    connection::{self, Connection, quantity},
    load,
    peer::Peer,
    senders::Senders,
};

const CONNECTIONS: usize = 16;
/// Transactions in the block that is read.
const IN_BLOCK: usize = 200;
/// Turns of each peer.
const TURNS: u32 = 5;

/// What is read, and the requests that read it.
type Work = Vec<(&'static str, Vec<(&'static str, Value)>)>;

/// Requests per second of each peer, by what is read.
pub(crate) async fn all(
    peers: &mut [(Peer, Senders)],
    scale: f64,
) -> eyre::Result<Vec<Vec<(&'static str, f64)>>> {
    let mut turns = Vec::new();
    for (peer, senders) in peers {
        let work = prepare(peer, senders).await?;
        turns.push((&*peer, work.into_iter(), Vec::new()));
    }
    let span = Duration::from_secs_f64(scale.clamp(0.1, 1.0));
    loop {
        let mut now = Vec::new();
        for (peer, work, rates) in &mut turns {
            if let Some((name, requests)) = work.next() {
                rates.push((name, 0.0));
                now.push((*peer, requests, rates));
            }
        }
        let Some((_, _, rates)) = now.first() else {
            break;
        };
        eprintln!("{}", rates.last().map_or("", |(name, _)| *name));
        for _ in 0..TURNS {
            for (peer, requests, rates) in &mut now {
                let rate = rate(peer, requests, span).await? / f64::from(TURNS);
                if let Some((_, sum)) = rates.last_mut() {
                    *sum += rate;
                }
            }
        }
    }
    Ok(turns.into_iter().map(|(_, _, rates)| rates).collect())
}

/// Makes a block to read, and the requests.
async fn prepare(peer: &Peer, senders: &mut Senders) -> eyre::Result<Work> {
    let block = full_block(peer, senders).await?;
    let account = senders.addresses()[0];
    let mut calls = Vec::new();
    for (to, data) in views(account)? {
        let call = json!([{"to": to, "data": hex::encode_prefixed(data)}, "latest"]);
        calls.push(("eth_call", call));
    }
    let balances = senders.addresses();
    let balances = balances
        .iter()
        .map(|address| ("eth_getBalance", json!([address, "latest"])));
    let block = format!("{block:#x}");
    let logs = json!([{"fromBlock": block, "toBlock": block, "address": SETTLEMENT_TOKEN}]);
    Ok(vec![
        ("eth_call, views of the market", calls),
        ("eth_getBalance", balances.collect()),
        (
            "eth_getBlockByNumber, 200 transactions",
            vec![("eth_getBlockByNumber", json!([block, true]))],
        ),
        ("eth_getLogs, 200 logs", vec![("eth_getLogs", logs)]),
    ])
}

/// Views that both peers answer: none needs the precompile, which anvil has not.
fn views(account: Address) -> eyre::Result<Vec<(Address, Vec<u8>)>> {
    let product = Product::new(1, 1_800_000_000)?.number();
    Ok(vec![
        (
            SETTLEMENT_TOKEN,
            ISettlementToken::balanceOfCall { account }.abi_encode(),
        ),
        (VAULT, IVault::balanceOfCall { account }.abi_encode()),
        (MARKET, IMarket::orderCountCall { product }.abi_encode()),
        (
            MARKET,
            IMarket::accountInfoCall { product, account }.abi_encode(),
        ),
        (REGISTRY, IRegistry::zonesCall {}.abi_encode()),
        (
            REGISTRY,
            IRegistry::participantCall { account }.abi_encode(),
        ),
    ])
}

/// Sends ERC-20 transfers until one block holds all of one batch, and returns that block.
async fn full_block(peer: &Peer, senders: &mut Senders) -> eyre::Result<u64> {
    let mut connection = Connection::open(peer.addr).await?;
    for _ in 0..10 {
        let before = quantity(&connection.call("eth_blockNumber", json!([])).await?)?;
        let transfers = senders.token_transfers(IN_BLOCK);
        load::until_included(peer, &transfers, senders).await?;
        let after = quantity(&connection.call("eth_blockNumber", json!([])).await?)?;
        for number in before..=after {
            let block = connection
                .call(
                    "eth_getBlockByNumber",
                    json!([format!("{number:#x}"), false]),
                )
                .await?;
            let transactions = block["transactions"].as_array();
            let transactions = transactions.ok_or_else(|| eyre!("no block {number}"))?;
            if transactions.len() == IN_BLOCK {
                return Ok(number);
            }
        }
    }
    bail!("no block took {IN_BLOCK} transfers at once")
}

/// Asks in turn from all connections for `span`.
async fn rate(peer: &Peer, requests: &[(&str, Value)], span: Duration) -> eyre::Result<f64> {
    let bodies: Vec<Bytes> = requests
        .iter()
        .map(|(method, params)| connection::request(1, method, params))
        .collect();
    let mut tasks = JoinSet::new();
    for first in 0..CONNECTIONS {
        let mut connection = Connection::open(peer.addr).await?;
        // Each kind of answer is right before it is counted.
        for body in &bodies {
            let result = connection::result(&connection.post(body.clone()).await?)?;
            if result.is_null() {
                bail!("an empty answer to {}", String::from_utf8_lossy(body));
            }
        }
        let messages: Vec<Bytes> = bodies.iter().map(|body| connection.message(body)).collect();
        tasks.spawn(async move {
            let started = Instant::now();
            let mut count = 0_usize;
            while started.elapsed() < span {
                let message = &messages[(first + count) % messages.len()];
                connection.send(message).await?;
                count += 1;
            }
            eyre::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(total as f64 / span.as_secs_f64())
}
