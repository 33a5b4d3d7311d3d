//! The command line: one file per command.

mod account;
mod database;
mod db;
mod dev;
mod init;
mod network;
mod node;
mod peers;
mod rpc;
mod size;
mod transfer;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use wattline_daemon::LogArgs;

use crate::spec::LoadedSpec;

const AFTER_HELP: &str = "\
Examples:
  wattline dev                                      the whole market on this machine
  wattline dev --no-market                          only the chain, with funded accounts
  wattline network --validators 4 --observers 1     a consortium on this machine
  wattline account new --keystore keys              a key for a signer
  wattline node --datadir data --chain genesis.json --signer keys/UTC--….json \\
                --password-file password.txt        a node that seals blocks
  wattline node --datadir data --chain genesis.json a node that serves the chain it has";

/// A node of Wattline, the chain on which electricity is traded by the quarter hour.
#[derive(Debug, Parser)]
#[command(name = "wattline", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Log")]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Node(node::NodeCommand),
    Network(network::NetworkCommand),
    Init(init::Init),
    #[command(subcommand)]
    Account(account::Account),
    Export(transfer::Export),
    Import(transfer::Import),
    #[command(subcommand)]
    Db(db::Db),
}

impl Cli {
    /// Starts the log and runs the command to its end.
    ///
    /// # Errors
    ///
    /// Whatever made the command fail, with what to do about it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        self.log.install(self.default_log_filter())?;
        match self.command {
            Command::Dev(command) => runtime()?.block_on(command.run()),
            Command::Node(command) => runtime()?.block_on(command.run()),
            Command::Network(command) => runtime()?.block_on(command.run()),
            Command::Init(command) => command.run(),
            Command::Account(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Import(command) => command.run(),
            Command::Db(command) => command.run(),
        }
    }

    /// The log filter where the user names none: `dev` and `network` show a table and `import` a bar
    /// instead of events.
    fn default_log_filter(&self) -> &'static str {
        match self.command {
            Command::Dev(_) | Command::Network(_) | Command::Import(_) => "warn",
            _ => "info",
        }
    }
}

fn runtime() -> eyre::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// The chain a command works on and where it is kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct ChainArgs {
    /// Directory of the node's data
    #[arg(long, value_name = "DIR", default_value = "wattline-data")]
    pub(crate) datadir: PathBuf,

    /// Genesis file of the chain, or `dev` or `devnet` for a built-in one; not needed again once
    /// the data directory has been set up
    #[arg(long, value_name = "FILE")]
    pub(crate) chain: Option<String>,
}

impl ChainArgs {
    /// Loads the chain specification.
    ///
    /// # Errors
    ///
    /// See [`LoadedSpec::load`].
    pub(crate) fn load(&self) -> eyre::Result<LoadedSpec> {
        LoadedSpec::load(self.chain.as_deref(), &self.datadir)
    }
}
