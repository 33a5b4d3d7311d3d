//! How much of the node its RPC clients may take.

use std::{fmt, str::FromStr, time::Duration};

use clap::Args;
use wattline_rpc::RpcLimits;

/// Limits of JSON-RPC, each with an error of its own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "JSON-RPC limits")]
pub(crate) struct LimitArgs {
    /// Open connections of one listener; more get HTTP 503
    #[arg(
        long = "rpc.max-connections",
        value_name = "N",
        default_value_t = defaults().max_connections,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_connections: u32,

    /// Subscriptions of one connection
    #[arg(
        long = "rpc.max-subscriptions",
        value_name = "N",
        default_value_t = defaults().max_subscriptions_per_connection
    )]
    max_subscriptions: u32,

    /// Requests of one connection that are worked on at the same time
    #[arg(
        long = "rpc.max-requests-in-flight",
        value_name = "N",
        default_value_t = defaults().max_requests_in_flight,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_requests_in_flight: u32,

    /// Size of one request or batch
    #[arg(
        long = "rpc.max-request-size",
        value_name = "SIZE",
        default_value_t = Size(defaults().max_request_bytes)
    )]
    max_request_size: Size,

    /// Size of one answer, or of the answer to one batch
    #[arg(
        long = "rpc.max-response-size",
        value_name = "SIZE",
        default_value_t = Size(defaults().max_response_bytes)
    )]
    max_response_size: Size,

    /// Requests in one batch
    #[arg(
        long = "rpc.max-batch",
        value_name = "N",
        default_value_t = defaults().max_batch,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_batch: u32,

    /// Answers and notifications that wait for a client that reads slowly
    #[arg(
        long = "rpc.subscription-buffer",
        value_name = "N",
        default_value_t = defaults().subscription_buffer,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    subscription_buffer: u32,

    /// How long a client may leave unread what was sent to it; then it is disconnected
    #[arg(
        long = "rpc.write-timeout",
        value_name = "TIME",
        default_value_t = Time(defaults().write_timeout)
    )]
    write_timeout: Time,

    /// Memory for decoded blocks that are kept for readers
    #[arg(
        long = "rpc.block-cache-size",
        value_name = "SIZE",
        default_value_t = Size(defaults().block_cache_bytes as u32)
    )]
    block_cache_size: Size,

    /// Requests that read the database at the same time; more wait
    #[arg(
        long = "rpc.concurrent-reads",
        value_name = "N",
        default_value_t = defaults().concurrent_reads as u32,
        value_parser = clap::value_parser!(u32).range(1..=4096)
    )]
    concurrent_reads: u32,

    /// Calls, estimates and log searches at the same time; more wait
    #[arg(
        long = "rpc.concurrent-calls",
        value_name = "N",
        default_value_t = defaults().concurrent_calls as u32,
        value_parser = clap::value_parser!(u32).range(1..=4096)
    )]
    concurrent_calls: u32,

    /// Gas of one eth_call, or of one run of eth_estimateGas
    #[arg(
        long = "rpc.call-gas",
        visible_alias = "rpc.gascap",
        value_name = "GAS",
        default_value_t = defaults().call_gas,
        value_parser = clap::value_parser!(u64).range(21_000..)
    )]
    call_gas: u64,

    /// Time of one eth_call, eth_estimateGas or eth_getLogs, and how long it may wait for its turn
    #[arg(
        long = "rpc.call-timeout",
        visible_alias = "rpc.evmtimeout",
        value_name = "TIME",
        default_value_t = Time(defaults().call_timeout)
    )]
    call_timeout: Time,

    /// Calls in one eth_callMany or eth_simulateV1
    #[arg(
        long = "rpc.simulated-calls",
        value_name = "N",
        default_value_t = defaults().simulated_calls as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    simulated_calls: u32,

    /// How long eth_sendRawTransactionSync waits unless the client says otherwise
    #[arg(
        long = "rpc.inclusion-wait",
        value_name = "TIME",
        default_value_t = Time(defaults().inclusion_wait)
    )]
    inclusion_wait: Time,

    /// The longest wait that a client of eth_sendRawTransactionSync may ask for
    #[arg(
        long = "rpc.max-inclusion-wait",
        value_name = "TIME",
        default_value_t = Time(defaults().max_inclusion_wait)
    )]
    max_inclusion_wait: Time,

    /// Traces at the same time; more wait
    #[arg(
        long = "rpc.concurrent-traces",
        value_name = "N",
        default_value_t = defaults().concurrent_traces as u32,
        value_parser = clap::value_parser!(u32).range(1..=4096)
    )]
    concurrent_traces: u32,

    /// Time of one request of the debug or trace namespace, and how long it may wait for its turn
    #[arg(
        long = "rpc.trace-timeout",
        value_name = "TIME",
        default_value_t = Time(defaults().trace_timeout)
    )]
    trace_timeout: Time,

    /// Memory that the trace of one transaction may take, and size of one answer with traces
    #[arg(
        long = "rpc.trace-size",
        value_name = "SIZE",
        default_value_t = Size(defaults().trace_bytes as u32)
    )]
    trace_size: Size,

    /// Calls within one transaction that a trace may list
    #[arg(
        long = "rpc.trace-calls",
        value_name = "N",
        default_value_t = defaults().trace_calls as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    trace_calls: u32,

    /// Blocks that one trace_filter may span
    #[arg(
        long = "rpc.trace-blocks",
        value_name = "N",
        default_value_t = defaults().trace_blocks,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    trace_blocks: u64,

    /// Calls in one debug_traceCallMany or trace_callMany
    #[arg(
        long = "rpc.trace-requests",
        value_name = "N",
        default_value_t = defaults().trace_requests as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    trace_requests: u32,

    /// Slots in one answer of debug_storageRangeAt
    #[arg(
        long = "rpc.storage-range",
        value_name = "N",
        default_value_t = defaults().storage_range as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    storage_range: u32,

    /// Blocks that one eth_getLogs may span
    #[arg(
        long = "rpc.log-blocks",
        value_name = "N",
        default_value_t = defaults().log_blocks,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    log_blocks: u64,

    /// Logs in one answer
    #[arg(
        long = "rpc.log-results",
        value_name = "N",
        default_value_t = defaults().log_results as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    log_results: u32,

    /// Addresses, or topics at one position, in one log filter
    #[arg(
        long = "rpc.log-alternatives",
        value_name = "N",
        default_value_t = defaults().log_alternatives as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    log_alternatives: u32,

    /// Filters that clients poll, of all of them together; one with many addresses and topics
    /// counts as several
    #[arg(
        long = "rpc.max-filters",
        value_name = "N",
        default_value_t = defaults().max_filters as u32
    )]
    max_filters: u32,

    /// How long a filter lives that nobody polls
    #[arg(
        long = "rpc.filter-lifetime",
        value_name = "TIME",
        default_value_t = Time(defaults().filter_lifetime)
    )]
    filter_lifetime: Time,

    /// Transactions that a filter may be behind before it misses the oldest
    #[arg(
        long = "rpc.filter-arrivals",
        value_name = "N",
        default_value_t = defaults().filter_arrivals as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    filter_arrivals: u32,

    /// Slots of one eth_getProof
    #[arg(
        long = "rpc.proof-slots",
        value_name = "N",
        default_value_t = defaults().proof_slots as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    proof_slots: u32,

    /// Changes of accounts and slots that one eth_getProof may undo to get to a past state
    #[arg(
        long = "rpc.proof-changes",
        value_name = "N",
        default_value_t = defaults().proof_changes as u32
    )]
    proof_changes: u32,

    /// Blocks in one answer of eth_feeHistory; requests for more are cut to that
    #[arg(
        long = "rpc.fee-history-blocks",
        value_name = "N",
        default_value_t = defaults().fee_history_blocks,
        value_parser = clap::value_parser!(u64).range(1..=65_536)
    )]
    fee_history_blocks: u64,
}

