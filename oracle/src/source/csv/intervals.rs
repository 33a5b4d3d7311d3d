//! A CSV file of interval energies, read line by line.
//!
//! The columns are `interval_start` (RFC 3339), `meter`, `consumption_wh` and `generation_wh`
//! (whole, not negative), in any order; further columns are ignored.

use crate::WattHours;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::io::Read;

const COLUMNS: [&str; 4] = ["interval_start", "meter", "consumption_wh", "generation_wh"];

/// A file that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum IntervalsError {
    /// The file cannot be opened.
    #[error("cannot open {file}: {error}")]
    Open {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// The header cannot be read.
    #[error("{file}: cannot read the header line: {error}")]
    Header {
        /// The file.
        file: String,
        /// Why.
        error: csv::Error,
    },
    /// The header lacks columns.
    #[error(
        "{file}: missing column{} {}; the header must name interval_start, meter, consumption_wh and \
         generation_wh, got {found:?}",
        if missing.len() == 1 { "" } else { "s" },
        missing.join(", ")
    )]
    MissingColumns {
        /// The file.
        file: String,
        /// The columns that are not there.
        missing: Vec<&'static str>,
        /// The header as it is.
        found: String,
    },
}

/// A line that is skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {fault}")]
pub struct LineError {
    /// The file.
    pub file: String,
    /// The line, counted from 1, the header included.
    pub line: u64,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Too few fields.
    #[error("expected at least {expected} fields, got {got}")]
    Fields {
        /// How many are needed.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// Not text, or the file cannot be read on.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Not a time.
    #[error("interval_start must be a time such as 2016-06-07T11:00:00Z, got {0:?}")]
    Time(String),
    /// Energy below zero.
    #[error("{column} must not be negative, got {value}")]
    NegativeEnergy {
        /// The column.
        column: &'static str,
        /// What it says.
        value: i64,
    },
    /// Not an energy.
    #[error("{column} must be a whole number of Wh, got {value:?}")]
    Energy {
        /// The column.
        column: &'static str,
        /// What it says.
        value: String,
    },
    /// A meter that is not configured.
    #[error("unknown meter {0:?}: it is not in the configuration; its lines are skipped")]
    UnknownMeter(String),
    /// A time before that of an earlier line.
    #[error("times must not go back: {got} after {current}")]
    OutOfOrder {
        /// This line's interval.
        got: jiff::Timestamp,
        /// The interval being read.
        current: jiff::Timestamp,
    },
    /// A time that does not follow on the interval being read.
    #[error("after {current} the next interval starts at {next}, got {got}")]
    Gap {
        /// This line's interval.
        got: jiff::Timestamp,
        /// The interval being read.
        current: jiff::Timestamp,
        /// The one that must follow.
        next: jiff::Timestamp,
    },
    /// A second line for the same meter and interval; the first one stands.
    #[error("meter {meter} has a line for {interval} already; the first one stands")]
    Repeated {
        /// The meter.
        meter: String,
        /// The interval.
        interval: jiff::Timestamp,
    },
    /// The meter's register would overflow.
    #[error("meter {0}: with this energy its register would exceed 64 bits")]
    Overflow(String),
}

impl LineFault {
    /// A short name, for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Fields { .. } | Self::Unreadable(_) | Self::Time(_) | Self::Energy { .. } => {
                "unparsable"
            }
            Self::NegativeEnergy { .. } => "negative_energy",
            Self::UnknownMeter(_) => "unknown_meter",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Gap { .. } => "gap",
            Self::Repeated { .. } => "repeated",
            Self::Overflow(_) => "overflow",
        }
    }
}

/// One line: a meter's energies in one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line, counted from 1, the header included.
    pub line: u64,
    /// When the interval starts.
    pub start: jiff::Timestamp,
    /// The meter's name.
    pub meter: String,
    /// Energy consumed behind the meter.
    pub consumption: WattHours,
    /// Energy generated behind the meter.
    pub generation: WattHours,
}

/// Reads a file of interval energies line by line.
pub struct IntervalReader<R> {
    file: String,
    csv: csv::Reader<R>,
    columns: [usize; 4],
    record: StringRecord,
    ended: bool,
}

impl<R> std::fmt::Debug for IntervalReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntervalReader")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl<R: Read> IntervalReader<R> {
    /// Reads the header. `file` names the input in messages.
    ///
    /// # Errors
    ///
    /// The header cannot be read or lacks columns.
    pub fn new(file: impl Into<String>, input: R) -> Result<Self, IntervalsError> {
        let file = file.into();
        let mut csv = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .from_reader(input);
        let header = match csv.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(IntervalsError::Header { file, error }),
        };
        let place = |column: &str| {
            header
                .iter()
                .position(|field| field.trim_start_matches('\u{feff}') == column)
        };
        match COLUMNS.map(place) {
            [
                Some(start),
                Some(meter),
                Some(consumption),
                Some(generation),
            ] => Ok(Self {
                file,
                csv,
                columns: [start, meter, consumption, generation],
                record: StringRecord::new(),
                ended: false,
            }),
            places => {
                let missing = COLUMNS
                    .into_iter()
                    .zip(places)
                    .filter(|(_, place)| place.is_none());
                Err(IntervalsError::MissingColumns {
                    missing: missing.map(|(column, _)| column).collect(),
                    found: header.iter().take(16).collect::<Vec<_>>().join(","),
                    file,
                })
            }
        }
    }

    /// The name of the file in messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn fault(&self, line: u64, fault: LineFault) -> LineError {
        LineError {
            file: self.file.clone(),
            line,
            fault,
        }
    }

    fn row(&self, line: u64) -> Result<Row, LineFault> {
        let [start, meter, consumption, generation] =
            self.columns.map(|column| self.record.get(column));
        let (Some(start), Some(meter), Some(consumption), Some(generation)) =
            (start, meter, consumption, generation)
        else {
            let expected = self.columns.iter().max().map_or(0, |last| last + 1);
            return Err(LineFault::Fields {
                expected,
                got: self.record.len(),
            });
        };
        Ok(Row {
            line,
            start: start.parse().map_err(|_| LineFault::Time(shorten(start)))?,
            meter: meter.to_owned(),
            consumption: energy("consumption_wh", consumption)?,
            generation: energy("generation_wh", generation)?,
        })
    }
}

