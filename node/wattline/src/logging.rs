//! Structured logs on standard error, as text or as JSON lines.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use eyre::WrapErr;
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per event, for log collectors.
    Json,
}

/// Options of the log that every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace), or directives such as
    /// `info,wattline_pool=debug`
    #[arg(
        long = "log.filter",
        env = "RUST_LOG",
        value_name = "FILTER",
        global = true
    )]
    pub(crate) filter: Option<String>,

    /// How a log line looks
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "text",
        global = true
    )]
    pub(crate) format: LogFormat,
}

/// Installs the log for the whole process; `default` holds where the user names no filter.
///
/// # Errors
///
/// When the filter does not parse.
pub(crate) fn init(args: &LogArgs, default: &str) -> eyre::Result<()> {
    let directives = args.filter.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(directives).wrap_err_with(|| {
        format!(
            "--log.filter {directives:?} is not a filter; try `info` or `info,wattline_pool=debug`"
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match args.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
