//! What the server counts, described for who reads it.

use std::{sync::OnceLock, time::Duration};

use ::metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

const REQUESTS: &str = "wattline_rpc_requests_total";
const DURATION: &str = "wattline_rpc_request_duration_seconds";
const ERRORS: &str = "wattline_rpc_errors_total";
const CONNECTIONS: &str = "wattline_rpc_connections";
const REFUSED: &str = "wattline_rpc_connections_refused_total";
const SLOW_CLIENTS: &str = "wattline_rpc_slow_clients_total";
const SUBSCRIPTIONS_ENDED: &str = "wattline_rpc_subscriptions_ended_total";

/// The label of methods that do not exist.
const UNKNOWN_METHOD: &str = "unknown";

/// Number and duration of the calls of a method, from its first call on. They are kept: to find
/// them in the recorder takes a noticeable part of a small request.
#[derive(Debug)]
pub(crate) struct MethodMetrics {
    method: &'static str,
    calls: OnceLock<(Counter, Histogram)>,
}

impl MethodMetrics {
    pub(crate) const fn new(method: &'static str) -> Self {
        Self {
            method,
            calls: OnceLock::new(),
        }
    }

    /// Counts a call, and the error if it was answered with one.
    pub(crate) fn record(&self, took: Duration, error: Option<i32>) {
        let method = self.method;
        let (requests, duration) = self.calls.get_or_init(|| {
            let requests = counter!(REQUESTS, "method" => method);
            (requests, histogram!(DURATION, "method" => method))
        });
        requests.increment(1);
        duration.record(took.as_secs_f64());
        if let Some(code) = error {
            counter!(ERRORS, "method" => method, "code" => code.to_string()).increment(1);
        }
    }
}

impl Default for MethodMetrics {
    /// Those of methods that do not exist.
    fn default() -> Self {
        Self::new(UNKNOWN_METHOD)
    }
}

/// Open connections of all clients.
pub(crate) fn connections() -> ::metrics::Gauge {
    gauge!(CONNECTIONS)
}

/// Counts a connection that was refused because too many were open.
pub(crate) fn connection_refused() {
    counter!(REFUSED).increment(1);
}

/// Counts a connection that was closed because the client did not read.
pub(crate) fn slow_client() {
    counter!(SLOW_CLIENTS).increment(1);
}

/// Counts a subscription that ended.
pub fn subscription_ended(reason: &'static str) {
    counter!(SUBSCRIPTIONS_ENDED, "reason" => reason).increment(1);
}

/// Tells the recorder what each metric is.
pub(crate) fn describe() {
    describe_counter!(
        REQUESTS,
        "Calls by method; calls of unknown methods as unknown."
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from a call to its answer, by method."
    );
    describe_counter!(
        ERRORS,
        "Calls answered with an error, by method and error code."
    );
    describe_gauge!(
        CONNECTIONS,
        "Open connections of HTTP, WebSocket and IPC clients."
    );
    describe_counter!(REFUSED, "Connections refused because too many were open.");
    describe_counter!(
        SLOW_CLIENTS,
        "Connections closed because the client did not read."
    );
    describe_counter!(SUBSCRIPTIONS_ENDED, "Ended subscriptions, by reason.");
}
