//! What can be wrong with a data set.

use jiff::{SignedDuration, Timestamp};

/// A data set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// A file cannot be read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
    /// A header lacks columns.
    #[error("{file}: missing column{} {}; the header is {found:?}", if missing.len() == 1 { "" } else { "s" }, missing.join(", "))]
    MissingColumns {
        /// The file.
        file: String,
        /// The columns that are not there.
        missing: Vec<&'static str>,
        /// The header as it is.
        found: String,
    },
    /// A file has a header only.
    #[error("{file} has no lines below its header")]
    Empty {
        /// The file.
        file: String,
    },
    /// A line is wrong.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1, the header included.
        line: u64,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The file ends too early.
    #[error("{file}, at its end: {problem}")]
    End {
        /// The file.
        file: String,
        /// What is wrong.
        problem: Problem,
    },
    /// No interval starts at that time.
    #[error(
        "the data has no interval that starts at {wanted}: its intervals start every {minutes} minutes from {first} to \
         {last}"
    )]
    NoSuchInterval {
        /// The time asked for.
        wanted: Timestamp,
        /// The first interval.
        first: Timestamp,
        /// The last interval.
        last: Timestamp,
        /// The length of an interval in minutes.
        minutes: i64,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Too few fields.
    #[error("expected at least {expected} fields, got {got}")]
    Fields {
        /// How many are needed.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// Not a time.
    #[error("interval_start must be a time such as 2016-06-07T11:00:00Z, got {0:?}")]
    Time(String),
    /// Energy below zero.
    #[error("{column} must not be negative, got {value}")]
    Negative {
        /// The column.
        column: &'static str,
        /// What it says.
        value: i64,
    },
    /// More energy than an order can name.
    #[error("{column} must be below 2^40 Wh, got {value}")]
    TooMuch {
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
    /// Not a power.
    #[error("{column} must be a number of kW, not negative, got {value:?}")]
    Power {
        /// The column.
        column: &'static str,
        /// What it says.
        value: String,
    },
    /// A name that cannot be a meter's.
    #[error("a meter's name must be 1 to 32 printable ASCII characters, got {0:?}")]
    MeterName(String),
    /// A meter listed twice.
    #[error("meter {0} is listed twice")]
    MeterTwice(String),
    /// A meter that is not in `meters.csv`.
    #[error("unknown meter {0:?}: meters.csv does not list it")]
    UnknownMeter(String),
    /// A time before that of the line above.
    #[error("times must not go back: {got} after {after}")]
    OutOfOrder {
        /// This line's interval.
        got: Timestamp,
        /// The line above's.
        after: Timestamp,
    },
    /// Intervals of different lengths.
    #[error("intervals must follow each other every {} minutes, this one comes after {}", expected.as_mins(), got.as_mins())]
    Step {
        /// The time since the interval before.
        got: SignedDuration,
        /// The time between the first two.
        expected: SignedDuration,
    },
    /// Two lines for one meter and interval.
    #[error("meter {meter} has a line for {interval} already")]
    Repeated {
        /// The meter.
        meter: String,
        /// The interval.
        interval: Timestamp,
    },
    /// No line for a meter in an interval.
    #[error("meter {meter} has no line for {interval}")]
    Missing {
        /// The meter.
        meter: String,
        /// The interval.
        interval: Timestamp,
    },
}
