//! `wattline db`: looks into the database.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use indicatif::BinaryBytes;
use wattline_storage::Storage;

use super::size::Size;

/// Look into the database of a stopped node.
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Show the entries and the size of each table
    Stats(Stats),
}

#[derive(Args, Debug)]
pub(crate) struct Stats {
    /// Directory of the node's data
    #[arg(long, value_name = "DIR", default_value = "wattline-data")]
    datadir: PathBuf,
}

impl Db {
    pub(super) fn run(self) -> eyre::Result<()> {
        let Self::Stats(args) = self;
        let storage = Storage::open_existing(&args.datadir)?;
        match print(&storage, &mut std::io::stdout().lock()) {
            // Whoever reads has seen enough, as in `… | head`.
            Err(error) if is_closed_pipe(&error) => Ok(()),
            printed => printed,
        }
    }
}

fn print(storage: &Storage, out: &mut impl Write) -> eyre::Result<()> {
    let reader = storage.reader()?;
    let head = reader.head()?;
    writeln!(out, "head {} {}", head.number, head.hash)?;
    match reader.oldest_state()? {
        0 => writeln!(out, "state of every block")?,
        oldest => writeln!(out, "state from block {oldest} on, older ones were pruned")?,
    }
    let space = storage.space()?;
    writeln!(
        out,
        "{} in use, --db.max-size {}\n",
        BinaryBytes(space.used),
        Size(space.max)
    )?;
    writeln!(
        out,
        "{:<24} {:>12} {:>6} {:>14}",
        "table", "entries", "depth", "bytes"
    )?;
    let mut total = 0;
    for table in storage.stats()? {
        let (name, entries, depth, bytes) = (table.name, table.entries, table.depth, table.bytes);
        writeln!(out, "{name:<24} {entries:>12} {depth:>6} {bytes:>14}")?;
        total += bytes;
    }
    writeln!(out, "{:<24} {:>12} {:>6} {total:>14}", "total", "", "")?;
    Ok(())
}

fn is_closed_pipe(error: &eyre::Report) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
