//! Structured logs on standard error, as text or as JSON lines.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per event, for log collectors.
    Json,
}

/// The options of a program's log.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace), or directives such as
    /// `warn,wattline=debug`
    #[arg(
        long = "log.filter",
        env = "RUST_LOG",
        value_name = "FILTER",
        global = true
    )]
    pub filter: Option<String>,

    /// How a log line looks
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "text",
        global = true
    )]
    pub format: LogFormat,
}

/// A log filter that is none.
#[derive(Debug, thiserror::Error)]
#[error("--log.filter {directives:?} is not a filter; try `info` or `warn,wattline=debug`")]
pub struct InvalidLogFilter {
    /// What was given.
    directives: String,
    /// What is wrong with it.
    source: ParseError,
}

impl LogArgs {
    /// Installs the log for the whole process; `default` holds where the user names no filter.
    ///
    /// # Errors
    ///
    /// When the filter does not parse.
    ///
    /// # Panics
    ///
    /// When the process has a log already.
    pub fn install(&self, default: &str) -> Result<(), InvalidLogFilter> {
        let directives = self.filter.as_deref().unwrap_or(default);
        let filter = EnvFilter::try_new(directives).map_err(|source| InvalidLogFilter {
            directives: directives.to_owned(),
            source,
        })?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self.format {
            LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
            LogFormat::Json => builder.json().init(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_named() {
        let args = LogArgs {
            filter: Some("info,wattline=loud".to_owned()),
            format: LogFormat::Text,
        };
        assert_eq!(
            args.install("info").expect_err("refused").to_string(),
            "--log.filter \"info,wattline=loud\" is not a filter; try `info` or \
             `warn,wattline=debug`"
        );
    }
}
