//! `wattline-genesis`: builds genesis files from small configurations.

use std::{fs, path::PathBuf};

use clap::{Parser, Subcommand};
use eyre::WrapErr;
use wattline_genesis::{Artifacts, Config, build, to_json};

/// Build a genesis file with the market's contracts predeployed.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a genesis file from a configuration
    Build {
        /// The configuration (TOML); genesis/dev.toml shows every key
        config: PathBuf,
        /// The genesis file to write
        #[arg(long)]
        out: PathBuf,
        /// Forge's output folder with the compiled contracts
        #[arg(long, default_value = "contracts/out")]
        artifacts: PathBuf,
    },
}

fn main() -> eyre::Result<()> {
    let Command::Build {
        config,
        out,
        artifacts,
    } = Cli::parse().command;
    let genesis = build(&Config::read(&config)?, &Artifacts::new(artifacts))?;
    fs::write(&out, to_json(&genesis)?)
        .wrap_err_with(|| format!("cannot write {}", out.display()))?;
    println!("{}: {} accounts", out.display(), genesis.alloc.len());
    Ok(())
}
