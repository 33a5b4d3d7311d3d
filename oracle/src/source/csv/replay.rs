//! Replays a file of interval energies as the registers of meters, at the pace of the chain's
//! intervals.

use super::{Fault, IntervalReader, LineError, LineFault, Observation, Row, Source};
use crate::{MeterId, Reading, Registers};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    iter::Peekable,
    time::{Duration, SystemTime},
};

/// How many unknown meters of a file are named before they are skipped in silence.
const UNKNOWN_METERS_NAMED: usize = 1_000;

/// How the file's time maps to the chain's: the interval `from + k·data_seconds` becomes the
/// delivery interval
/// `start + k·interval_seconds`. Registers at the chain's boundary k count the file's first k
/// intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayPlan {
    /// The first interval to replay, as the file writes it.
    pub from: Timestamp,
    /// The length of an interval in the file, in seconds; at least 1.
    pub data_seconds: u32,
    /// The chain's boundary at which the first interval starts, Unix seconds.
    pub start: u64,
    /// The length of a delivery interval on the chain, in seconds; at least 1.
    pub interval_seconds: u32,
    /// How many intervals to replay; `None`: all that the file has.
    pub intervals: Option<u64>,
}

impl ReplayPlan {
    fn boundary(&self, index: u64) -> u64 {
        self.start
            .saturating_add(index.saturating_mul(u64::from(self.interval_seconds)))
    }

    fn interval(&self, index: u64) -> Option<Timestamp> {
        let seconds = i64::try_from(index)
            .ok()?
            .checked_mul(i64::from(self.data_seconds))?;
        self.from
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
    }
}

/// What is known at one boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The boundary, Unix seconds.
    pub time: u64,
    /// One reading for each meter that still has a known register, after what was skipped on the
    /// way.
    pub observations: Vec<Observation>,
}

#[derive(Debug)]
struct Meter {
    id: MeterId,
    registers: Registers,
    /// The next boundary that the meter has a register for.
    known: u64,
    silent: bool,
}

/// The replay without its clock: which registers each boundary has.
#[derive(Debug)]
pub struct Replay<R: Read> {
    reader: Peekable<IntervalReader<R>>,
    file: String,
    plan: ReplayPlan,
    meters: BTreeMap<String, Meter>,
    unknown: BTreeSet<String>,
    next: u64,
}

impl<R: Read> Replay<R> {
    /// A replay for the given meters: name in the file, identifier, registers at `plan.start`.
    pub fn new(
        reader: IntervalReader<R>,
        plan: ReplayPlan,
        meters: impl IntoIterator<Item = (String, MeterId, Registers)>,
    ) -> Self {
        let meters = meters
            .into_iter()
            .map(|(name, id, registers)| {
                (
                    name,
                    Meter {
                        id,
                        registers,
                        known: 0,
                        silent: false,
                    },
                )
            })
            .collect();
        Self {
            file: reader.file().to_owned(),
            reader: reader.peekable(),
            plan,
            meters,
            unknown: BTreeSet::new(),
            next: 0,
        }
    }

    /// The next boundary; `None` when the plan is done, the file has ended or every meter has
    /// fallen silent.
    pub fn next_boundary(&mut self) -> Option<Boundary> {
        let index = self.next;
        if self
            .plan
            .intervals
            .is_some_and(|intervals| index > intervals)
        {
            return None;
        }
        let mut observations = Vec::new();
        if index > 0 {
            if self.meters.values().all(|meter| meter.silent) {
                return None;
            }
            let interval = self.plan.interval(index - 1)?;
            let seen = self.read_interval(interval, &mut observations);
            if seen == 0 && observations.is_empty() {
                // Nothing follows, not even nonsense: that is the file's end, not a gap in it.
                return None;
            }
            self.silence_the_missing(index, interval, &mut observations);
        }
        self.next += 1;
        let time = self.plan.boundary(index);
        observations.extend(
            self.meters
                .values()
                .filter(|meter| !meter.silent)
                .map(|meter| {
                    Observation::Reading(Reading {
                        meter: meter.id,
                        time,
                        registers: meter.registers,
                    })
                }),
        );
        Some(Boundary { time, observations })
    }

    /// Adds one interval's energies to the registers; returns how many meters had some.
    fn read_interval(&mut self, current: Timestamp, observations: &mut Vec<Observation>) -> usize {
        let step = SignedDuration::from_secs(i64::from(self.plan.data_seconds));
        let following = current.checked_add(step).unwrap_or(Timestamp::MAX);
        let mut seen = 0;
        loop {
            match self.reader.peek() {
                None => return seen,
                Some(Ok(row)) if row.start == following => return seen,
                Some(_) => {}
            }
            let row = match self.reader.next() {
                None => return seen,
                Some(Err(error)) => {
                    observations.push(Observation::Fault(error.into()));
                    continue;
                }
                Some(Ok(row)) => row,
            };
            let line = row.line;
            match self.take_row(row, current, following) {
                Ok(counted) => seen += usize::from(counted),
                Err(fault) => observations.push(Observation::Fault(Fault::Line(LineError {
                    file: self.file.clone(),
                    line,
                    fault,
                }))),
            }
        }
    }

