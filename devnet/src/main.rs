//! `neighbourhood`, the simulated households.

use alloy::{primitives::B256, signers::local::PrivateKeySigner, transports::http::reqwest::Url};
use clap::Parser;
use eyre::{WrapErr, eyre};
use jiff::Timestamp;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio::sync::mpsc;
use wattline_daemon::{LogArgs, exit_code, shutdown_on_signal};
use wattline_devnet::{
    Event, IntervalReport, KEEPER_INDEX, METERD_INDEX, NeighbourhoodConfig, OPERATOR_INDEX, Ready,
    Report, dataset, dataset::Dataset, development_key, table, write_meterd,
};

/// Plays a village's households on a Wattline chain: registers them, funds them, and trades for
/// them interval by interval. Prints one line for each delivery interval.
///
/// The meters are read by meterd: with --meterd DIR this program writes the keys and the
/// configuration that it needs, and says so when they are there. `wattline dev` runs all of it in
/// one process.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The node's JSON-RPC address
    #[arg(long, default_value = "http://127.0.0.1:8545")]
    rpc: Url,
    /// The chain that the node must be on
    #[arg(long, default_value_t = wattline_devnet::DEVELOPMENT_CHAIN_ID)]
    chain_id: u64,
    /// A folder with meters.csv and intervals.csv; without it the village that comes with this
    /// program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The first interval of the data to play, such as 2016-06-07T11:00:00Z; without it the first
    /// with a surplus
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Stop when so many intervals are settled; without it play to the data's end
    #[arg(long, value_name = "N")]
    intervals: Option<u64>,
    /// The length of a delivery interval on the chain
    #[arg(long, value_name = "S", default_value_t = 15)]
    interval_seconds: u32,
    /// What the households' forecasts and prices follow from: the same seed, the same orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The zone on the chain
    #[arg(long, default_value_t = 1)]
    zone: u64,
    /// Write a JSON report here at the end, and after each interval
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the keys and configuration of a meterd for these meters into this folder
    #[arg(long, value_name = "DIR")]
    meterd: Option<PathBuf>,
    /// The key of the account with the operator's roles (default: the development mnemonic's first)
    #[arg(
        long,
        value_name = "KEY",
        env = "NEIGHBOURHOOD_OPERATOR_KEY",
        hide_env_values = true
    )]
    operator_key: Option<B256>,
    /// The key of the account that clears and settles (default: the development mnemonic's ninth)
    #[arg(
        long,
        value_name = "KEY",
        env = "NEIGHBOURHOOD_KEEPER_KEY",
        hide_env_values = true
    )]
    keeper_key: Option<B256>,
    #[command(flatten, next_help_heading = "Log")]
    log: LogArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(play(Arguments::parse()).await)
}

async fn play(arguments: Arguments) -> eyre::Result<()> {
    arguments.log.install("info")?;
    let dataset = match &arguments.data {
        Some(folder) => Dataset::load(folder)?,
        None => Dataset::village()?,
    };
    let key = |given: Option<B256>, index| -> eyre::Result<PrivateKeySigner> {
        match given {
            Some(key) => PrivateKeySigner::from_bytes(&key).wrap_err("not a private key"),
            None => Ok(development_key(index)?),
        }
    };
    let operator = key(arguments.operator_key, OPERATOR_INDEX)?;
    let config = NeighbourhoodConfig {
        rpc: arguments.rpc.clone(),
        chain_id: arguments.chain_id,
        root: operator.clone(),
        operator,
        keeper: key(arguments.keeper_key, KEEPER_INDEX)?,
        dataset: Arc::new(dataset),
        from: arguments.from,
        intervals: arguments.intervals,
        interval_seconds: arguments.interval_seconds,
        seed: arguments.seed,
        zone: arguments.zone,
    };
    let meters = config.dataset.meters().len();
    let shutdown = shutdown_on_signal()?;
    let (sender, mut events) = mpsc::channel(64);
    let run = tokio::spawn(wattline_devnet::run(config, sender, shutdown));
    let mut report = Report::default();
    while let Some(event) = events.recv().await {
        match event {
            Event::Ready(ready) => {
                print_start(&arguments, &ready)?;
                println!("{}", table::HEADING);
            }
            Event::Interval(interval) => {
                print_interval(&arguments, &mut report, interval, meters)?;
            }
        }
    }
    run.await??;
    Ok(())
}

fn print_start(arguments: &Arguments, ready: &Ready) -> eyre::Result<()> {
    println!(
        "{} households; first delivery interval starts at {}",
        ready.households.len(),
        ready.start
    );
    let Some(folder) = &arguments.meterd else {
        println!("reading the meters is meterd's part: --meterd DIR writes what it needs");
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let intervals = match &arguments.data {
        Some(data) => std::path::absolute(data.join("intervals.csv"))?,
        None => {
            let path = std::path::absolute(folder.join("intervals.csv"))?;
            std::fs::write(&path, dataset::VILLAGE_INTERVALS)
                .wrap_err_with(|| format!("cannot write {}", path.display()))?;
            path
        }
    };
    let submitter = development_key(METERD_INDEX)?;
    let config = write_meterd(
        folder,
        arguments.rpc.as_str(),
        ready,
        &intervals,
        &submitter,
    )?;
    println!("now run: meterd run --config {}", config.display());
    Ok(())
}

fn print_interval(
    arguments: &Arguments,
    report: &mut Report,
    interval: IntervalReport,
    meters: usize,
) -> eyre::Result<()> {
    println!("{}", table::line(&interval, meters));
    report.add(interval);
    if let Some(path) = &arguments.report {
        std::fs::write(path, report.to_json()?)
            .map_err(|error| eyre!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}
