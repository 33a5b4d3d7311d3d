//! Where the time of a full block goes, how that grows with the accounts in the state, and which
//! block is the largest that still goes out within its second. A lone signer with one-second
//! blocks of plain transfers, on a database and a journal on disk.
//!
//! `--quick` measures less; `--accounts 1000,100000` says how many accounts the states hold.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::HashMap,
    io::Write,
    iter,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::{Address, keccak256};
use commonware_runtime::{
    Clock, Handle, Runner as _, Spawner, Supervisor,
    tokio::{Config, Context, Runner},
};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use rayon::prelude::*;
use wattline_chain::test_utils::{Signers, TestGenesis, transfer};
use wattline_pool::{Pool, PoolConfig};
use wattline_primitives::{Millis, TransactionSigned};
use wattline_producer::{Producer, ProducerConfig};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// The gas limit whose blocks are taken apart: 14,285 transfers.
const GAS_LIMIT: u64 = 300_000_000;
/// Gas limits among which the largest that keeps its second is looked for. A block of 8 MiB, the
/// most that EIP-7934 allows, holds transfers of about 1,400 million gas.
const GAS_LIMITS: [u64; 10] = [30, 100, 200, 300, 350, 400, 450, 600, 900, 1_200];
const QUICK_GAS_LIMITS: [u64; 3] = [100, 300, 600];
/// From how many accounts on gas limits are compared: with fewer, every block changes most of them.
const COMPARED_ACCOUNTS: usize = 100_000;
/// Senders; transactions take turns among them.
const SENDERS: usize = 256;
/// Transactions per call of the pool.
const BATCH: usize = 1_000;
/// Blocks at first that only teach the producer its pace.
const WARM_UP: usize = 3;

/// What is measured where, in the order in which a transaction gets there. Of a block's finish and
/// commit, the named parts are taken off.
const PHASES: [(&str, Phase); 9] = [
    ("recovery", Phase::Intake("wattline_pool_recover_seconds")),
    ("pool", Phase::Intake("wattline_pool_admit_seconds")),
    (
        "execution",
        Phase::Block("wattline_producer_execute_seconds", None),
    ),
    (
        "finish",
        Phase::Block(
            "wattline_producer_finish_seconds",
            Some("wattline_producer_state_root_seconds"),
        ),
    ),
    (
        "root",
        Phase::Block("wattline_producer_state_root_seconds", None),
    ),
    (
        "append",
        Phase::Block("wattline_storage_append_seconds", None),
    ),
    (
        "commit",
        Phase::Block("wattline_storage_commit_seconds", None),
    ),
    (
        "notify",
        Phase::Block("wattline_chain_notify_seconds", None),
    ),
    ("update", Phase::Block("wattline_pool_update_seconds", None)),
];

