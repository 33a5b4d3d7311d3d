//! How much of the node one request, and all of them together, may take.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use clap::Args;
use wattline_rpc_server::options;

/// Limits of the methods. The options of the command line are made from it.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[command(next_help_heading = "JSON-RPC limits")]
pub struct RpcLimits {
    /// Memory for decoded blocks that are kept for readers
    #[arg(
        long = "rpc.block-cache-size",
        value_name = "SIZE",
        default_value = "32MiB",
        value_parser = options::size::<u64>
    )]
    pub block_cache_bytes: u64,

    /// Requests that read the database at the same time; more wait
    #[arg(
        long = "rpc.concurrent-reads",
        value_name = "N",
        default_value_t = 32,
        value_parser = options::count(1..=4096)
    )]
    pub concurrent_reads: usize,

    /// Calls, estimates and log searches at the same time; more wait
    #[arg(
        long = "rpc.concurrent-calls",
        value_name = "N",
        default_value_t = cores().max(2),
        value_parser = options::count(1..=4096)
    )]
    pub concurrent_calls: usize,

    /// Gas of one eth_call, or of one run of eth_estimateGas
    #[arg(
        long = "rpc.call-gas",
        visible_alias = "rpc.gascap",
        value_name = "GAS",
        default_value_t = 100_000_000,
        value_parser = clap::value_parser!(u64).range(21_000..)
    )]
    pub call_gas: u64,

    /// Time of one eth_call, eth_estimateGas or eth_getLogs, and how long it may wait for its turn
    #[arg(
        long = "rpc.call-timeout",
        visible_alias = "rpc.evmtimeout",
        value_name = "TIME",
        default_value = "5s",
        value_parser = options::time
    )]
    pub call_timeout: Duration,

    /// Calls in one eth_callMany or eth_simulateV1
    #[arg(
        long = "rpc.simulated-calls",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = options::count(1..)
    )]
    pub simulated_calls: usize,

    /// How long eth_sendRawTransactionSync waits unless the client says otherwise
    #[arg(
        long = "rpc.inclusion-wait",
        value_name = "TIME",
        default_value = "20s",
        value_parser = options::time
    )]
    pub inclusion_wait: Duration,

    /// The longest wait that a client of eth_sendRawTransactionSync may ask for
    #[arg(
        long = "rpc.max-inclusion-wait",
        value_name = "TIME",
        default_value = "1m",
        value_parser = options::time
    )]
    pub max_inclusion_wait: Duration,

    /// Traces at the same time; more wait
    #[arg(
        long = "rpc.concurrent-traces",
        value_name = "N",
        default_value_t = (cores() / 2).max(1),
        value_parser = options::count(1..=4096)
    )]
    pub concurrent_traces: usize,

    /// Time of one request of the debug or trace namespace, and how long it may wait for its turn
    #[arg(
        long = "rpc.trace-timeout",
        value_name = "TIME",
        default_value = "30s",
        value_parser = options::time
    )]
    pub trace_timeout: Duration,

    /// Memory that the trace of one transaction may take, and size of one answer with traces
    #[arg(
        long = "rpc.trace-size",
        value_name = "SIZE",
        default_value = "64MiB",
        value_parser = options::size::<usize>
    )]
    pub trace_bytes: usize,

    /// Calls within one transaction that a trace may list
    #[arg(
        long = "rpc.trace-calls",
        value_name = "N",
        default_value_t = 10_000,
        value_parser = options::count(1..)
    )]
    pub trace_calls: usize,

    /// Blocks that one trace_filter may span
    #[arg(
        long = "rpc.trace-blocks",
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub trace_blocks: u64,

    /// Calls in one debug_traceCallMany or trace_callMany
    #[arg(
        long = "rpc.trace-requests",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = options::count(1..)
    )]
    pub trace_requests: usize,

    /// Slots in one answer of debug_storageRangeAt
    #[arg(
        long = "rpc.storage-range",
        value_name = "N",
        default_value_t = 1_024,
        value_parser = options::count(1..)
    )]
    pub storage_range: usize,

    /// Blocks that one eth_getLogs may span
    #[arg(
        long = "rpc.log-blocks",
        value_name = "N",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub log_blocks: u64,

    /// Logs in one answer
    #[arg(
        long = "rpc.log-results",
        value_name = "N",
        default_value_t = 20_000,
        value_parser = options::count(1..)
    )]
    pub log_results: usize,

    /// Addresses, or topics at one position, in one log filter
    #[arg(
        long = "rpc.log-alternatives",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = options::count(1..)
    )]
    pub log_alternatives: usize,

    /// Filters that clients poll, of all of them together; one with many addresses and topics
    /// counts as several
    #[arg(
        long = "rpc.max-filters",
        value_name = "N",
        default_value_t = 4_096,
        value_parser = options::count(..)
    )]
    pub max_filters: usize,

    /// How long a filter lives that nobody polls
    #[arg(
        long = "rpc.filter-lifetime",
        value_name = "TIME",
        default_value = "5m",
        value_parser = options::time
    )]
    pub filter_lifetime: Duration,

    /// Transactions that a filter may be behind before it misses the oldest
    #[arg(
        long = "rpc.filter-arrivals",
        value_name = "N",
        default_value_t = 65_536,
        value_parser = options::count(1..)
    )]
    pub filter_arrivals: usize,

    /// Slots of one eth_getProof
    #[arg(
        long = "rpc.proof-slots",
        value_name = "N",
        default_value_t = 1_024,
        value_parser = options::count(1..)
    )]
    pub proof_slots: usize,

    /// Changes of accounts and slots that one eth_getProof may undo to get to a past state
    #[arg(
        long = "rpc.proof-changes",
        value_name = "N",
        default_value_t = 200_000,
        value_parser = options::count(..)
    )]
    pub proof_changes: usize,

    /// Blocks in one answer of eth_feeHistory; requests for more are cut to that
    #[arg(
        long = "rpc.fee-history-blocks",
        value_name = "N",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u64).range(1..=65_536)
    )]
    pub fee_history_blocks: u64,
}

/// How many the machine has, as far as the options for threads go.
fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get).min(4096)
}

impl Default for RpcLimits {
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
        assert_eq!(limits.ok(), Some(expected));
    }
    #[test]
    fn what_is_no_limit_is_answered_with_what_is() {
        for (arg, expected) in [
            ("--rpc.concurrent-reads=0", "0 is not in 1..=4096"),
            ("--rpc.call-gas=20999", "20999 is not in 21000.."),
            ("--rpc.trace-size=4GiB", "less than 4GiB"),
            ("--rpc.call-timeout=5", "such as 20s or 500ms"),
            ("--rpc.call-timeout=0s", "such as 20s or 500ms"),
            ("--rpc.trace-timeout=1year", "at most 7 days"),
            ("--rpc.log-results=4294967296", "is not in 1..=4294967295"),
            ("--rpc.max-filters=-1", "-1 is not in 0..=4294967295"),
        ] {
            let parsed = options::parse::<RpcLimits>([arg]);
            let error = parsed.expect_err(arg).to_string();
            assert!(error.contains(expected), "{arg}: {error}");
        }
    }
}
