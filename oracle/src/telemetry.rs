//! What operators watch: metrics and health.

use crate::{Fault, OutboxStats};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};
use tracing::warn;
use wattline_daemon::Health;

/// How many faults are logged one by one; the rest are only counted.
const FAULTS_LOGGED: u64 = 200;

/// How the readings fare, as `/health` answers it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadingHealth {
    status: &'static str,
    chain_reachable: bool,
    waiting: u64,
    in_flight: u64,
    oldest_waiting_seconds: u64,
    confirmed: u64,
    rejected: u64,
    faults: u64,
    silent_meters: BTreeSet<String>,
}

/// Counts what happens and answers for it.
#[derive(Debug)]
pub(crate) struct Telemetry {
    health: Mutex<ReadingHealth>,
    /// The age from which the oldest waiting reading is a matter of concern, in seconds.
    max_age: u64,
}

impl Telemetry {
    pub(crate) fn new(max_age: u64) -> Self {
        describe_counter!(
            "meterd_readings_taken_total",
            "Readings taken from the source into the outbox"
        );
        describe_gauge!(
            "meterd_readings_waiting",
            "Readings that are not on the chain for good"
        );
        describe_gauge!(
            "meterd_readings_in_flight",
            "Readings in transactions under way"
        );
        describe_gauge!(
            "meterd_oldest_waiting_seconds",
            "Age of the oldest waiting reading"
        );
        describe_counter!(
            "meterd_readings_confirmed_total",
            "Readings on the chain for good"
        );
        describe_counter!(
            "meterd_readings_rejected_total",
            "Readings that the chain rejected, by reason"
        );
        describe_counter!(
            "meterd_faults_total",
            "What the source said that is not a reading, by kind"
        );
        describe_gauge!("meterd_meters_silent", "Meters without a known register");
        describe_counter!(
            "meterd_transactions_sent_total",
            "Transactions sent, repetitions counted"
        );
        describe_counter!(
            "meterd_transactions_reverted_total",
            "Transactions that failed as a whole"
        );
        describe_gauge!(
            "meterd_chain_ahead_seconds",
            "How far the chain is ahead of this machine's clock"
        );
        describe_gauge!(
            "meterd_chain_reachable",
            "1 if the node answered when it was last asked"
        );
        describe_counter!(
            "meterd_chain_unreachable_total",
            "Tries at the chain that failed because the node was out of reach"
        );
        Self {
            health: Mutex::default(),
            max_age,
        }
    }

    fn update(&self, change: impl FnOnce(&mut ReadingHealth)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn taken(&self, count: usize) {
        counter!("meterd_readings_taken_total").increment(count as u64);
    }

    pub(crate) fn outbox(&self, stats: OutboxStats, now: u64) {
        let age = stats.oldest.map_or(0, |oldest| now.saturating_sub(oldest));
        gauge!("meterd_readings_waiting").set(stats.waiting as f64);
        gauge!("meterd_readings_in_flight").set(stats.in_flight as f64);
        gauge!("meterd_oldest_waiting_seconds").set(age as f64);
        self.update(|health| {
            health.waiting = stats.waiting;
            health.in_flight = stats.in_flight;
            health.oldest_waiting_seconds = age;
        });
    }

    pub(crate) fn confirmed(&self, count: usize) {
        counter!("meterd_readings_confirmed_total").increment(count as u64);
        self.update(|health| health.confirmed += count as u64);
    }

    pub(crate) fn rejected(&self, reason: &'static str) {
        counter!("meterd_readings_rejected_total", "reason" => reason).increment(1);
        self.update(|health| health.rejected += 1);
    }

    pub(crate) fn chain_ahead(&self, seconds: u64) {
        gauge!("meterd_chain_ahead_seconds").set(seconds as f64);
    }

    pub(crate) fn sent(&self) {
        counter!("meterd_transactions_sent_total").increment(1);
    }

    pub(crate) fn reverted(&self) {
        counter!("meterd_transactions_reverted_total").increment(1);
    }

    pub(crate) fn reachable(&self, reachable: bool) {
        gauge!("meterd_chain_reachable").set(if reachable { 1.0 } else { 0.0 });
        counter!("meterd_chain_unreachable_total").increment(u64::from(!reachable));
        self.update(|health| health.chain_reachable = reachable);
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        counter!("meterd_faults_total", "kind" => fault.kind()).increment(1);
        let mut faults = 0;
        self.update(|health| {
            health.faults += 1;
            faults = health.faults;
            if let Fault::Silent { meter, .. } = fault {
                health.silent_meters.insert(meter.to_string());
                gauge!("meterd_meters_silent").set(health.silent_meters.len() as f64);
            }
        });
        match faults {
            ..=FAULTS_LOGGED => warn!("{fault}"),
            faults if faults.is_power_of_two() => {
                warn!(faults, "more of the source is unusable; latest: {fault}");
            }
            _ => {}
        }
    }

    /// The health at this time.
    pub(crate) fn health(&self) -> Health<ReadingHealth> {
        let mut details = self
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let healthy = details.chain_reachable && details.oldest_waiting_seconds <= self.max_age;
        details.status = match (healthy, details.silent_meters.is_empty()) {
            (true, true) => "ok",
            (true, false) => "degraded",
            (false, _) => "failing",
        };
        Health { healthy, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MeterId;

    #[test]
    fn health_follows_the_chain_and_the_age_of_what_waits() {
        let telemetry = Telemetry::new(60);
        assert_eq!(
            (
                telemetry.health().healthy,
                telemetry.health().details.status
            ),
            (false, "failing")
        );
        telemetry.reachable(true);
        assert_eq!(
            (
                telemetry.health().healthy,
                telemetry.health().details.status
            ),
            (true, "ok")
        );
        telemetry.outbox(
            OutboxStats {
                waiting: 1,
                in_flight: 0,
                oldest: Some(100),
            },
            161,
        );
        assert_eq!(telemetry.health().details.oldest_waiting_seconds, 61);
        assert!(!telemetry.health().healthy);
        telemetry.outbox(OutboxStats::default(), 161);
        let meter = MeterId::from_name("M001").expect("name");
        telemetry.fault(&Fault::Silent {
            meter,
            interval: jiff::Timestamp::UNIX_EPOCH,
            last: 0,
        });
        assert_eq!(
            (
                telemetry.health().healthy,
                telemetry.health().details.status
            ),
            (true, "degraded")
        );
        assert!(telemetry.health().details.silent_meters.contains("M001"));
    }
}
