//! Where readings come from. Each way of reading a meter is one [`Source`], in a file of its own
//! here, with its settings as one variant of [`SourceConfig`].

mod csv;

pub use self::csv::{
    Boundary, CsvError, CsvInput, CsvReplay, IntervalReader, IntervalsError, LineError, LineFault,
    Replay, ReplayPlan, ReplaySource, Row,
};

use crate::{MeterId, Reading, Registers, history::RegisterHistory};
use futures::future::BoxFuture;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

/// How meters are read: `[source]` of the configuration file, where `kind` names the variant.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SourceConfig {
    /// A file of interval energies, replayed.
    Csv(CsvReplay),
}

impl SourceConfig {
    /// Takes relative paths as ones in `folder`.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        match self {
            Self::Csv(csv) => csv.resolve(folder),
        }
    }

    /// Opens the source. `meters` are those that are read, by their names there; `history` is
    /// asked for the registers with which they begin, and may have to wait for the chain.
    ///
    /// # Errors
    ///
    /// The settings contradict themselves, what is to be read is not there, or it is not known
    /// where the registers stand.
    pub(crate) async fn open(
        &self,
        meters: &BTreeMap<String, MeterId>,
        history: &RegisterHistory<'_>,
    ) -> eyre::Result<Box<dyn Source>> {
        Ok(match self {
            Self::Csv(csv) => Box::new(csv.open(meters, history).await?),
        })
    }
}

/// One thing that a source has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A meter's registers at a boundary.
    Reading(Reading),
    /// Something that is not a reading and was skipped.
    Fault(Fault),
}

/// A way of reading meters.
pub trait Source: Send {
    /// The next observations, once they are due; `None` when the source will never have any again.
    ///
    /// The future may be dropped and asked for again: nothing is lost.
    fn next(&mut self) -> BoxFuture<'_, Option<Vec<Observation>>>;
}

/// Nonsense from a source: reported and skipped, never guessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line of a file cannot be used.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The source had nothing for a meter in an interval. What its registers show from there on is
    /// unknown, so it falls silent until the source is mended.
    #[error(
        "meter {meter} falls silent after {last}: there is no usable line for the interval from \
         {interval}; mend the file and restart to resume there"
    )]
    Silent {
        /// The meter.
        meter: MeterId,
        /// The start of the interval, as the file writes it.
        interval: jiff::Timestamp,
        /// The last boundary with a known register, Unix seconds.
        last: u64,
    },
    /// A reading from the future: the meter's clock, or this machine's, is far off.
    #[error(
        "meter {meter}: its reading is of {time}, but it is {now} here; one of the clocks is off"
    )]
    ClockOff {
        /// The meter.
        meter: MeterId,
        /// The boundary, Unix seconds.
        time: u64,
        /// This machine's time, Unix seconds.
        now: u64,
    },
    /// A register is below its earlier value.
    #[error(
        "meter {meter} at {time}: a register jumped back to {got}; at {earlier_time} it \
         was {earlier}"
    )]
    JumpedBack {
        /// The meter.
        meter: MeterId,
        /// The boundary, Unix seconds.
        time: u64,
        /// What the meter says now.
        got: Registers,
        /// The boundary before.
        earlier_time: u64,
        /// What it said then.
        earlier: Registers,
    },
    /// Another value for a boundary that was read before. The first one stands.
    #[error("meter {meter} at {time}: {got} contradicts {first}, which was read first and stands")]
    Contradiction {
        /// The meter.
        meter: MeterId,
        /// The boundary, Unix seconds.
        time: u64,
        /// What the meter says now.
        got: Registers,
        /// What it said first.
        first: Registers,
    },
}

impl Fault {
    /// A short name of the kind of fault, for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Line(line) => line.fault.kind(),
            Self::Silent { .. } => "silent",
            Self::ClockOff { .. } => "clock_off",
            Self::JumpedBack { .. } => "jumped_back",
            Self::Contradiction { .. } => "contradiction",
        }
    }
}