#[derive(Clone, Copy)]
enum Phase {
    /// Sampled once per batch of transactions.
    Intake(&'static str),
    /// Sampled once per block; less another.
    Block(&'static str, Option<&'static str>),
}

/// What one run came to.
struct Run {
    /// Of each measured block, transactions and milliseconds after its slot.
    blocks: Vec<(usize, f64)>,
    /// Milliseconds per block of each of [`PHASES`].
    phases: Vec<f64>,
}

/// What a run is of.
#[derive(Clone, Copy)]
struct Setting {
    accounts: usize,
    gas_limit: u64,
    blocks: usize,
    /// Whether the next transactions come in while blocks are built. Otherwise the pool is full
    /// before, and no phase slows another.
    feed: bool,
}

impl Setting {
    const fn per_block(&self) -> usize {
        (self.gas_limit / TRANSFER_GAS) as usize
    }
}

fn main() {
    Runner::new(Config::new()).start(measure);
}

async fn measure(ctx: Context) {
    let arguments: Vec<_> = std::env::args().collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let accounts = arguments
        .iter()
        .position(|argument| argument == "--accounts")
        .map(|at| {
            arguments[at + 1]
                .split(',')
                .map(|n| n.parse().unwrap())
                .collect()
        });
    let accounts: Vec<usize> = accounts.unwrap_or_else(|| match quick {
        true => vec![1_000, 100_000],
        false => vec![1_000, 10_000, 100_000, 1_000_000],
    });
    let (blocks, gas_limits) = match quick {
        true => (2, &QUICK_GAS_LIMITS[..]),
        false => (5, &GAS_LIMITS[..]),
    };
    let samples = Samples::default();
    metrics::set_global_recorder(samples.clone()).unwrap();

    let mut grown = Vec::new();
    for accounts in accounts {
        let setting = Setting {
            accounts,
            gas_limit: GAS_LIMIT,
            blocks,
            feed: false,
        };
        grown.push((accounts, run(&ctx, setting, &samples).await));
    }
    print_phases(&grown);
    print_growth(&grown);
    for (accounts, _) in grown {
        if accounts >= COMPARED_ACCOUNTS {
            find_largest(&ctx, accounts, gas_limits, blocks, &samples).await;
        }
    }
}

fn print_phases(runs: &[(usize, Run)]) {
    let Some((accounts, run)) = runs.last() else {
        return;
    };
    let count = run.transactions();
    println!(
        "\nA block of {count:.0} transfers ({} Mgas), {accounts} accounts",
        GAS_LIMIT / 1_000_000
    );
    println!(
        "{:<10} {:>9} {:>9} {:>6}",
        "phase", "ms/block", "us/tx", "share"
    );
    let total: f64 = run.phases.iter().sum();
    let phases = PHASES
        .iter()
        .map(|(name, _)| *name)
        .zip(run.phases.iter().copied());
    for (name, ms) in phases.chain([("total", total)]) {
        println!(
            "{name:<10} {ms:>9.2} {:>9.2} {:>5.1}%",
            ms * 1e3 / count,
            ms / total * 1e2
        );
    }
}

fn print_growth(runs: &[(usize, Run)]) {
    println!(
        "\nMilliseconds per block of {} Mgas, by accounts in the state",
        GAS_LIMIT / 1_000_000
    );
    print!("{:>9} {:>9}", "accounts", "transfers");
    PHASES.iter().for_each(|(name, _)| print!(" {name:>9}"));
    println!(" {:>9}", "total");
    for (accounts, run) in runs {
        print!("{accounts:>9} {:>9.0}", run.transactions());
        run.phases.iter().for_each(|ms| print!(" {ms:>9.1}"));
        println!(" {:>9.1}", run.phases.iter().sum::<f64>());
    }
}

/// Goes up the gas limits until a block is not full, or out later than its second.
async fn find_largest(
    ctx: &Context,
    accounts: usize,
    gas_limits: &[u64],
    blocks: usize,
    samples: &Samples,
) {
    println!("\nWith as many transactions coming in as go out, {accounts} accounts");
    println!(
        "{:>6} {:>9} {:>6} {:>13} {:>13} {:>14}",
        "Mgas", "transfers", "filled", "late, median", "late, most", "in its second"
    );
    let mut largest = None;
    for &mgas in gas_limits {
        let setting = Setting {
            accounts,
            gas_limit: mgas * 1_000_000,
            blocks,
            feed: true,
        };
        let run = run(ctx, setting, samples).await;
        let filled = run.transactions() / setting.per_block() as f64;
        let mut late: Vec<_> = run.blocks.iter().map(|(_, late)| *late).collect();
        late.sort_by(f64::total_cmp);
        let (median, most) = (late[late.len() / 2], late[late.len() - 1]);
        let keeps = run
            .blocks
            .iter()
            .all(|(count, _)| *count == setting.per_block())
            && most < 1e3;
        println!(
            "{mgas:>6} {:>9.0} {:>5.0}% {median:>10.1} ms {most:>10.1} ms {:>14}",
            run.transactions(),
            filled * 1e2,
            if keeps { "yes" } else { "no" }
        );
        if !keeps {
            break;
        }
        largest = Some(mgas);
    }
    match largest {
        Some(mgas) => println!("largest full block within its second: {mgas} Mgas"),
        None => println!("no full block within its second"),
    }
}

impl Run {
    /// Transactions per block.
    fn transactions(&self) -> f64 {
        let sum: usize = self.blocks.iter().map(|(count, _)| count).sum();
        sum as f64 / self.blocks.len() as f64
    }
}

async fn run(ctx: &Context, setting: Setting, samples: &Samples) -> Run {
    let (signers, senders) = (Signers::new(1), Signers::named("account", SENDERS));
    let per_block = setting.per_block();
    let progress = |what: &str| {
        eprint!(
            "\r\x1b[K{} accounts, {} Mgas: {what}",
            setting.accounts,
            setting.gas_limit / 1_000_000
        );
        let _ = std::io::stderr().flush();
    };
    progress("genesis");
    let rest = setting.accounts.saturating_sub(SENDERS);
    let accounts: Vec<_> = (0..rest).into_par_iter().map(account).collect();
    let genesis = TestGenesis::new(signers.addresses())
        .gas_limit(setting.gas_limit)
        .fund(accounts)
        .fund(senders.addresses());
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir);
    drop(genesis);
    let pool = Pool::open(
        PoolConfig::default(),
        Some(&dir.path().join("pool.journal")),
        chain.storage().clone(),
        chain.evm().clone(),
    )
    .unwrap();

