//! What the server counts, described for who reads it.

use std::{
    collections::HashMap,
    iter,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use ::metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    histogram,
};

use crate::methods;

const REQUESTS: &str = "wattline_rpc_requests_total";
const DURATION: &str = "wattline_rpc_request_duration_seconds";
pub(crate) const ERRORS: &str = "wattline_rpc_errors_total";
pub(crate) const CONNECTIONS: &str = "wattline_rpc_connections";
pub(crate) const REFUSED: &str = "wattline_rpc_connections_refused_total";
pub(crate) const SLOW_CLIENTS: &str = "wattline_rpc_slow_clients_total";
pub(crate) const SUBSCRIPTIONS_ENDED: &str = "wattline_rpc_subscriptions_ended_total";

/// The label of methods that do not exist.
pub(crate) const UNKNOWN_METHOD: &str = "unknown";

/// Number and duration of the calls of each method, from its first call on. They are kept: to
/// find them in the recorder takes a noticeable part of a small request.
static METHODS: LazyLock<HashMap<&'static str, OnceLock<(Counter, Histogram)>>> =
    LazyLock::new(|| {
        let names = methods::all().map(|method| method.name.as_str());
        names
            .chain(iter::once(UNKNOWN_METHOD))
            .map(|name| (name, OnceLock::new()))
            .collect()
    });

/// Counts a call of a method, which is described or [`UNKNOWN_METHOD`].
pub(crate) fn answered(method: &'static str, took: Duration) {
    let Some(counted) = METHODS.get(method) else {
        return;
    };
    let (requests, duration) = counted.get_or_init(|| {
        let requests = counter!(REQUESTS, "method" => method);
        (requests, histogram!(DURATION, "method" => method))
    });
    requests.increment(1);
    duration.record(took.as_secs_f64());
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
