//! `wattline`: a node of the Wattline chain, and the whole market in one command.

mod chain_file;
mod cli;
mod jwt;
mod keystore;
mod logging;
mod market;
mod node;
mod progress;
mod spec;
mod status;

use std::process::ExitCode;

use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// The node allocates and frees many small objects on many threads; the system allocator would
/// keep several times the memory that is in use.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let ran = logging::init(&cli.log, cli.default_log_filter()).and_then(|()| cli.run());
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("error: {}", explain(&report));
            ExitCode::FAILURE
        }
    }
}

/// The chain of causes in one line; a backtrace tells an operator nothing. A cause that the line
/// before already quotes is not said twice.
fn explain(report: &eyre::Report) -> String {
    let mut line = String::new();
    for cause in report.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}