    progress("transactions");
    let transactions: Vec<_> = (0..per_block * (WARM_UP + setting.blocks))
        .into_par_iter()
        .map(|index| {
            let key = senders.key(index % SENDERS);
            // Scattered over all accounts.
            let to = index.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize) % rest;
            transfer(key, (index / SENDERS) as u64, account(to), 1).into_inner()
        })
        .collect();
    let mut waiting = transactions.into_iter();
    let at_first = if setting.feed {
        2 * per_block
    } else {
        waiting.len()
    };
    samples.take();
    feed(&pool, waiting.by_ref().take(at_first));
    let intake = samples.take();

    let key = signers.key(0).clone().into();
    let producer = Producer::new(chain.clone(), pool.clone(), key, ProducerConfig::default());
    let (mut counts, mut lateness) = (Vec::new(), Vec::new());
    let mut feeding = Vec::new();
    let mut storing: Option<Handle<f64>> = None;
    let mut parent = (*chain.head()).clone();
    // Each block is built while the one before is being stored, as a node does it.
    for number in 0..WARM_UP + setting.blocks {
        progress(&format!("block {number}"));
        let everyone = |after: &wattline_clique::Snapshot| after.signers.clone();
        let block = producer.build(ctx, &parent, everyone).await.unwrap();
        let count = block.receipts.len();
        if let Some(stored) = storing.take() {
            lateness.push(stored.await.unwrap());
        }
        let block = chain.adopt(block).unwrap();
        parent = block.block.clone_sealed_header();
        let (chain, followed) = (chain.clone(), pool.clone());
        storing = Some(blocking(ctx, move |ctx| {
            let mut updates = chain.subscribe();
            chain.finalize(block.block.hash(), &|_| Ok(())).unwrap();
            let now = ctx.current().duration_since(UNIX_EPOCH).unwrap();
            let update = updates.try_recv().unwrap();
            followed.follow(&update).unwrap();
            signed_ms(now, Millis::of(update.head()).since_epoch())
        }));
        counts.push(count);
        let (pool, next): (_, Vec<_>) = (pool.clone(), waiting.by_ref().take(count).collect());
        feeding.push(blocking(ctx, move |_| feed(&pool, next)));
    }
    if let Some(stored) = storing {
        lateness.push(stored.await.unwrap());
    }
    for fed in feeding {
        fed.await.unwrap();
    }
    eprint!("\r\x1b[K");
    let blocks = counts.into_iter().zip(lateness).skip(WARM_UP).collect();
    let taken = samples.take();
    let mean = |name| {
        let values: &Vec<f64> = &taken[name];
        let values = &values[WARM_UP..WARM_UP + setting.blocks];
        values.iter().sum::<f64>() / values.len() as f64
    };
    let phases = PHASES.iter().map(|(_, phase)| match phase {
        Phase::Intake(name) => {
            intake[*name].iter().sum::<f64>() / at_first as f64 * per_block as f64 * 1e3
        }
        Phase::Block(name, less) => (mean(*name) - less.map_or(0.0, mean)) * 1e3,
    });
    Run {
        phases: phases.collect(),
        blocks,
    }
}

/// Does heavy work beside everything else.
fn blocking<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce(Context) -> T + Send + 'static,
) -> Handle<T> {
    ctx.child("work")
        .shared(true)
        .spawn(|ctx| async move { work(ctx) })
}

/// The account at `index`; in no order of addresses.
fn account(index: usize) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// Puts transactions into the pool, which must take them.
fn feed(pool: &Pool, transactions: impl IntoIterator<Item = TransactionSigned>) {
    let mut transactions = transactions.into_iter();
    let batches = iter::from_fn(|| {
        let batch: Vec<_> = transactions.by_ref().take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    });
    for batch in batches {
        let outcomes = pool.add_many(batch);
        assert!(outcomes.iter().all(Result::is_ok));
    }
}

fn signed_ms(at: Duration, reference: Duration) -> f64 {
    (at.as_secs_f64() - reference.as_secs_f64()) * 1e3
}

/// Keeps every sample of every histogram.
#[derive(Clone, Default)]
struct Samples(Arc<Mutex<HashMap<String, Vec<f64>>>>);

impl Samples {
    /// All samples since the last call, by name.
    fn take(&self) -> HashMap<String, Vec<f64>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// One histogram.
struct Named(String, Samples);

impl HistogramFn for Named {
    fn record(&self, value: f64) {
        let mut samples = self.1.0.lock().unwrap();
        samples.entry(self.0.clone()).or_default().push(value);
    }
}

impl metrics::Recorder for Samples {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Named(key.name().to_owned(), self.clone())))
    }
}
