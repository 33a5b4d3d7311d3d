//! What is told of each delivery interval, and of all.

use alloy::primitives::U256;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One delivery interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntervalReport {
    /// The product: zone and start on the chain, `zone << 64 | start`.
    pub product: U256,
    /// The start of the interval in the data.
    pub start: Timestamp,
    /// Orders in the book.
    pub orders: u64,
    /// Of them, bids.
    pub bids: u64,
    /// Of them, asks.
    pub asks: u64,
    /// The clearing price in ticks of 10⁻⁵ currency/kWh; zero when nothing traded.
    pub price_ticks: i32,
    /// The energy that changed hands in the auction, in Wh.
    pub volume_wh: u64,
    /// How many meters were read at the interval's end.
    pub readings: u64,
    /// The energy that the meters imported in the interval, in Wh; only meters read at both ends
    /// count.
    pub import_wh: u64,
    /// The energy that they exported, in Wh.
    pub export_wh: u64,
    /// Whether delivery is settled for every household.
    pub settled: bool,
    /// The sum over households of how far metered energy was from contracted energy, in Wh.
    #[serde(skip)]
    pub imbalance_wh: u64,
}

impl IntervalReport {
    /// The share of the village's demand that its own surplus met, in thousandths; `None` without
    /// demand.
    pub fn met_locally(&self) -> Option<u64> {
        (self.import_wh > 0).then(|| {
            self.export_wh.min(self.import_wh).saturating_mul(1_000) / self.import_wh.max(1)
        })
    }
}

/// Sums over all intervals of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// The energy that changed hands in auctions, in Wh.
    pub volume_wh: u64,
    /// The energy that the meters imported, in Wh.
    pub import_wh: u64,
    /// The energy that they exported, in Wh.
    pub export_wh: u64,
    /// The number of intervals in which energy changed hands.
    pub traded: u64,
    /// The sum over households and intervals of how far metered energy was from contracted energy,
    /// in Wh.
    pub imbalance_wh: u64,
}

/// The report of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    intervals: Vec<IntervalReport>,
    totals: Totals,
}

impl Report {
    /// Adds an interval, or replaces what was told of it before.
    pub fn add(&mut self, interval: IntervalReport) {
        match self
            .intervals
            .iter_mut()
            .find(|earlier| earlier.product == interval.product)
        {
            Some(earlier) => *earlier = interval,
            None => {
                self.intervals.push(interval);
                self.intervals.sort_by_key(|interval| interval.product);
            }
        }
        self.totals = Totals::default();
        for interval in &self.intervals {
            self.totals.volume_wh += interval.volume_wh;
            self.totals.import_wh += interval.import_wh;
            self.totals.export_wh += interval.export_wh;
            self.totals.traded += u64::from(interval.volume_wh > 0);
            self.totals.imbalance_wh += interval.imbalance_wh;
        }
    }

    /// The intervals, in their order.
    pub fn intervals(&self) -> &[IntervalReport] {
        &self.intervals
    }

    /// The sums.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The report as JSON.
    ///
    /// # Errors
    ///
    /// None does: everything in it can be written.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: u64, volume_wh: u64, settled: bool) -> IntervalReport {
        IntervalReport {
            product: (U256::from(1) << 64) | U256::from(start),
            start: Timestamp::UNIX_EPOCH,
            volume_wh,
            import_wh: 1_000,
            export_wh: 621,
            imbalance_wh: 7,
            settled,
            ..IntervalReport::default()
        }
    }

    #[test]
    fn the_json_has_the_agreed_names() {
        let mut report = Report::default();
        report.add(interval(15, 5, true));
        let json: serde_json::Value =
            serde_json::from_str(&report.to_json().expect("writes")).expect("reads");
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().expect("object").keys().cloned().collect()
        };
        let mut first = names(&json["intervals"][0]);
        first.sort();
        assert_eq!(
            first,
            [
                "asks",
                "bids",
                "exportWh",
                "importWh",
                "orders",
                "priceTicks",
                "product",
                "readings",
                "settled",
                "start",
                "volumeWh"
            ]
        );
        let mut totals = names(&json["totals"]);
        totals.sort();
        assert_eq!(
            totals,
            ["exportWh", "imbalanceWh", "importWh", "traded", "volumeWh"]
        );
        assert_eq!(json["intervals"][0]["product"], "0x1000000000000000f");
        assert_eq!(json["intervals"][0]["start"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_later_word_on_an_interval_replaces_the_earlier_one() {
        let mut report = Report::default();
        report.add(interval(30, 0, false));
        report.add(interval(15, 5, true));
        report.add(interval(30, 9, true));
        assert_eq!(
            report
                .intervals()
                .iter()
                .map(|i| i.volume_wh)
                .collect::<Vec<_>>(),
            [5, 9]
        );
        let totals = Totals {
            volume_wh: 14,
            import_wh: 2_000,
            export_wh: 1_242,
            traded: 2,
            imbalance_wh: 14,
        };
        assert_eq!(*report.totals(), totals);
        assert_eq!(report.intervals()[0].met_locally(), Some(621));
    }
}
