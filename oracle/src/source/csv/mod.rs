//! Interval energies in a CSV file, replayed.

mod intervals;
mod replay;

pub use intervals::{IntervalReader, IntervalsError, LineError, LineFault, Row};
pub use replay::{Boundary, Replay, ReplayPlan, ReplaySource};

use super::{Fault, Observation, Source};
use crate::{
    MeterId,
    history::{HistoryError, RegisterHistory},
};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

/// A file of interval energies and how it is replayed.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "CsvTable")]
pub struct CsvReplay {
    /// The file.
    pub input: CsvInput,
    /// How its time maps to the chain's.
    pub plan: ReplayPlan,
}

/// Where a file's text is.
#[derive(Clone, Debug)]
pub enum CsvInput {
    /// On disk.
    File(PathBuf),
    /// In memory, with a name for messages.
    Text {
        /// The name.
        name: String,
        /// The text.
        text: Cow<'static, str>,
    },
}

/// The settings as the configuration file has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvTable {
    file: PathBuf,
    from: jiff::Timestamp,
    #[serde(default = "quarter_hour")]
    data_seconds: u32,
    start: u64,
    interval_seconds: u32,
    intervals: Option<u64>,
}

const fn quarter_hour() -> u32 {
    900
}

impl From<CsvTable> for CsvReplay {
    fn from(table: CsvTable) -> Self {
        Self {
            input: CsvInput::File(table.file),
            plan: ReplayPlan {
                from: table.from,
                data_seconds: table.data_seconds,
                start: table.start,
                interval_seconds: table.interval_seconds,
                intervals: table.intervals,
            },
        }
    }
}

/// Why a replay cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// A length of zero.
    #[error("source.{0} must be at least 1")]
    Zero(&'static str),
    /// The file cannot be read.
    #[error(transparent)]
    Intervals(#[from] IntervalsError),
    /// It is not known where the registers stand.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl CsvReplay {
    /// Takes a relative path as one in `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let CsvInput::File(path) = &mut self.input {
            *path = folder.join(&path);
        }
    }

    /// Opens the file, then finds out where the meters' registers stand as the replay starts.
    pub(super) async fn open(
        &self,
        meters: &BTreeMap<String, MeterId>,
        history: &RegisterHistory<'_>,
    ) -> Result<ReplaySource<Box<dyn Read + Send>>, CsvError> {
        self.plan.check()?;
        let reader = self.input.open()?;
        let ids = meters.values().copied().collect::<Vec<_>>();
        let registers = history.at(self.plan.start, &ids).await?;
        let meters = meters
            .iter()
            .zip(registers)
            .map(|((name, id), at)| (name.clone(), *id, at));
        Ok(ReplaySource::new(Replay::new(reader, self.plan, meters)))
    }
}

impl ReplayPlan {
    const fn check(&self) -> Result<(), CsvError> {
        if self.data_seconds == 0 {
            return Err(CsvError::Zero("data_seconds"));
        }
        if self.interval_seconds == 0 {
            return Err(CsvError::Zero("interval_seconds"));
        }
        Ok(())
    }
}

impl CsvInput {
    fn open(&self) -> Result<IntervalReader<Box<dyn Read + Send>>, IntervalsError> {
        match self {
            Self::File(path) => {
                let file = path.display().to_string();
                match File::open(path) {
                    Ok(opened) => IntervalReader::new(file, Box::new(BufReader::new(opened))),
                    Err(error) => Err(IntervalsError::Open { file, error }),
                }
            }
            Self::Text { name, text } => {
                IntervalReader::new(name, Box::new(Cursor::new(text.clone().into_owned())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_zero_are_named() {
        let plan = |data_seconds, interval_seconds| ReplayPlan {
            from: jiff::Timestamp::UNIX_EPOCH,
            data_seconds,
            start: 0,
            interval_seconds,
            intervals: None,
        };
        assert!(plan(900, 15).check().is_ok());
        for (plan, message) in [
            (plan(0, 15), "source.data_seconds must be at least 1"),
            (plan(900, 0), "source.interval_seconds must be at least 1"),
        ] {
            assert_eq!(plan.check().expect_err("refused").to_string(), message);
        }
    }
}
