//! `wattline`: a node of the Wattline chain, and the whole market in one command.

mod agreement;
mod chain_file;
mod cli;
mod health;
mod jwt;
mod market;
mod node;
mod progress;
mod space;
mod spec;

use std::process::ExitCode;

use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// The node allocates and frees many small objects on many threads; the system allocator would
/// keep several times the memory that is in use.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    wattline_daemon::exit_code(cli.run())
}
