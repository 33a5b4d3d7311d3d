//! What every long-running program of Wattline needs once.
//!
//! - [`LogArgs`]: structured logs on standard error, with their command-line options
//! - [`shutdown_on_signal`]: SIGINT and SIGTERM as a cancellation token
//! - [`StatusServer`]: `/metrics` and `/health` on a port of their own
//! - [`keystore`] and [`password`]: encrypted keys on disk and what unlocks them
//! - [`exit_code`]: how a program says why it failed

mod exit;
pub mod keystore;
mod log;
pub mod password;
mod signal;
mod status;

pub use exit::exit_code;
pub use log::{InvalidLogFilter, LogArgs, LogFormat};
pub use signal::shutdown_on_signal;
pub use status::{AlreadyRecording, Health, MetricsRecorder, StatusServer};
