//! A village's meter data: `meters.csv` (meter, node, rated load and solar power) and
//! `intervals.csv` (interval start, meter, consumption and generation in Wh), read as a whole and
//! strictly: what households trade and settle on must be complete.

mod error;

pub use error::{DatasetError, Problem};

use csv::{ReaderBuilder, StringRecord, Trim};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

/// The interval energies of the data set that comes with this program, as text.
pub const VILLAGE_INTERVALS: &str = include_str!("../../data/simbench-village/intervals.csv");
/// The meters of the data set that comes with this program, as text.
pub const VILLAGE_METERS: &str = include_str!("../../data/simbench-village/meters.csv");

/// A connection point of the village.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterInfo {
    /// The meter's name, 1 to 32 printable ASCII characters.
    pub name: String,
    /// The grid node that it is connected to.
    pub node: String,
    /// Rated load in kW.
    pub load_kw: f64,
    /// Rated solar power in kW.
    pub pv_kw: f64,
}

/// What happened behind a meter in one interval, in Wh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalEnergy {
    /// Energy consumed.
    pub consumption: u64,
    /// Energy generated.
    pub generation: u64,
}

impl IntervalEnergy {
    /// What the meter counts as import.
    pub const fn import(self) -> u64 {
        self.consumption.saturating_sub(self.generation)
    }

    /// What the meter counts as export.
    pub const fn export(self) -> u64 {
        self.generation.saturating_sub(self.consumption)
    }
}

/// A village's meters and their energies in consecutive intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    meters: Vec<MeterInfo>,
    first: Timestamp,
    step: SignedDuration,
    /// Interval by interval, in each the meters in their order.
    energies: Vec<IntervalEnergy>,
}

impl Dataset {
    /// The data set that comes with this program: 93 connection points of a village, seven days of
    /// quarter hours.
    ///
    /// # Errors
    ///
    /// None: a test reads it.
    pub fn village() -> Result<Self, DatasetError> {
        Self::read(
            "meters.csv",
            VILLAGE_METERS.as_bytes(),
            "intervals.csv",
            VILLAGE_INTERVALS.as_bytes(),
        )
    }

    /// Reads `meters.csv` and `intervals.csv` from a folder.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or does not hold what it should: the error names file, line and
    /// expectation.
    pub fn load(folder: &Path) -> Result<Self, DatasetError> {
        let open = |name: &str| {
            let path = folder.join(name);
            let file = path.display().to_string();
            match File::open(path) {
                Ok(opened) => Ok((file, BufReader::new(opened))),
                Err(error) => Err(DatasetError::Read {
                    file,
                    error: error.to_string(),
                }),
            }
        };
        let (meters_file, meters) = open("meters.csv")?;
        let (intervals_file, intervals) = open("intervals.csv")?;
        Self::read(&meters_file, meters, &intervals_file, intervals)
    }