fn defaults() -> RpcLimits {
    RpcLimits::default()
}

impl LimitArgs {
    /// The limits.
    pub(crate) fn limits(&self) -> RpcLimits {
        RpcLimits {
            max_connections: self.max_connections,
            max_subscriptions_per_connection: self.max_subscriptions,
            max_requests_in_flight: self.max_requests_in_flight,
            max_request_bytes: self.max_request_size.0,
            max_response_bytes: self.max_response_size.0,
            max_batch: self.max_batch,
            subscription_buffer: self.subscription_buffer,
            write_timeout: self.write_timeout.0,
            block_cache_bytes: self.block_cache_size.0.into(),
            concurrent_reads: self.concurrent_reads as usize,
            concurrent_calls: self.concurrent_calls as usize,
            call_gas: self.call_gas,
            call_timeout: self.call_timeout.0,
            simulated_calls: self.simulated_calls as usize,
            inclusion_wait: self.inclusion_wait.0,
            max_inclusion_wait: self.max_inclusion_wait.0,
            concurrent_traces: self.concurrent_traces as usize,
            trace_timeout: self.trace_timeout.0,
            trace_bytes: self.trace_size.0 as usize,
            trace_calls: self.trace_calls as usize,
            trace_blocks: self.trace_blocks,
            trace_requests: self.trace_requests as usize,
            storage_range: self.storage_range as usize,
            log_blocks: self.log_blocks,
            log_results: self.log_results as usize,
            log_alternatives: self.log_alternatives as usize,
            max_filters: self.max_filters as usize,
            filter_lifetime: self.filter_lifetime.0,
            filter_arrivals: self.filter_arrivals as usize,
            proof_slots: self.proof_slots as usize,
            proof_changes: self.proof_changes as usize,
            fee_history_blocks: self.fee_history_blocks,
        }
    }
}

