//! What operators watch: metrics and health.

use crate::{Fault, OutboxStats};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How many faults are logged one by one; the rest are only counted.
const FAULTS_LOGGED: u64 = 200;

/// A moment's health, as `/health` answers it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
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
    health: Mutex<Health>,
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
        Self {
            health: Mutex::default(),
            max_age,
        }
    }

    fn with(&self, change: impl FnOnce(&mut Health)) {
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
        self.with(|health| {
            health.waiting = stats.waiting;
            health.in_flight = stats.in_flight;
            health.oldest_waiting_seconds = age;
        });
    }

    pub(crate) fn confirmed(&self, count: usize) {
        counter!("meterd_readings_confirmed_total").increment(count as u64);
        self.with(|health| health.confirmed += count as u64);
    }

    pub(crate) fn rejected(&self, reason: &'static str) {
        counter!("meterd_readings_rejected_total", "reason" => reason).increment(1);
        self.with(|health| health.rejected += 1);
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
        self.with(|health| health.chain_reachable = reachable);
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        counter!("meterd_faults_total", "kind" => fault.kind()).increment(1);
        let mut faults = 0;
        self.with(|health| {
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

    /// The moment's health, and whether all is well.
    fn health(&self) -> (bool, Health) {
        let mut health = self
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let well = health.chain_reachable && health.oldest_waiting_seconds <= self.max_age;
        health.status = match (well, health.silent_meters.is_empty()) {
            (true, true) => "ok",
            (true, false) => "degraded",
            (false, _) => "failing",
        };
        (well, health)
    }
}

/// A listening address that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen on {address} for metrics: {error}; choose another `listen` address")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// Somebody else in this process records metrics.
    #[error("this process records metrics already; leave `listen` out")]
    Recorder,
    /// The server failed.
    #[error("the metrics server failed: {0}")]
    Serve(std::io::Error),
}

#[derive(Clone)]
struct Shown {
    telemetry: Arc<Telemetry>,
    metrics: PrometheusHandle,
}

/// Starts recording metrics.
pub(crate) fn record() -> Result<PrometheusHandle, ServeError> {
    PrometheusBuilder::new()
        .install_recorder()
        .map_err(|_| ServeError::Recorder)
}

/// Serves `/metrics` and `/health` until `shutdown`.
pub(crate) async fn serve(
    address: SocketAddr,
    metrics: PrometheusHandle,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Bind { address, error })?;
    let router = Router::new()
        .route(
            "/metrics",
            get(async |State(shown): State<Shown>| shown.metrics.render()),
        )
        .route(
            "/health",
            get(async |State(shown): State<Shown>| {
                let (well, health) = shown.telemetry.health();
                (
                    if well {
                        StatusCode::OK
                    } else {
                        StatusCode::SERVICE_UNAVAILABLE
                    },
                    Json(health),
                )
            }),
        )
        .with_state(Shown { telemetry, metrics });
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(ServeError::Serve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MeterId;

    #[test]
    fn health_follows_the_chain_and_the_age_of_what_waits() {
        let telemetry = Telemetry::new(60);
        assert_eq!(
            (telemetry.health().0, telemetry.health().1.status),
            (false, "failing")
        );
        telemetry.reachable(true);
        assert_eq!(
            (telemetry.health().0, telemetry.health().1.status),
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
        assert_eq!(telemetry.health().1.oldest_waiting_seconds, 61);
        assert!(!telemetry.health().0);
        telemetry.outbox(OutboxStats::default(), 161);
        let meter = MeterId::from_name("M001").expect("name");
        telemetry.fault(&Fault::Silent {
            meter,
            interval: jiff::Timestamp::UNIX_EPOCH,
            last: 0,
        });
        assert_eq!(
            (telemetry.health().0, telemetry.health().1.status),
            (true, "degraded")
        );
        assert!(telemetry.health().1.silent_meters.contains("M001"));
    }
}