    /// Reads the two tables; the names stand for them in messages.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn read(
        meters_file: &str,
        meters: impl Read,
        intervals_file: &str,
        intervals: impl Read,
    ) -> Result<Self, DatasetError> {
        let meters = read_meters(meters_file, meters)?;
        let mut reader = Intervals::new(intervals_file, &meters);
        let mut table = Table::new(
            intervals_file,
            intervals,
            ["interval_start", "meter", "consumption_wh", "generation_wh"],
        )?;
        while let Some((line, [start, meter, consumption, generation])) = table.next_line()? {
            reader
                .take(start, meter, consumption, generation)
                .map_err(|problem| DatasetError::Line {
                    file: intervals_file.to_owned(),
                    line,
                    problem,
                })?;
        }
        let (first, step, energies) = reader.finish()?;
        Ok(Self {
            meters,
            first,
            step,
            energies,
        })
    }

    /// The meters, in the order of `meters.csv`.
    pub fn meters(&self) -> &[MeterInfo] {
        &self.meters
    }

    /// How many intervals there are.
    pub const fn intervals(&self) -> usize {
        self.energies.len() / self.meters.len()
    }

    /// The length of an interval.
    pub const fn step(&self) -> SignedDuration {
        self.step
    }

    /// When the first interval starts.
    pub const fn first(&self) -> Timestamp {
        self.first
    }

    /// When an interval starts; `None` beyond what time stamps can hold.
    pub fn start_of(&self, interval: usize) -> Option<Timestamp> {
        let step = self.step.checked_mul(i32::try_from(interval).ok()?)?;
        self.first.checked_add(step).ok()
    }

    /// The interval that starts at a time.
    ///
    /// # Errors
    ///
    /// None does.
    pub fn index_of(&self, start: Timestamp) -> Result<usize, DatasetError> {
        let index = (0..self.intervals()).find(|index| self.start_of(*index) == Some(start));
        index.ok_or_else(|| DatasetError::NoSuchInterval {
            wanted: start,
            first: self.first,
            last: self
                .start_of(self.intervals().saturating_sub(1))
                .unwrap_or(self.first),
            minutes: self.step.as_mins(),
        })
    }

    /// What happened in an interval, by meter in their order; `None` beyond the data's end.
    pub fn interval(&self, index: usize) -> Option<&[IntervalEnergy]> {
        self.energies.chunks_exact(self.meters.len()).nth(index)
    }

    /// The most that a meter (by its place) imports, and exports, in any interval, in Wh.
    pub fn peak(&self, meter: usize) -> (u64, u64) {
        self.energies
            .iter()
            .skip(meter)
            .step_by(self.meters.len())
            .fold((0, 0), |(import, export), energy| {
                (import.max(energy.import()), export.max(energy.export()))
            })
    }
}

/// A CSV table with the columns that are wanted of it.
struct Table<'a, R, const N: usize> {
    file: &'a str,
    csv: csv::Reader<R>,
    columns: [usize; N],
    record: StringRecord,
}

impl<'a, R: Read, const N: usize> Table<'a, R, N> {
    fn new(file: &'a str, input: R, columns: [&'static str; N]) -> Result<Self, DatasetError> {
        let mut csv = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .from_reader(input);
        let header = csv.headers().map_err(|error| unreadable(file, &error))?;
        let place = |column: &str| {
            header
                .iter()
                .position(|field| field.trim_start_matches('\u{feff}') == column)
        };
        let places = columns.map(place);
        let missing: Vec<_> = columns
            .iter()
            .zip(places)
            .filter(|(_, place)| place.is_none())
            .map(|(column, _)| *column)
            .collect();
        if !missing.is_empty() {
            let found = header.iter().take(16).collect::<Vec<_>>().join(",");
            return Err(DatasetError::MissingColumns {
                file: file.to_owned(),
                missing,
                found,
            });
        }
        Ok(Self {
            file,
            csv,
            columns: places.map(Option::unwrap_or_default),
            record: StringRecord::new(),
        })
    }

    fn next_line(&mut self) -> Result<Option<(u64, [&str; N])>, DatasetError> {
        match self.csv.read_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(unreadable(self.file, &error)),
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let fields = self.columns.map(|column| self.record.get(column));
        if fields.iter().any(Option::is_none) {
            let expected = self.columns.iter().max().map_or(0, |last| last + 1);
            let problem = Problem::Fields {
                expected,
                got: self.record.len(),
            };
            return Err(DatasetError::Line {
                file: self.file.to_owned(),
                line,
                problem,
            });
        }
        Ok(Some((line, fields.map(Option::unwrap_or_default))))
    }
}

fn unreadable(file: &str, error: &csv::Error) -> DatasetError {
    DatasetError::Read {
        file: file.to_owned(),
        error: error.to_string(),
    }
}

fn read_meters(file: &str, input: impl Read) -> Result<Vec<MeterInfo>, DatasetError> {
    let mut meters = Vec::<MeterInfo>::new();
    let mut names = BTreeMap::new();
    let mut table = Table::new(file, input, ["meter", "node", "load_kw", "pv_kw"])?;
    while let Some((line, [name, node, load, solar])) = table.next_line()? {
        let fail = |problem| DatasetError::Line {
            file: file.to_owned(),
            line,
            problem,
        };
        if name.is_empty() || name.len() > 32 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fail(Problem::MeterName(shorten(name))));
        }
        if names.insert(name.to_owned(), line).is_some() {
            return Err(fail(Problem::MeterTwice(name.to_owned())));
        }
        let load_kw = power("load_kw", load).map_err(fail)?;
        let pv_kw = power("pv_kw", solar).map_err(fail)?;
        meters.push(MeterInfo {
            name: name.to_owned(),
            node: node.to_owned(),
            load_kw,
            pv_kw,
        });
    }
    if meters.is_empty() {
        return Err(DatasetError::Empty {
            file: file.to_owned(),
        });
    }
    Ok(meters)
}

