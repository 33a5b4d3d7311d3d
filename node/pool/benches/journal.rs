//! What it costs that the disk has a transaction before its sender hears that it was accepted:
//! acknowledged transactions per second with and without the wait, for clients of which each sends
//! its next transaction when the last was acknowledged.
//!
//! The journal lies in the directory for temporary files; `TMPDIR` names another, on the disk that
//! is of interest.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use wattline_pool::{
    PoolConfig,
    test_utils::{TestChain, draft},
};

const CLIENTS: [u8; 4] = [1, 8, 64, 200];
/// How long each measurement goes on.
const TIME: Duration = Duration::from_secs(3);
/// Most transactions of one client, which are signed before.
const EACH: u64 = 1_000;

fn main() {
    println!(
        "{:>8} {:>12} {:>12} {:>8}",
        "clients", "with sync", "without", "part"
    );
    for clients in CLIENTS {
        let [with, without] = [true, false].map(|fsync| acknowledged_per_second(clients, fsync));
        let part = with / without * 1e2;
        println!("{clients:>8} {with:>10.0}/s {without:>10.0}/s {part:>7.0}%");
    }
}

fn acknowledged_per_second(clients: u8, journal_fsync: bool) -> f64 {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig {
        journal_fsync,
        max_transactions: usize::MAX,
        ..PoolConfig::default()
    });
    let each = EACH.min(40_000 / u64::from(clients));
    // Gas is free, so an account without funds can send.
    let transactions = thread::scope(|scope| {
        let sign = |client| move || (0..each).map(|nonce| draft(client, nonce).sign()).collect();
        let signing: Vec<_> = (1..=clients)
            .map(|client| scope.spawn(sign(client)))
            .collect();
        let signed = signing.into_iter().map(|signing| signing.join().unwrap());
        signed.collect::<Vec<Vec<_>>>()
    });
    let started = Instant::now();
    let count: usize = thread::scope(|scope| {
        let sending: Vec<_> = transactions
            .into_iter()
            .map(|own| {
                let pool = &pool;
                scope.spawn(move || {
                    own.into_iter()
                        .take_while(|_| started.elapsed() < TIME)
                        .map(|transaction| usize::from(pool.add(transaction).is_ok()))
                        .sum::<usize>()
                })
            })
            .collect();
        sending
            .into_iter()
            .map(|sending| sending.join().unwrap())
            .sum()
    });
    count as f64 / started.elapsed().as_secs_f64()
}
