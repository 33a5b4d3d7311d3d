//! The node that is fuzzed, and what holds for each of its answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard, OnceLock},
    time::{Duration, Instant},
};

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, bytes};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wattline_chain::test_utils::{Forge, Signers, Template, TestGenesis, call, transfer};
use wattline_pool::{Pool, PoolConfig};
use wattline_rpc::{Namespaces, RpcConfig, RpcContext, RpcLimits, serve};
use wattline_rpc_server::{RpcServerHandle, ServerLimits};

/// Logs its calldata's first word and stores it.
pub const LOGGER: Address = Address::with_last_byte(0xa1);
/// Never ends.
pub const LOOPER: Address = Address::with_last_byte(0xa2);
/// An answer may take as long as all calls of a batch may wait and execute.
const LONGEST: Duration = Duration::from_secs(20);
/// What one call may take.
const CALL_TIMEOUT: Duration = Duration::from_millis(300);

/// A node with a chain, and a connection to it.
pub struct Node {
    stream: BufReader<TcpStream>,
    /// Of blocks and transactions.
    pub hashes: Vec<Value>,
    /// Accounts and contracts.
    pub addresses: Vec<Value>,
    /// Blocks, headers and transactions as bytes.
    pub raw: Vec<Value>,
    /// Ids of the latest filters, some of which live.
    pub filters: Vec<Value>,
    _runtime: Runtime,
    _server: RpcServerHandle,
    _forge: Forge,
}

/// The one node of this process.
pub fn node() -> MutexGuard<'static, Node> {
    static NODE: OnceLock<Mutex<Node>> = OnceLock::new();
    NODE.get_or_init(|| Mutex::new(Node::start()))
        .lock()
        .expect("a run that failed ended the process")
}

impl Node {
    fn start() -> Self {
        let signers = Signers::new(1);
        let accounts = Signers::named("account", 2);
        let contract = |code| GenesisAccount::default().with_code(Some(code));
        let genesis = TestGenesis::new(signers.addresses())
            .fund(accounts.addresses())
            .account(LOGGER, contract(bytes!("5f355f555f355f5260205fa05f5ff3")))
            .account(LOOPER, contract(bytes!("5b5f56")));
        let forge = Forge::new(genesis, signers);
        let mut hashes = Vec::new();
        for nonce in 0..3 {
            let transactions = vec![
                transfer(accounts.key(0), nonce, accounts.address(1), 1),
                call(accounts.key(1), nonce, LOGGER, 200_000, [7; 32]),
            ];
            hashes.extend(transactions.iter().map(|tx| json!(tx.tx_hash())));
            let block = forge.extend(Template::default().with(transactions));
            hashes.push(json!(block.hash()));
        }
        let chain = forge.chain().clone();
        let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
        let pool = Pool::open(PoolConfig::default(), None, storage, evm).expect("a pool opens");
        let waiting = transfer(accounts.key(0), 3, accounts.address(1), 1);
        pool.add(waiting.inner().clone()).expect("it may wait");
        let context = RpcContext {
            chain,
            pool,
            producer: None,
            agreement: None,
            peers: None,
            dev_accounts: vec![accounts.key(1).clone()],
        };
        let mut config = RpcConfig::new(([127, 0, 0, 1], 0).into());
        config.server.http_api = Namespaces::ALL.into();
        config.server.limits = ServerLimits {
            max_request_bytes: 64 << 10,
            max_response_bytes: 4 << 20,
            max_batch: 16,
            ..ServerLimits::default()
        };
        config.limits = RpcLimits {
            call_timeout: CALL_TIMEOUT,
            call_gas: 30_000_000,
            trace_timeout: CALL_TIMEOUT,
            trace_bytes: 4 << 20,
            max_filters: 256,
            filter_lifetime: Duration::from_secs(1),
            ..RpcLimits::default()
        };
        let runtime = Runtime::new().expect("threads start");
        let server = runtime
            .block_on(serve(config, context))
            .expect("a free port is free");
        let stream = TcpStream::connect(server.local_addr()).expect("the port is open");
        stream.set_nodelay(true).expect("a socket's option");
        stream
            .set_read_timeout(Some(LONGEST))
            .expect("a socket's option");
        let addresses = accounts
            .addresses()
            .into_iter()
            .map(|address| json!(address));
        let mut node = Self {
            stream: BufReader::new(stream),
            hashes,
            addresses: addresses.chain([json!(LOGGER), json!(LOOPER)]).collect(),
            raw: Vec::new(),
            filters: Vec::new(),
            _runtime: runtime,
            _server: server,
            _forge: forge,
        };
        for (method, param) in [
            ("debug_getRawBlock", json!("0x0")),
            ("debug_getRawBlock", json!("0x3")),
            ("debug_getRawHeader", json!("0x2")),
            ("debug_getRawTransaction", node.hashes[0].clone()),
            ("debug_getRawTransaction", json!(waiting.tx_hash())),
        ] {
            let raw = node.call(method, &json!([param]));
            assert!(raw.is_string(), "{method}: {raw}");
            node.raw.push(raw);
        }
        node
    }

    /// The result of a call that succeeds.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.ask(request.to_string().as_bytes()).expect("an answer");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Asks, and checks what every answer must be. `None` if nothing was to be answered.
    pub fn ask(&mut self, body: &[u8]) -> Option<Value> {
        let started = Instant::now();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("the node reads");
        stream.write_all(body).expect("the node reads");
        let (status, answer) = self.read();
        assert!(started.elapsed() < LONGEST, "too slow");
        if answer.is_empty() {
            assert_eq!(status, 200, "nothing to say about an error");
            return None;
        }
        let text = String::from_utf8_lossy(&answer);
        let answer: Value = serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("{error}: {status} {text}"));
        match answer.as_array() {
            Some(answers) => answers.iter().for_each(check),
            None => check(&answer),
        }
        Some(answer)
    }

    /// Keeps the ids of filters that were made.
    pub fn remember_filters(&mut self, requests: &[Value], answer: &Value) {
        let answers = match answer.as_array() {
            Some(answers) => answers.as_slice(),
            None => std::slice::from_ref(answer),
        };
        for (request, answer) in requests.iter().zip(answers) {
            let method = request["method"].as_str().unwrap_or_default();
            if method.starts_with("eth_new") && answer["result"].is_string() {
                self.filters.push(answer["result"].clone());
            }
        }
        let old = self.filters.len().saturating_sub(8);
        self.filters.drain(..old);
    }

    fn read(&mut self) -> (u16, Vec<u8>) {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).expect("the answer");
        (status.expect("a status"), answer)
    }
}

/// An answer has a result or an error of the client's, never a fault of the node.
fn check(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    assert!(answer.get("id").is_some(), "{answer}");
    match (answer.get("result"), answer.get("error")) {
        (Some(_), None) => {}
        (None, Some(error)) => {
            let code = error["code"].as_i64().expect("a code");
            assert_ne!(code, -32603, "{answer}");
            let message = error["message"].as_str().expect("a message");
            assert!(!message.is_empty(), "{answer}");
        }
        _ => panic!("{answer}"),
    }
}