/// The intervals read so far.
struct Intervals<'a> {
    file: &'a str,
    meters: &'a [MeterInfo],
    places: BTreeMap<&'a str, usize>,
    first: Option<Timestamp>,
    step: Option<SignedDuration>,
    current: Option<Timestamp>,
    row: Vec<Option<IntervalEnergy>>,
    energies: Vec<IntervalEnergy>,
}

impl<'a> Intervals<'a> {
    fn new(file: &'a str, meters: &'a [MeterInfo]) -> Self {
        let places = meters
            .iter()
            .enumerate()
            .map(|(place, meter)| (meter.name.as_str(), place))
            .collect();
        let row = vec![None; meters.len()];
        Self {
            file,
            meters,
            places,
            first: None,
            step: None,
            current: None,
            row,
            energies: Vec::new(),
        }
    }

    fn take(
        &mut self,
        start: &str,
        meter: &str,
        consumption: &str,
        generation: &str,
    ) -> Result<(), Problem> {
        let start: Timestamp = start.parse().map_err(|_| Problem::Time(shorten(start)))?;
        let consumption = energy("consumption_wh", consumption)?;
        let generation = energy("generation_wh", generation)?;
        let place = *self
            .places
            .get(meter)
            .ok_or_else(|| Problem::UnknownMeter(shorten(meter)))?;
        match self.current {
            None => {
                self.first = Some(start);
                self.current = Some(start);
            }
            Some(current) if start < current => {
                return Err(Problem::OutOfOrder {
                    got: start,
                    after: current,
                });
            }
            Some(current) if start > current => {
                self.close_interval(current)?;
                let step = start.duration_since(current);
                let expected = *self.step.get_or_insert(step);
                if step != expected {
                    return Err(Problem::Step {
                        got: step,
                        expected,
                    });
                }
                self.current = Some(start);
            }
            Some(_) => {}
        }
        let slot = self
            .row
            .get_mut(place)
            .ok_or_else(|| Problem::UnknownMeter(shorten(meter)))?;
        if slot
            .replace(IntervalEnergy {
                consumption,
                generation,
            })
            .is_some()
        {
            return Err(Problem::Repeated {
                meter: meter.to_owned(),
                interval: start,
            });
        }
        Ok(())
    }

    fn close_interval(&mut self, interval: Timestamp) -> Result<(), Problem> {
        for (slot, meter) in self.row.iter_mut().zip(self.meters) {
            let energy = slot.take();
            self.energies.push(energy.ok_or_else(|| Problem::Missing {
                meter: meter.name.clone(),
                interval,
            })?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Timestamp, SignedDuration, Vec<IntervalEnergy>), DatasetError> {
        let (Some(first), Some(current)) = (self.first, self.current) else {
            return Err(DatasetError::Empty {
                file: self.file.to_owned(),
            });
        };
        self.close_interval(current)
            .map_err(|problem| DatasetError::End {
                file: self.file.to_owned(),
                problem,
            })?;
        // A single interval tells nothing about its length; a quarter hour is the market's.
        Ok((
            first,
            self.step.unwrap_or_else(|| SignedDuration::from_mins(15)),
            self.energies,
        ))
    }
}

fn energy(column: &'static str, text: &str) -> Result<u64, Problem> {
    match text.parse::<i64>() {
        // Beyond the market's 40 bits nothing could be traded or metered.
        Ok(value) if value >= 1 << 40 => Err(Problem::TooMuch { column, value }),
        Ok(value) => u64::try_from(value).map_err(|_| Problem::Negative { column, value }),
        Err(_) => Err(Problem::Energy {
            column,
            value: shorten(text),
        }),
    }
}

fn power(column: &'static str, text: &str) -> Result<f64, Problem> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(Problem::Power {
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
mod tests;
