//! `meterd`, the meter oracle daemon.

use alloy::signers::local::PrivateKeySigner;
use clap::{Parser, Subcommand};
use eyre::eyre;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};
use wattline_daemon::{LogArgs, LogFormat, exit_code, keystore, password, shutdown_on_signal};
use wattline_oracle::{ConfigFile, MeterId, Outbox, PASSWORD_VARIABLE};

/// Reads meters and brings their signed readings to the Wattline chain.
///
/// Every reading is written to a durable outbox first and leaves it once its transaction is deep
/// enough in the chain, so meterd may be killed, the node may be down and the network cut at any
/// time: each reading arrives once.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Log")]
    log: LogArgs,
    /// Short for `--log.format json`
    #[arg(long, global = true, hide = true)]
    log_json: bool,
}

const EXAMPLE: &str = r#"To begin:

  1. Make keys:        meterd keys new --directory keys --password-file password M001 M002
                       meterd keys new --directory . --password-file password submitter
  2. Register the meters with the addresses that this prints, and let the submitter's address transact.
  3. Write meterd.toml:

       rpc = "http://127.0.0.1:8545"
       chain_id = 57836
       outbox = "outbox.redb"
       listen = "127.0.0.1:9101"          # /metrics and /health

       [submitter]
       keystore = "submitter.json"
       password_file = "password"

       [meters]
       keystores = "keys"                 # NAME.json is the key of meter NAME
       password_file = "password"

       [source]
       kind = "csv"                       # interval_start,meter,consumption_wh,generation_wh
       file = "intervals.csv"
       from = "2016-06-07T11:00:00Z"      # the first interval of the file to replay
       start = 1750000005                 # when it starts on the chain, Unix seconds
       interval_seconds = 15              # a multiple of which `start` is

  4. Run:              meterd run --config meterd.toml
  5. Look:             curl http://127.0.0.1:9101/health"#;

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until the source has ended and all is delivered, or SIGINT or SIGTERM
    Run(ConfigArgument),
    /// Show what waits in the outbox and what the chain refused (the daemon must not be running)
    Status(ConfigArgument),
    /// Make encrypted keys
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file (TOML); paths in it are relative to its folder
    #[arg(long, default_value = "meterd.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make new keys, one keystore NAME.json for each name, and print their addresses
    New {
        /// Where to write the keystores
        #[arg(long, default_value = "keys")]
        directory: PathBuf,
        /// A file whose first line is the password; without it METERD_PASSWORD or a prompt
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// The meters' names, or a name for the submitter
        #[arg(required = true)]
        names: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(execute(Arguments::parse()).await)
}

async fn execute(arguments: Arguments) -> eyre::Result<()> {
    let mut log = arguments.log;
    if arguments.log_json {
        log.format = LogFormat::Json;
    }
    log.install("info")?;
    match arguments.command {
        Command::Run(ConfigArgument { config }) => run(&config).await,
        Command::Status(ConfigArgument { config }) => status(&config),
        Command::Keys(Keys::New {
            directory,
            password_file,
            names,
        }) => new_keys(&directory, password_file.as_deref(), &names),
    }
}

async fn run(path: &Path) -> eyre::Result<()> {
    let file = ConfigFile::read(path)?;
    let password = std::env::var(PASSWORD_VARIABLE).ok();
    let config = tokio::task::spawn_blocking(move || file.unlock(password.as_deref())).await??;
    wattline_oracle::run_to_end(config, shutdown_on_signal()?).await
}

fn status(path: &Path) -> eyre::Result<()> {
    let file = ConfigFile::read(path)?;
    let (outbox, chain_id, contract) = file.outbox();
    if !outbox.exists() {
        return Err(eyre!(
            "there is no outbox at {}; the daemon has not run yet",
            outbox.display()
        ));
    }
    let outbox = Outbox::open(outbox, chain_id, contract)?;
    let stats = outbox.stats()?;
    println!("waiting    {}", stats.waiting);
    println!("in flight  {}", stats.in_flight);
    println!(
        "oldest     {}",
        stats
            .oldest
            .map_or_else(|| "-".to_owned(), |time| time.to_string())
    );
    let refused = outbox.refused(100)?;
    println!(
        "refused    {}{}",
        refused.len(),
        if refused.is_empty() {
            ""
        } else {
            " (latest first)"
        }
    );
    for entry in refused {
        println!(
            "  {} at {}: {} ({})",
            entry.reading.meter, entry.reading.time, entry.reason, entry.reading.registers
        );
    }
    Ok(())
}

fn new_keys(directory: &Path, password_file: Option<&Path>, names: &[String]) -> eyre::Result<()> {
    for name in names {
        MeterId::from_name(name)?;
        eyre::ensure!(
            !name.contains(['/', '\\']),
            "a key's name must not contain slashes, got {name:?}"
        );
    }
    let password = match (password_file, std::env::var(PASSWORD_VARIABLE)) {
        (Some(path), _) => password::from_file(path)?,
        (None, Ok(password)) => password,
        (None, Err(_)) if std::io::stdin().is_terminal() => {
            password::choose("Password for the new keys: ")?
        }
        (None, Err(_)) => {
            return Err(eyre!(
                "no password: give --password-file, or set {PASSWORD_VARIABLE}"
            ));
        }
    };
    for name in names {
        let key = PrivateKeySigner::random();
        keystore::save(directory, name, &password, &key)?;
        println!("{name} {}", key.address());
    }
    Ok(())
}
