//! `wattline db`: looks into the database.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wattline_storage::Storage;

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
        let head = storage.reader()?.head()?;
        println!("head {} {}\n", head.number, head.hash);
        println!(
            "{:<24} {:>12} {:>6} {:>14}",
            "table", "entries", "depth", "bytes"
        );
        let mut total = 0;
        for table in storage.stats()? {
            println!(
                "{:<24} {:>12} {:>6} {:>14}",
                table.name, table.entries, table.depth, table.bytes
            );
            total += table.bytes;
        }
        println!("{:<24} {:>12} {:>6} {total:>14}", "total", "", "");
        Ok(())
    }
}
