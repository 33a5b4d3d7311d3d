//! The operator's choices and limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy_rpc_types_engine::JwtSecret;

use crate::Namespaces;

/// Where the server listens, whom it answers and how much it gives to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcConfig {
    /// Address and port of both HTTP and WebSocket. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// What `web3_clientVersion` answers, for example `wattline/v0.1.0/linux-x86_64`.
    pub client_version: String,
    /// Host names that requests may be addressed to, without port; `*` allows all. IP addresses
    /// are always allowed. Keeps a web page from reaching a local node through a name that it
    /// points at 127.0.0.1 (DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may read answers (CORS) and open WebSockets; `*` allows all.
    /// Clients that are not web pages send no origin and are not concerned.
    pub allowed_origins: Vec<String>,
    /// What is served over HTTP.
    pub http_api: Namespaces,
    /// What is served over WebSocket.
    pub ws_api: Namespaces,
    /// A second port, for those who have a secret; none: there is no such port.
    pub auth: Option<AuthConfig>,
    /// Where the Unix socket is; none: there is none.
    pub ipc_path: Option<PathBuf>,
    /// Limits. Connections are counted per listener, what is at work at once for all together.
    pub limits: RpcLimits,
}

impl RpcConfig {
    /// The defaults at an address: answers to `localhost` and IP addresses, to no web page, what
    /// anybody may be let use.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            client_version: format!(
                "wattline/v{}/{}-{}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            allowed_hosts: vec!["localhost".to_owned()],
            allowed_origins: Vec::new(),
            http_api: Namespaces::PUBLIC,
            ws_api: Namespaces::PUBLIC,
            auth: None,
            ipc_path: None,
            limits: RpcLimits::default(),
        }
    }
}

/// A port that serves every namespace, over HTTP and WebSocket, to those who sign a JSON Web Token
/// with a secret that they share with the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Address and port. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// The secret.
    pub secret: JwtSecret,
    /// As [`RpcConfig::allowed_hosts`].
    pub allowed_hosts: Vec<String>,
}

impl AuthConfig {
    /// The defaults at an address: answers to `localhost` and IP addresses.
    pub fn new(addr: SocketAddr, secret: JwtSecret) -> Self {
        Self {
            addr,
            secret,
            allowed_hosts: vec!["localhost".to_owned()],
        }
    }
}

/// How much of the node one request, one connection and all of them together may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcLimits {
    /// Open connections.
    pub max_connections: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions_per_connection: u32,
    /// Requests of one connection that are being worked on at the same time.
    pub max_requests_in_flight: u32,
    /// Bytes of one request.
    pub max_request_bytes: u32,
    /// Bytes of one answer.
    pub max_response_bytes: u32,
    /// Requests in one batch.
    pub max_batch: u32,
    /// Notifications and answers that wait for a slow WebSocket client.
    pub subscription_buffer: u32,
    /// How long a client may leave data unread before its subscriptions and its connection end.
    pub write_timeout: Duration,
    /// Bytes of decoded blocks that are kept for readers.
    pub block_cache_bytes: u64,
    /// Requests that read the database at the same time.
    pub concurrent_reads: usize,
    /// Calls, gas estimates and submissions that execute at the same time.
    pub concurrent_calls: usize,
    /// Gas of one `eth_call` or one run of `eth_estimateGas`.
    pub call_gas: u64,
    /// Calls in one `eth_callMany` or `eth_simulateV1`.
    pub simulated_calls: usize,
    /// Time of one `eth_call`, `eth_estimateGas`, `eth_getLogs` or `eth_getProof`.
    pub call_timeout: Duration,
    /// Traces that execute at the same time.
    pub concurrent_traces: usize,
    /// Time of one request of the namespaces `debug` and `trace`.
    pub trace_timeout: Duration,
    /// Bytes that the trace of one transaction may take in memory, and one answer as JSON.
    pub trace_bytes: usize,
    /// Calls within one transaction that a trace may list.
    pub trace_calls: usize,
    /// Blocks that one `trace_filter` may span.
    pub trace_blocks: u64,
    /// Calls in one `debug_traceCallMany` or `trace_callMany`.
    pub trace_requests: usize,
    /// Slots in one answer of `debug_storageRangeAt`.
    pub storage_range: usize,
    /// How long `eth_sendRawTransactionSync` waits unless the client says otherwise.
    pub inclusion_wait: Duration,
    /// The longest wait that a client may ask for.
    pub max_inclusion_wait: Duration,
    /// Blocks that one `eth_getLogs` may span.
    pub log_blocks: u64,
    /// Logs in one answer of `eth_getLogs`.
    pub log_results: usize,
    /// Addresses, or topics at one position, in one log filter.
    pub log_alternatives: usize,
    /// Filters that clients poll, of all of them together. One with many addresses and topics
    /// counts as several.
    pub max_filters: usize,
    /// How long a filter lives that nobody polls.
    pub filter_lifetime: Duration,
    /// Transactions that a filter may be behind before it misses the oldest.
    pub filter_arrivals: usize,
    /// Slots of one `eth_getProof`.
    pub proof_slots: usize,
    /// Changes of accounts and slots that one `eth_getProof` may undo to get to a past state.
    pub proof_changes: usize,
    /// Blocks in one answer of `eth_feeHistory`.
    pub fee_history_blocks: u64,
}

impl Default for RpcLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            max_connections: 500,
            max_subscriptions_per_connection: 128,
            max_requests_in_flight: 256,
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_batch: 1000,
            subscription_buffer: 1024,
            write_timeout: Duration::from_secs(20),
            block_cache_bytes: 32 << 20,
            concurrent_reads: 32,
            concurrent_calls: cores.max(2),
            call_gas: 100_000_000,
            simulated_calls: 1_000,
            call_timeout: Duration::from_secs(5),
            concurrent_traces: (cores / 2).max(1),
            trace_timeout: Duration::from_secs(30),
            trace_bytes: 64 << 20,
            trace_calls: 10_000,
            trace_blocks: 100,
            trace_requests: 1_000,
            storage_range: 1_024,
            inclusion_wait: Duration::from_secs(20),
            max_inclusion_wait: Duration::from_secs(60),
            log_blocks: 100_000,
            log_results: 20_000,
            log_alternatives: 1_000,
            max_filters: 4_096,
            filter_lifetime: Duration::from_secs(5 * 60),
            filter_arrivals: 65_536,
            proof_slots: 1_024,
            proof_changes: 200_000,
            fee_history_blocks: 1_024,
        }
    }
}
