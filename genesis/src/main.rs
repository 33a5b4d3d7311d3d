//! `wattline-genesis`: builds genesis files from small configurations.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use eyre::eyre;
use wattline_genesis::{Artifacts, GenesisConfig, build, to_json};

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

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            // Without the chain of causes: each message here names its own.
            eprintln!("error: {report}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> eyre::Result<()> {
    let Command::Build {
        config,
        out,
        artifacts,
    } = command;
    let genesis = build(&GenesisConfig::read(&config)?, &Artifacts::new(artifacts))?;
    fs::write(&out, to_json(&genesis)?)
        .map_err(|error| eyre!("cannot write {}: {error}", out.display()))?;
    println!("{}: {} accounts", out.display(), genesis.alloc.len());
    Ok(())
}