    /// Whether the row counted; lines before the replay's first interval, and more of an unknown
    /// meter, do not.
    fn take_row(
        &mut self,
        row: Row,
        current: Timestamp,
        following: Timestamp,
    ) -> Result<bool, LineFault> {
        if row.start < self.plan.from {
            return Ok(false);
        }
        if row.start < current {
            return Err(LineFault::OutOfOrder {
                got: row.start,
                current,
            });
        }
        if row.start > current {
            return Err(LineFault::Gap {
                got: row.start,
                current,
                next: following,
            });
        }
        let Some(meter) = self.meters.get_mut(&row.meter) else {
            let first =
                self.unknown.len() < UNKNOWN_METERS_NAMED && self.unknown.insert(row.meter.clone());
            return if first {
                Err(LineFault::UnknownMeter(row.meter))
            } else {
                Ok(false)
            };
        };
        if meter.known == self.next {
            return Err(LineFault::Repeated {
                meter: row.meter,
                interval: row.start,
            });
        }
        meter.registers = meter
            .registers
            .after(row.consumption, row.generation)
            .ok_or(LineFault::Overflow(row.meter))?;
        meter.known = self.next;
        Ok(true)
    }

    fn silence_the_missing(
        &mut self,
        index: u64,
        interval: Timestamp,
        observations: &mut Vec<Observation>,
    ) {
        let last = self.plan.boundary(index - 1);
        for meter in self
            .meters
            .values_mut()
            .filter(|meter| !meter.silent && meter.known != index)
        {
            meter.silent = true;
            observations.push(Observation::Fault(Fault::Silent {
                meter: meter.id,
                interval,
                last,
            }));
        }
    }
}

/// A replay that waits for each boundary on the system's clock.
#[derive(Debug)]
pub struct ReplaySource<R: Read> {
    replay: Replay<R>,
    pending: Option<Boundary>,
}

impl<R: Read> ReplaySource<R> {
    /// Paces a replay.
    pub const fn new(replay: Replay<R>) -> Self {
        Self {
            replay,
            pending: None,
        }
    }
}

impl<R: Read + Send> Source for ReplaySource<R> {
    fn next(&mut self) -> BoxFuture<'_, Option<Vec<Observation>>> {
        Box::pin(async move {
            if self.pending.is_none() {
                self.pending = self.replay.next_boundary();
            }
            wait_until(self.pending.as_ref()?.time).await;
            self.pending.take().map(|boundary| boundary.observations)
        })
    }
}

