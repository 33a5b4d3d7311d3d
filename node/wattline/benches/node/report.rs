//! What was measured, as ratios ours to theirs.

use std::{fmt, time::Duration};

use crate::peer::Kind;

/// From being due to be sent to being seen in a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    median: Duration,
    percentile_99: Duration,
}

impl Latency {
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |part: usize| samples.get(samples.len() * part / 100).copied();
        Self {
            median: at(50).unwrap_or_default(),
            percentile_99: at(99).unwrap_or_default(),
        }
    }
}

/// What was measured on one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Transactions per second.
    pub(crate) transfers: f64,
    /// Gas of each.
    pub(crate) transfer_gas: f64,
    /// Transactions per second.
    pub(crate) tokens: f64,
    /// Gas of each.
    pub(crate) token_gas: f64,
    pub(crate) latency: Latency,
    /// Requests per second.
    pub(crate) reads: Vec<(&'static str, f64)>,
    /// MiB.
    pub(crate) memory_at_start: f64,
    /// MiB.
    pub(crate) memory_at_end: f64,
}

/// One line of the table.
struct Row {
    work: String,
    unit: &'static str,
    value: f64,
    goal: Option<f64>,
    /// Whether less is better.
    inverse: bool,
}

impl Figures {
    fn rows(&self) -> Vec<Row> {
        let row = |work: &str, unit, value, goal, inverse| Row {
            work: work.to_owned(),
            unit,
            value,
            goal,
            inverse,
        };
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut rows = vec![
            row("plain transfers", "tx/s", self.transfers, Some(2.0), false),
            row(
                "",
                "Mgas/s",
                self.transfers * self.transfer_gas / 1e6,
                None,
                false,
            ),
            row("ERC-20 transfers", "tx/s", self.tokens, Some(2.0), false),
            row(
                "",
                "Mgas/s",
                self.tokens * self.token_gas / 1e6,
                None,
                false,
            ),
            row(
                "send to inclusion, median",
                "ms",
                ms(self.latency.median),
                Some(1.0),
                true,
            ),
            row(
                "send to inclusion, 99 %",
                "ms",
                ms(self.latency.percentile_99),
                Some(1.0),
                true,
            ),
        ];
        rows.extend(
            self.reads
                .iter()
                .map(|(name, rate)| row(name, "req/s", *rate, Some(1.5), false)),
        );
        rows.push(row(
            "memory at start",
            "MiB",
            self.memory_at_start,
            None,
            true,
        ));
        rows.push(row(
            "memory at the end",
            "MiB",
            self.memory_at_end,
            Some(2.0),
            true,
        ));
        rows
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(Kind, Figures)>);

impl Report {
    pub(crate) fn add(&mut self, kind: Kind, figures: Figures) {
        self.0.push((kind, figures));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:<40}", "work")?;
        for (kind, _) in &self.0 {
            write!(f, " {kind:>12}")?;
        }
        writeln!(f, " {:<6} {:>7} {:>5}", "unit", "ratio", "goal")?;
        let columns: Vec<Vec<Row>> = self.0.iter().map(|(_, figures)| figures.rows()).collect();
        let Some(first) = columns.first() else {
            return Ok(());
        };
        for (index, row) in first.iter().enumerate() {
            // Not measured.
            if columns.iter().all(|column| column[index].value == 0.0) {
                continue;
            }
            write!(f, "{:<40}", row.work)?;
            for column in &columns {
                write!(f, " {:>12.1}", column[index].value)?;
            }
            write!(f, " {:<6}", row.unit)?;
            if let [ours, theirs] = &columns[..] {
                let (ours, theirs) = (ours[index].value, theirs[index].value);
                let ratio = if row.inverse {
                    theirs / ours
                } else {
                    ours / theirs
                };
                write!(f, " {ratio:>7.2}")?;
                if let Some(goal) = row.goal {
                    let reached = if ratio >= goal {
                        "reached"
                    } else {
                        "not reached"
                    };
                    write!(f, " {goal:>5.1} {reached}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
