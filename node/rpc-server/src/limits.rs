//! How much of the server one client, and all of them together, may take.

use std::time::Duration;

use clap::Args;

use crate::options;

/// Limits of the server. The options of the command line are made from it.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[command(next_help_heading = "JSON-RPC limits")]
pub struct ServerLimits {
    /// Open connections of one listener; more get HTTP 503
    #[arg(
        long = "rpc.max-connections",
        value_name = "N",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_connections: u32,

    /// Subscriptions of one connection
    #[arg(
        long = "rpc.max-subscriptions",
        value_name = "N",
        default_value_t = 128
    )]
    pub max_subscriptions_per_connection: u32,

    /// Requests of one connection that are worked on at the same time
    #[arg(
        long = "rpc.max-requests-in-flight",
        value_name = "N",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_requests_in_flight: u32,

    /// Size of one request or batch
    #[arg(
        long = "rpc.max-request-size",
        value_name = "SIZE",
        default_value = "5MiB",
        value_parser = options::size::<u32>
    )]
    pub max_request_bytes: u32,

    /// Size of one answer, or of the answer to one batch
    #[arg(
        long = "rpc.max-response-size",
        value_name = "SIZE",
        default_value = "64MiB",
        value_parser = options::size::<u32>
    )]
    pub max_response_bytes: u32,

    /// Requests in one batch
    #[arg(
        long = "rpc.max-batch",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_batch: u32,

    /// Answers and notifications that wait for a client that reads slowly
    #[arg(
        long = "rpc.subscription-buffer",
        value_name = "N",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub subscription_buffer: u32,

    /// How long a client may leave unread what was sent to it; then it is disconnected
    #[arg(
        long = "rpc.write-timeout",
        value_name = "TIME",
        default_value = "20s",
        value_parser = options::time
    )]
    pub write_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        options::defaults()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_changes_its_limit() {
        let limits = options::parse([
            "--rpc.max-connections=1",
            "--rpc.max-subscriptions=2",
            "--rpc.max-requests-in-flight=3",
            "--rpc.max-request-size=4KiB",
            "--rpc.max-response-size=5MiB",
            "--rpc.max-batch=6",
            "--rpc.subscription-buffer=7",
            "--rpc.write-timeout=8s",
        ]);
        let expected = ServerLimits {
            max_connections: 1,
            max_subscriptions_per_connection: 2,
            max_requests_in_flight: 3,
            max_request_bytes: 4096,
            max_response_bytes: 5 << 20,
            max_batch: 6,
            subscription_buffer: 7,
            write_timeout: Duration::from_secs(8),
        };
        assert_eq!(limits.ok(), Some(expected));
    }

    #[test]
    fn without_options_the_defaults_hold() {
        let expected = ServerLimits {
            max_connections: 500,
            max_subscriptions_per_connection: 128,
            max_requests_in_flight: 256,
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_batch: 1000,
            subscription_buffer: 1024,
            write_timeout: Duration::from_secs(20),
        };
        assert_eq!(ServerLimits::default(), expected);
    }

    #[test]
    fn what_is_no_limit_is_answered_with_what_is() {
        for (arg, expected) in [
            ("--rpc.max-connections=0", "0 is not in 1.."),
            ("--rpc.max-request-size=5MB", "expected bytes such as 5MiB"),
            ("--rpc.max-request-size=4GiB", "less than 4GiB"),
            ("--rpc.write-timeout=5", "such as 20s or 500ms"),
            ("--rpc.write-timeout=0s", "such as 20s or 500ms"),
            ("--rpc.write-timeout=1year", "at most 7 days"),
        ] {
            let parsed = options::parse::<ServerLimits>([arg]);
            let error = parsed.expect_err(arg).to_string();
            assert!(error.contains(expected), "{arg}: {error}");
        }
    }
}
