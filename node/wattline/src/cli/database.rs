//! How much room the node's data may take.

use clap::Args;
use wattline_chain::MAX_UNSTORED;
use wattline_storage::StorageConfig;

use super::size::Size;
use crate::space::MinFree;

/// The least number of blocks before the head whose state a node keeps.
const MIN_HISTORY: u64 = 2 * MAX_UNSTORED as u64;

/// Options of the database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
    /// Size that the database file may grow to; only address space is reserved for it [default:
    /// that of the existing database, 1TiB for a new one]
    #[arg(long = "db.max-size", value_name = "SIZE", value_parser = max_size)]
    max_size: Option<Size>,

    /// By how much the database file grows when it is full [default: 64MiB]
    #[arg(long = "db.growth-step", value_name = "SIZE", value_parser = growth_step)]
    growth_step: Option<Size>,

    /// Keep the state of so many blocks before the head, and remove that of older ones little by
    /// little; blocks, receipts and logs stay [default: keep every state]
    #[arg(long = "prune.history", value_name = "BLOCKS", value_parser = history)]
    history: Option<u64>,
}

impl DatabaseArgs {
    /// What the database is opened with.
    pub(crate) fn config(&self) -> StorageConfig {
        StorageConfig {
            max_size: self.max_size.map(|size| size.0),
            growth_step: self.growth_step.map(|size| size.0),
            history: self.history,
        }
    }
}

/// Options of the disk.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct DiskArgs {
    /// Take no transactions while less than this is free on the disk of the data directory; 0:
    /// whatever is free [default: 1GiB, with `dev` 64MiB, but at most a twentieth of the disk]
    #[arg(long = "disk.min-free", value_name = "SIZE")]
    min_free: Option<Size>,
}

impl DiskArgs {
    /// What must be free; `default` on a large disk if the user does not say.
    pub(crate) fn min_free(&self, default: u64) -> MinFree {
        self.min_free
            .map_or(MinFree::AtMost(default), |size| MinFree::Exactly(size.0))
    }
}

fn max_size(text: &str) -> Result<Size, String> {
    let (least, greatest) = (
        Size(StorageConfig::LEAST_MAX_SIZE),
        Size(StorageConfig::GREATEST_MAX_SIZE),
    );
    between(text, least, greatest)
}

fn growth_step(text: &str) -> Result<Size, String> {
    between(text, Size(1 << 20), Size(16 << 30))
}

fn between(text: &str, least: Size, greatest: Size) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if (least.0..=greatest.0).contains(&size.0) {
        Ok(size)
    } else {
        Err(format!("expected a size from {least} to {greatest}"))
    }
}

fn history(text: &str) -> Result<u64, String> {
    let blocks: Option<u64> = text.parse().ok();
    blocks.filter(|blocks| *blocks >= MIN_HISTORY).ok_or_else(|| {
        format!(
            "expected at least {MIN_HISTORY} blocks: up to {MAX_UNSTORED} may be stored at once, and \
             what follows the chain needs the state after each of them"
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        disk: DiskArgs,
    }

    fn parse(args: &[&str]) -> Result<Command, String> {
        let args = [&["wattline"], args].concat();
        Command::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_every_state_is_kept_and_a_large_disk_needs_the_default() {
        let command = parse(&[]).unwrap();
        assert_eq!(command.database.config(), StorageConfig::default());
        assert_eq!(command.disk.min_free(7), MinFree::AtMost(7));
    }

    #[test]
    fn each_option_changes_what_it_says() {
        let command = parse(&[
            "--db.max-size=2TiB",
            "--db.growth-step=256MiB",
            "--prune.history=100000",
            "--disk.min-free=0",
        ])
        .unwrap();
        let expected = StorageConfig {
            max_size: Some(2 << 40),
            growth_step: Some(256 << 20),
            history: Some(100_000),
        };
        assert_eq!(command.database.config(), expected);
        assert_eq!(command.disk.min_free(7), MinFree::Exactly(0));
    }

    #[test]
    fn what_cannot_be_is_answered_with_what_can() {
        for (arg, expected) in [
            ("--db.max-size=1MiB", "a size from 16MiB to 8TiB"),
            ("--db.max-size=9TiB", "a size from 16MiB to 8TiB"),
            ("--db.max-size=1TB", "bytes such as 2GiB"),
            ("--db.growth-step=1KiB", "a size from 1MiB to 16GiB"),
            (
                "--prune.history=127",
                "at least 128 blocks: up to 64 may be stored at once",
            ),
            ("--prune.history=all", "at least 128 blocks"),
            ("--disk.min-free=lots", "bytes such as 2GiB"),
        ] {
            let error = parse(&[arg]).err().expect(arg);
            assert!(error.contains(expected), "{arg}: {error}");
        }
    }
}
