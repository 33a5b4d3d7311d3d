//! What the server counts, described for who reads it.

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const REQUESTS: &str = "wattline_rpc_requests_total";
pub(crate) const DURATION: &str = "wattline_rpc_request_duration_seconds";
pub(crate) const ERRORS: &str = "wattline_rpc_errors_total";
pub(crate) const CONNECTIONS: &str = "wattline_rpc_connections";
pub(crate) const REFUSED: &str = "wattline_rpc_connections_refused_total";
pub(crate) const SLOW_CLIENTS: &str = "wattline_rpc_slow_clients_total";
pub(crate) const SUBSCRIPTIONS_ENDED: &str = "wattline_rpc_subscriptions_ended_total";

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
