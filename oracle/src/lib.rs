//! The meter oracle: reads meters and brings their signed readings to the chain.
//!
//! A [`Source`] yields readings, each of which goes durably into the [`Outbox`] before anything
//! else happens to it. A submitter signs them with their meters' keys and carries them to the
//! metering contract in batches; a reading leaves the outbox when the transaction that carried it
//! is deep enough in the chain to stay. [`run`] ties it together.

mod backoff;
mod config;
mod daemon;
mod history;
mod judgement;
mod outbox;
pub mod source;
mod submission;
mod submitter;
mod telemetry;

pub use config::{ConfigFile, Meter, OracleConfig, OracleConfigError, PASSWORD_VARIABLE};
pub use daemon::{run, run_to_end};
pub use history::HistoryError;
pub use outbox::{
    Base, Batch, Outbox, OutboxError, OutboxStats, Outcome, Recorded, Refused, Waiting,
};
pub use source::{Fault, Observation, Source, SourceConfig};
pub use submission::Submission;
pub use submitter::SubmitterError;
pub use wattline_market::{InvalidMeterName, MeterId, Reading, ReadingKey, Registers, WattHours};