/// Bytes, with an optional unit: `5MiB`, `512KiB`, `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(u32);

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = UNITS.iter().find_map(|(unit, shift)| {
            let number: u32 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(1 << shift).map(Self)
        });
        parsed
            .filter(|size| size.0 > 0)
            .ok_or_else(|| "expected bytes such as 5MiB, 512KiB or 1000, less than 4GiB".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, shift)| self.0.trailing_zeros() >= *shift);
        let (unit, shift) = unit.unwrap_or(&("", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

/// A time with a unit: `20s`, `500ms`, `1m 30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time(Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text)
            .ok()
            // The longest is more than anybody waits for, and far from what clocks can add.
            .filter(|time| !time.is_zero() && *time <= Duration::from_secs(7 * 24 * 3600))
            .map(Self)
            .ok_or_else(|| "expected a time of at most 7 days, such as 20s or 500ms".to_owned())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn parse(args: &[&str]) -> Result<RpcLimits, String> {
        let args = [&["wattline"], args].concat();
        Command::try_parse_from(args)
            .map(|command| command.limits.limits())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_the_defaults_hold() {
        assert_eq!(parse(&[]), Ok(RpcLimits::default()));
    }

    #[test]
    fn each_option_changes_its_limit() {
        let limits = parse(&[
            "--rpc.max-connections=1",
            "--rpc.max-subscriptions=2",
            "--rpc.max-requests-in-flight=3",
            "--rpc.max-request-size=4KiB",
            "--rpc.max-response-size=5MiB",
            "--rpc.max-batch=6",
            "--rpc.subscription-buffer=7",
            "--rpc.write-timeout=8s",
            "--rpc.concurrent-reads=9",
            "--rpc.concurrent-calls=10",
            "--rpc.gascap=30000",
            "--rpc.evmtimeout=12ms",
            "--rpc.trace-timeout=13m",
            "--rpc.concurrent-traces=18",
            "--rpc.trace-size=19KiB",
            "--rpc.trace-calls=20",
            "--rpc.trace-blocks=21",
            "--rpc.trace-requests=22",
            "--rpc.storage-range=23",
            "--rpc.max-filters=24",
            "--rpc.filter-lifetime=25s",
            "--rpc.filter-arrivals=26",
            "--rpc.proof-slots=27",
            "--rpc.proof-changes=28",
            "--rpc.block-cache-size=29MiB",
            "--rpc.simulated-calls=30",
            "--rpc.inclusion-wait=31s",
            "--rpc.max-inclusion-wait=32s",
            "--rpc.log-blocks=14",
            "--rpc.log-results=15",
            "--rpc.log-alternatives=16",
            "--rpc.fee-history-blocks=17",
        ]);
        let expected = RpcLimits {
            max_connections: 1,
            max_subscriptions_per_connection: 2,
            max_requests_in_flight: 3,
            max_request_bytes: 4096,
            max_response_bytes: 5 << 20,
            max_batch: 6,
            subscription_buffer: 7,
            write_timeout: Duration::from_secs(8),
            concurrent_reads: 9,
            concurrent_calls: 10,
            call_gas: 30_000,
            call_timeout: Duration::from_millis(12),
            trace_timeout: Duration::from_secs(13 * 60),
            concurrent_traces: 18,
            trace_bytes: 19 << 10,
            trace_calls: 20,
            trace_blocks: 21,
            trace_requests: 22,
            storage_range: 23,
            max_filters: 24,
            filter_lifetime: Duration::from_secs(25),
            filter_arrivals: 26,
            proof_slots: 27,
            proof_changes: 28,
            block_cache_bytes: 29 << 20,
            simulated_calls: 30,
            inclusion_wait: Duration::from_secs(31),
            max_inclusion_wait: Duration::from_secs(32),
            log_blocks: 14,
            log_results: 15,
            log_alternatives: 16,
            fee_history_blocks: 17,
        };
        assert_eq!(limits, Ok(expected));
    }

    #[test]
    fn what_is_no_limit_is_answered_with_what_is() {
        for (arg, expected) in [
            ("--rpc.max-connections=0", "0 is not in 1.."),
            ("--rpc.max-request-size=5MB", "expected bytes such as 5MiB"),
            ("--rpc.max-request-size=4GiB", "less than 4GiB"),
            ("--rpc.call-timeout=5", "such as 20s or 500ms"),
            ("--rpc.call-timeout=0s", "such as 20s or 500ms"),
            ("--rpc.trace-timeout=1year", "at most 7 days"),
        ] {
            let error = parse(&[arg]).expect_err(arg);
            assert!(error.contains(expected), "{arg}: {error}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("5MiB", 5 << 20),
            ("1536", 1536),
            ("3KiB", 3072),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            let expected = if bytes == 1536 { "1536" } else { text };
            assert_eq!(Size(bytes).to_string(), expected);
        }
    }
}
