//! A consortium of nodes on this machine, as `wattline network` runs it, under load: how long a
//! transaction takes until a subscriber at an observer sees it in a final block, what a node
//! needs for it, what the death of a validator costs, and how fast an observer catches up.
//!
//! `cargo bench -p wattline --bench network`; see `--help` after `--`.
#![allow(missing_docs)]

mod clients;
mod consortium;
mod delay;
mod usage;

use std::time::Duration;

use clap::Parser;
use eyre::WrapErr;

use crate::{
    clients::{Clients, Watcher, at},
    consortium::{Consortium, Plan},
    usage::Usage,
};

/// Measures consortiums of several sizes and prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// Numbers of validators to measure, each with an observer
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 7, 13])]
    validators: Vec<u16>,

    /// Least milliseconds between two blocks
    #[arg(long, default_value_t = 250)]
    period_ms: u64,

    /// Transactions per second: deposits into the market's vault
    #[arg(long, default_value_t = 200)]
    rate: u32,

    /// Seconds under load
    #[arg(long, default_value_t = 30)]
    seconds: u64,

    /// Milliseconds that every message between two nodes takes. Needs a network namespace with
    /// nothing else in it: `unshare --net cargo bench …`, as root
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,

    /// After the load, kill one validator of four or more and go on
    #[arg(long)]
    outage: bool,

    /// Instead, make so many blocks under load as fast as may be, and have an empty observer fetch
    /// them
    #[arg(long, value_name = "BLOCKS")]
    sync: Option<u64>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Validators of the measurement of an observer that catches up.
const SYNC_VALIDATORS: u16 = 4;
/// How long the network settles before anything is measured.
const SETTLE: Duration = Duration::from_secs(8);
/// Transactions sent one by one to an idle chain.
const ALONE: usize = 12;
/// How long the chain is watched after a death.
const AFTERMATH: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let options = Options::parse();
    if let Some(blocks) = options.sync {
        return sync(&options, blocks).await;
    }
    println!(
        "{} transactions per second for {} s, blocks at least {} ms apart, {} ms between nodes\n",
        options.rate, options.seconds, options.period_ms, options.delay_ms
    );
    println!(
        "{:>10} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>10}",
        "validators", "median", "99 %", "idle", "blocks/s", "CPU", "sent", "memory"
    );
    for &validators in &options.validators {
        measure(&options, validators)
            .await
            .wrap_err_with(|| format!("cannot measure {validators} validators"))?;
    }
    Ok(())
}

/// One line of the table.
async fn measure(options: &Options, validators: u16) -> eyre::Result<()> {
    let plan = Plan {
        validators,
        period_ms: options.period_ms,
        delay_ms: options.delay_ms,
    };
    let mut consortium = Consortium::start(plan).await?;
    let mut clients = Clients::new(&consortium.observer());
    clients.prepare().await?;
    let watcher = Watcher::start(&consortium.observer()).await?;
    tokio::time::sleep(SETTLE).await;

    let mut idle = Vec::new();
    for index in 0..ALONE {
        let sent = clients.send(1, 1).await?;
        // Not in step with the idle blocks.
        tokio::time::sleep(Duration::from_millis(1_700 + 97 * index as u64)).await;
        idle.extend(watcher.latencies(&sent)?);
    }

    let before = Usage::read(&consortium).await?;
    let first = watcher.blocks();
    let count = options.rate as usize * options.seconds as usize;
    let sent = clients.send(count, options.rate).await?;
    let blocks = watcher.blocks() - first;
    let used = Usage::read(&consortium).await?.since(&before);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let busy = watcher.latencies(&sent)?;

    println!(
        "{validators:>10} {:>6} ms {:>6} ms {:>6} ms {:>9.2} {:>6.1} % {:>4.0} kB/s {:>6.0} MiB",
        at(&busy, 50),
        at(&busy, 99),
        at(&idle, 50),
        blocks as f64 / used.seconds,
        used.processor_percent,
        used.sent_per_second / 1e3,
        used.memory_mib,
    );
    if options.outage && validators >= 4 {
        // One of its nodes has not ended in order.
        outage(options, &consortium, &mut clients, &watcher).await?;
    }
    consortium.stop().await
}

/// Kills a validator under load.
async fn outage(
    options: &Options,
    consortium: &Consortium,
    clients: &mut Clients,
    watcher: &Watcher,
) -> eyre::Result<()> {
    let begun = clients
        .send(options.rate as usize * 2, options.rate)
        .await?;
    drop(begun);
    let killed = consortium.kill_validator(2)?;
    let count = options.rate as usize * AFTERMATH.as_secs() as usize;
    let sent = clients.send(count, options.rate).await?;
    // Without transactions blocks come in the idle period.
    let mut pauses = watcher.pauses(killed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    pauses.sort_unstable_by(|one, other| other.cmp(one));
    let longest: Vec<_> = pauses.iter().take(3).map(Duration::as_millis).collect();
    let latencies = watcher.latencies(&sent)?;
    let settled = latencies.get(latencies.len() / 4..).unwrap_or_default();
    println!(
        "{:>10} a validator died: longest pauses {longest:?} ms; after 5 s median {} ms, 99 % {} ms",
        "",
        at(settled, 50),
        at(settled, 99)
    );
    Ok(())
}

/// Has an observer that lost everything fetch a chain.
async fn sync(options: &Options, blocks: u64) -> eyre::Result<()> {
    let plan = Plan {
        validators: SYNC_VALIDATORS,
        period_ms: options.period_ms,
        delay_ms: options.delay_ms,
    };
    let mut consortium = Consortium::start(plan).await?;
    let mut clients = Clients::new(&consortium.observer());
    clients.prepare().await?;
    let begun = tokio::time::Instant::now();
    let first = consortium.head().await?;
    while consortium.head().await? < first + blocks {
        clients
            .send(options.rate as usize * 5, options.rate)
            .await?;
    }
    let made = consortium.head().await? - first;
    let making = begun.elapsed().as_secs_f64();

    consortium.stop().await?;
    consortium.wipe_observer()?;
    consortium.restart().await?;
    let begun = tokio::time::Instant::now();
    let target = first + made;
    while consortium.head().await? < target {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let fetching = begun.elapsed().as_secs_f64();
    let gas = consortium.gas(1..=target).await? as f64 / 1e6;
    println!(
        "made {made} blocks in {making:.1} s: {:.1} blocks/s, {:.1} Mgas/s",
        made as f64 / making,
        gas / making
    );
    println!(
        "an empty observer had {target} blocks after {fetching:.1} s: {:.1} blocks/s, {:.1} Mgas/s, \
         {:.1} times the rate at which they were made",
        target as f64 / fetching,
        gas / fetching,
        (target as f64 / fetching) / (made as f64 / making)
    );
    Ok(())
}
