//! How punctual full blocks are: a lone signer with one-second blocks and a pool that always holds
//! more than fits. Prints, per block and in sum, its transactions and when it was committed
//! relative to its slot.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use rayon::prelude::*;
use tokio_util::sync::CancellationToken;
use wattline_chain::{
    Clock, SystemClock,
    test_utils::{Signers, TestGenesis, transfer},
};
use wattline_pool::{Pool, PoolConfig};
use wattline_producer::{Producer, ProducerConfig};

/// Blocks measured.
const BLOCKS: usize = 12;
/// Senders, and transactions of each.
const SENDERS: usize = 30;
const TRANSACTIONS: u64 = 1_000;

#[tokio::main]
async fn main() {
    let (signers, accounts) = (Signers::new(1), Signers::named("account", SENDERS));
    let genesis = TestGenesis::new(signers.addresses()).fund(accounts.addresses());
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir, Arc::new(SystemClock));
    let pool = Pool::open(
        PoolConfig::default(),
        Some(&dir.path().join("pool.journal")),
        chain.storage().clone(),
        chain.evm().clone(),
    )
    .unwrap();
    let transactions: Vec<_> = (0..SENDERS)
        .into_par_iter()
        .flat_map_iter(|sender| {
            let key = accounts.key(sender);
            (0..TRANSACTIONS).map(move |nonce| {
                // A new account each: the state and its trie grow with every transaction.
                let to = Address::left_padding_from(
                    &(nonce * 1_000 + sender as u64 + 1_000_000).to_be_bytes(),
                );
                transfer(key, nonce, to, 1).into_inner()
            })
        })
        .collect();
    let outcomes = pool.add_many(transactions);
    assert!(outcomes.iter().all(Result::is_ok));

    let mut updates = chain.subscribe();
    let shutdown = CancellationToken::new();
    let key = signers.key(0).clone().into();
    let producer = Producer::new(chain.clone(), pool, key, ProducerConfig::default());
    let running = tokio::spawn(producer.run(shutdown.clone()));

    println!(
        "{:>6} {:>13} {:>11} {:>15}",
        "block", "transactions", "Mgas", "after slot (ms)"
    );
    let mut offsets = Vec::with_capacity(BLOCKS);
    for _ in 0..BLOCKS {
        let update = updates.recv().await.unwrap();
        let (now, head) = (SystemClock.now(), update.head());
        let offset = signed_ms(now, Duration::from_secs(head.timestamp));
        let count = update.committed[0].receipts.len();
        let gas = head.gas_used as f64 / 1e6;
        println!("{:>6} {count:>13} {gas:>11.1} {offset:>15.1}", head.number);
        // The first block has no slot to keep: it is due when the node starts.
        if head.number > 1 {
            offsets.push(offset);
        }
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
    offsets.sort_by(f64::total_cmp);
    println!(
        "after slot: median {:.1} ms, earliest {:.1} ms, latest {:.1} ms",
        offsets[offsets.len() / 2],
        offsets[0],
        offsets[offsets.len() - 1]
    );
}

fn signed_ms(at: Duration, reference: Duration) -> f64 {
    (at.as_secs_f64() - reference.as_secs_f64()) * 1e3
}
