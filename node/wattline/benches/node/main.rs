//! This node against anvil, on the same machine in the same run: throughput, latency, reads and
//! memory, with the same accounts, the same genesis state, blocks of one second and the same block
//! gas limit, which does not bind. Writing is measured on one peer after the other, each alone; for reading they take
//! turns.
//!
//! `cargo bench -p wattline --bench node`; see `--help` after `--`.
#![allow(missing_docs)]

mod connection;
mod load;
mod peer;
mod reads;
mod report;
mod senders;

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use eyre::WrapErr;

use crate::{
    peer::{Kind, Peer},
    report::{Figures, Report},
    senders::Senders,
};

/// Accounts that send.
const SENDERS: usize = 50;
/// Plain transfers: enough for many blocks, or the wait for the last one decides.
const TRANSFERS: usize = 200_000;
/// Transfers of the token, likewise.
const TOKEN_TRANSFERS: usize = 100_000;
/// Gas limit of a block: so high that it is not what ends a load.
const GAS_LIMIT: u64 = 2_000_000_000;

/// Compares this node with anvil and prints ratios, ours to theirs.
#[derive(Debug, Parser)]
struct Options {
    /// Part of the work to do, for a quick look; goals hold for 1
    #[arg(long, default_value_t = 1.0)]
    scale: f64,

    /// Measure one peer only: wattline or anvil
    #[arg(long)]
    only: Option<Kind>,

    /// Measure reads only
    #[arg(long)]
    reads: bool,

    /// What wattline logs, for finding out where time goes: wattline_producer=debug, say
    #[arg(long, default_value = "warn")]
    log: String,

    /// The anvil executable
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/node_modules/.bin/anvil"))]
    anvil: PathBuf,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn scaled(&self, count: usize) -> usize {
        let scaled = count as f64 * self.scale / SENDERS as f64;
        (scaled.round() as usize).max(1) * SENDERS
    }
}

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let options = Options::parse();
    let kinds = match options.only {
        Some(kind) => vec![kind],
        None => vec![Kind::Wattline, Kind::Anvil],
    };
    let mut figures = vec![Figures::default(); kinds.len()];
    if !options.reads {
        for (kind, figures) in kinds.iter().zip(&mut figures) {
            *figures = write(*kind, &options)
                .await
                .wrap_err_with(|| format!("cannot measure writing on {kind}"))?;
        }
    }
    let mut peers = Vec::new();
    for kind in &kinds {
        peers.push(start(*kind, &options).await?);
    }
    let rates = reads::all(&mut peers, options.scale)
        .await
        .wrap_err("cannot measure reading")?;
    let mut report = Report::default();
    for ((kind, mut figures), reads) in kinds.into_iter().zip(figures).zip(rates) {
        figures.reads = reads;
        report.add(kind, figures);
    }
    print!("{report}");
    Ok(())
}

/// A fresh peer, and senders that have tokens there.
async fn start(kind: Kind, options: &Options) -> eyre::Result<(Peer, Senders)> {
    let senders = Senders::new(SENDERS);
    let peer = Peer::start(kind, options, &senders).await?;
    load::give_tokens(&peer, &senders).await?;
    Ok((peer, senders))
}

/// Has one fresh peer take transactions.
async fn write(kind: Kind, options: &Options) -> eyre::Result<Figures> {
    let (peer, mut senders) = start(kind, options).await?;
    let mut figures = Figures {
        memory_at_start: peer.memory()?,
        ..Figures::default()
    };
    let transfers = senders.transfers(options.scaled(TRANSFERS));
    eprintln!("{kind}: {} plain transfers", transfers.len());
    figures.transfers = load::until_included(&peer, &transfers, &senders).await?;
    figures.transfer_gas = load::gas_of_last(&peer, &transfers).await?;

    let tokens = senders.token_transfers(options.scaled(TOKEN_TRANSFERS));
    eprintln!("{kind}: {} ERC-20 transfers", tokens.len());
    figures.tokens = load::until_included(&peer, &tokens, &senders).await?;
    figures.token_gas = load::gas_of_last(&peer, &tokens).await?;

    let paced = senders.transfers(options.scaled(10_000));
    eprintln!("{kind}: {} transfers at 1,000 per second", paced.len());
    figures.latency = load::send_to_inclusion(&peer, &paced, 1_000).await?;

    tokio::time::sleep(Duration::from_secs(3)).await;
    figures.memory_at_end = peer.memory()?;
    Ok(figures)
}