impl<R: Read> Iterator for IntervalReader<R> {
    type Item = Result<Row, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.csv.position().line();
        match self.csv.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(line, csv::Position::line);
                Some(self.row(line).map_err(|fault| self.fault(line, fault)))
            }
            Err(error) => {
                // After a failed read the rest of the file is out of reach; a line that is not text
                // is just skipped.
                self.ended = error.is_io_error();
                let line = error.position().map_or(line, csv::Position::line);
                Some(Err(
                    self.fault(line, LineFault::Unreadable(error.to_string()))
                ))
            }
        }
    }
}

fn energy(column: &'static str, text: &str) -> Result<WattHours, LineFault> {
    match text.parse::<i64>() {
        Ok(value) => u64::try_from(value)
            .map(WattHours)
            .map_err(|_| LineFault::NegativeEnergy { column, value }),
        Err(_) => Err(LineFault::Energy {
            column,
            value: shorten(text),
        }),
    }
}

/// Keeps a message readable whatever a line holds.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "interval_start,meter,consumption_wh,generation_wh\n";

    fn rows(text: &str) -> Vec<Result<Row, LineError>> {
        IntervalReader::new("x.csv", text.as_bytes())
            .expect("header")
            .collect()
    }

    fn fault(line: &str) -> LineError {
        rows(&format!("{HEADER}{line}\n"))
            .remove(0)
            .expect_err("must be refused")
    }

    #[test]
    fn reads_a_line() {
        let row = rows(&format!("{HEADER}2016-06-06T00:00:00Z,M001,9,2\n"))
            .remove(0)
            .expect("good");
        assert_eq!((row.line, row.meter.as_str()), (2, "M001"));
        assert_eq!(row.start.as_second(), 1_465_171_200);
        assert_eq!(
            (row.consumption, row.generation),
            (WattHours(9), WattHours(2))
        );
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let text = "generation_wh,extra,meter,interval_start,consumption_wh\n\
                    2,?,M001,2016-06-06T00:00:00Z,9\n";
        let row = rows(text).remove(0).expect("good");
        assert_eq!(
            (row.consumption, row.generation),
            (WattHours(9), WattHours(2))
        );
    }

    #[test]
    fn missing_columns_refuse_the_file() {
        let error =
            IntervalReader::new("x.csv", "interval_start,meter\n".as_bytes()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "x.csv: missing columns consumption_wh, generation_wh; the header must name \
             interval_start, meter, consumption_wh and generation_wh, got \"interval_start,meter\""
        );
    }

    #[test]
    fn each_bad_line_says_what_is_wrong() {
        for (line, expected) in [
            (
                "2016-06-06T00:00:00Z,M001,-9,0",
                "x.csv, line 2: consumption_wh must not be negative, got -9",
            ),
            (
                "2016-06-06T00:00:00Z,M001,9,x",
                "x.csv, line 2: generation_wh must be a whole number of Wh, got \"x\"",
            ),
            (
                "2016-06-06T00:00:00Z,M001,9.5,0",
                "x.csv, line 2: consumption_wh must be a whole number of Wh, got \"9.5\"",
            ),
            (
                "yesterday,M001,9,0",
                "x.csv, line 2: interval_start must be a time such as 2016-06-07T11:00:00Z, got \"yesterday\"",
            ),
            (
                "2016-06-06T00:00:00Z,M001",
                "x.csv, line 2: expected at least 4 fields, got 2",
            ),
        ] {
            assert_eq!(fault(line).to_string(), expected);
        }
    }

    #[test]
    fn a_line_that_is_not_text_is_skipped() {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend_from_slice(b"\xff\xfe,M001,1,1\n2016-06-06T00:00:00Z,M001,9,2\n");
        let rows = IntervalReader::new("x.csv", bytes.as_slice())
            .expect("header")
            .collect::<Vec<_>>();
        assert_eq!(
            rows[0].as_ref().expect_err("not text").fault.kind(),
            "unparsable"
        );
        assert_eq!(rows[1].as_ref().expect("good").meter, "M001");
        assert_eq!(rows.len(), 2);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut input = HEADER.as_bytes().to_vec();
            input.extend(&bytes);
            let count = IntervalReader::new("x.csv", input.as_slice()).expect("header").count();
            prop_assert!(count <= bytes.len() + 1);
        }

        #[test]
        fn what_is_written_reads_back(
            energies in proptest::collection::vec((0u64..1 << 40, 0u64..1 << 40), 1..20)
        ) {
            let mut text = HEADER.to_owned();
            for (index, (c, g)) in energies.iter().enumerate() {
                text += &format!("2016-06-06T00:{index:02}:00Z,M{index},{c},{g}\n");
            }
            let read = rows(&text)
                .into_iter()
                .map(|row| row.map(|row| (row.consumption.0, row.generation.0)));
            prop_assert_eq!(read.collect::<Result<Vec<_>, _>>().expect("good"), energies);
        }
    }
}