/// Waits until the system's clock shows `time`. It looks again every second, since that clock may
/// be set.
async fn wait_until(time: u64) {
    let due = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
    while let Ok(left) = due.duration_since(SystemTime::now()) {
        if left.is_zero() {
            break;
        }
        tokio::time::sleep(left.min(Duration::from_secs(1))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WattHours;
    use proptest::prelude::*;

    const HEADER: &str = "interval_start,meter,consumption_wh,generation_wh\n";

    fn id(name: &str) -> MeterId {
        MeterId::from_name(name).expect("valid name")
    }

    fn replay(lines: &str, meters: &[&str], intervals: Option<u64>) -> Vec<Boundary> {
        let text = format!("{HEADER}{lines}");
        let reader = IntervalReader::new("x.csv", text.as_bytes()).expect("header");
        let plan = ReplayPlan {
            from: "2016-06-06T00:15:00Z".parse().expect("time"),
            data_seconds: 900,
            start: 1_000,
            interval_seconds: 5,
            intervals,
        };
        let meters = meters
            .iter()
            .map(|name| ((*name).to_owned(), id(name), Registers::default()));
        let mut replay = Replay::new(reader, plan, meters);
        std::iter::from_fn(|| replay.next_boundary()).collect()
    }

    fn readings(boundaries: &[Boundary], name: &str) -> Vec<(u64, u64, u64)> {
        let all = boundaries
            .iter()
            .flat_map(|boundary| &boundary.observations);
        all.filter_map(|observation| match observation {
            Observation::Reading(reading) if reading.meter == id(name) => Some((
                reading.time,
                reading.registers.import.0,
                reading.registers.export.0,
            )),
            _ => None,
        })
        .collect()
    }

    fn faults(boundaries: &[Boundary]) -> Vec<String> {
        let all = boundaries
            .iter()
            .flat_map(|boundary| &boundary.observations);
        all.filter_map(|observation| match observation {
            Observation::Fault(fault) => Some(fault.to_string()),
            Observation::Reading(_) => None,
        })
        .collect()
    }

    #[test]
    fn registers_accumulate_netted_energies_from_the_chosen_interval_on() {
        let boundaries = replay(
            "2016-06-06T00:00:00Z,A,100,0\n2016-06-06T00:15:00Z,A,9,2\n2016-06-06T00:30:00Z,A,1,5\n",
            &["A"],
            None,
        );
        assert_eq!(
            readings(&boundaries, "A"),
            [(1_000, 0, 0), (1_005, 7, 0), (1_010, 7, 4)]
        );
        assert!(faults(&boundaries).is_empty());
    }

    #[test]
    fn it_stops_after_the_wanted_intervals() {
        let boundaries = replay(
            "2016-06-06T00:15:00Z,A,9,2\n2016-06-06T00:30:00Z,A,1,5\n",
            &["A"],
            Some(1),
        );
        assert_eq!(readings(&boundaries, "A"), [(1_000, 0, 0), (1_005, 7, 0)]);
    }

    #[test]
    fn a_bad_line_silences_its_meter_only_and_is_reported() {
        let boundaries = replay(
            "2016-06-06T00:15:00Z,A,9,0\n2016-06-06T00:15:00Z,B,1,0\n2016-06-06T00:30:00Z,A,-9,0\n\
             2016-06-06T00:30:00Z,B,1,0\n2016-06-06T00:45:00Z,A,9,0\n2016-06-06T00:45:00Z,B,1,0\n",
            &["A", "B"],
            None,
        );
        assert_eq!(readings(&boundaries, "A"), [(1_000, 0, 0), (1_005, 9, 0)]);
        assert_eq!(
            readings(&boundaries, "B"),
            [(1_000, 0, 0), (1_005, 1, 0), (1_010, 2, 0), (1_015, 3, 0)]
        );
        assert_eq!(
            faults(&boundaries),
            [
                "x.csv, line 4: consumption_wh must not be negative, got -9",
                "meter A falls silent after 1005: there is no usable line for the interval from \
                 2016-06-06T00:30:00Z; mend the file and restart to resume there"
            ]
        );
    }

    #[test]
    fn unknown_meters_repeated_lines_and_unordered_times_are_reported_and_skipped() {
        let boundaries = replay(
            "2016-06-06T00:15:00Z,Z,9,0\n2016-06-06T00:15:00Z,A,9,0\n2016-06-06T00:15:00Z,A,8,0\n\
             2016-06-06T00:30:00Z,Z,9,0\n2016-06-06T00:15:00Z,A,3,0\n2016-06-07T00:30:00Z,A,3,0\n\
             2016-06-06T00:30:00Z,A,1,0\n",
            &["A"],
            None,
        );
        assert_eq!(
            readings(&boundaries, "A"),
            [(1_000, 0, 0), (1_005, 9, 0), (1_010, 10, 0)]
        );
        assert_eq!(
            faults(&boundaries),
            [
                "x.csv, line 2: unknown meter \"Z\": it is not in the configuration; its lines are skipped",
                "x.csv, line 4: meter A has a line for 2016-06-06T00:15:00Z already; the first one stands",
                "x.csv, line 6: times must not go back: 2016-06-06T00:15:00Z after 2016-06-06T00:30:00Z",
                "x.csv, line 7: after 2016-06-06T00:30:00Z the next interval starts at \
                 2016-06-06T00:45:00Z, got 2016-06-07T00:30:00Z",
            ]
        );
    }

    #[test]
    fn a_meter_that_the_file_lacks_falls_silent_and_the_rest_go_on() {
        let boundaries = replay("2016-06-06T00:15:00Z,A,9,0\n", &["A", "B"], None);
        assert_eq!(readings(&boundaries, "A"), [(1_000, 0, 0), (1_005, 9, 0)]);
        assert_eq!(readings(&boundaries, "B"), [(1_000, 0, 0)]);
        assert_eq!(faults(&boundaries).len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_the_lines_no_register_goes_back_and_none_is_given_twice(
            lines in proptest::collection::vec((0i64..6, 0usize..3, -2i64..50, 0i64..50), 0..40)
        ) {
            let mut text = String::new();
            for (quarter, meter, c, g) in lines {
                let start: Timestamp = "2016-06-06T00:00:00Z".parse().expect("time");
                let start = start + SignedDuration::from_secs(quarter * 900);
                text += &format!("{start},{},{c},{g}\n", ["A", "B", "Z"][meter]);
            }
            let boundaries = replay(&text, &["A", "B"], None);
            for name in ["A", "B"] {
                let readings = readings(&boundaries, name);
                prop_assert_eq!(readings[0], (1_000, 0, 0));
                for pair in readings.windows(2) {
                    prop_assert_eq!(pair[1].0, pair[0].0 + 5);
                    let at = |(_, import, export)| Registers {
                        import: WattHours(import),
                        export: WattHours(export),
                    };
                    prop_assert!(!at(pair[1]).is_behind(&at(pair[0])));
                }
            }
        }
    }
}
