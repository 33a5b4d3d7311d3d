//! The Unix socket.

use std::{
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_rpc_types_eth::Header;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use wattline_chain::{Chain, test_utils::Template};
use wattline_rpc::{RpcConfig, RpcLimits, StartError, serve};
use wattline_rpc_server::{RpcServerError, ServerLimits};

use crate::{
    chain::{CHATTERER, LOOPER, call_with_gas, empty},
    client::{Limits, Served, config, context, failure, request, word_bytes},
};

/// A client of the socket.
struct Ipc {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writing: OwnedWriteHalf,
}

impl Ipc {
    async fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path)
            .await
            .expect("the socket is there");
        let (reading, writing) = stream.into_split();
        Self {
            lines: BufReader::new(reading).lines(),
            writing,
        }
    }

    async fn write(&mut self, text: &str) {
        let written = self.writing.write_all(text.as_bytes()).await;
        written.expect("it takes bytes");
    }

    /// The next line; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line());
        let line = line.await.expect("in time").ok().flatten()?;
        Some(serde_json::from_str(&line).expect("a line is JSON"))
    }

    async fn ask(&mut self, text: &str) -> Value {
        self.write(text).await;
        self.next().await.expect("an answer")
    }
}

fn at(path: &Path, limits: impl Limits) -> RpcConfig {
    let mut config = config(limits);
    // A listener of its own, whatever others serve.
    config.server.http_api = ["eth"].into_iter().collect();
    config.server.ipc_path = Some(path.to_owned());
    config
}

async fn served(chain: &Chain, limits: impl Limits) -> (Served, TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("node.ipc");
    let node = Served::with(chain, at(&path, limits), None).await;
    assert_eq!(node.handle.ipc_path(), Some(path.as_path()));
    (node, dir, path)
}

#[tokio::test]
async fn all_namespaces_are_there_for_the_owner_alone() {
    let (_node, _dir, path) = served(empty().chain(), ServerLimits::default()).await;
    let file = std::fs::metadata(&path).expect("the socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let mut client = Ipc::connect(&path).await;
    let answer = client.ask(&request("rpc_modules", "[]")).await;
    let modules = answer["result"].as_object().expect("an object");
    let expected = [
        "admin",
        "clique",
        "consensus",
        "debug",
        "eth",
        "net",
        "rpc",
        "trace",
        "txpool",
        "web3",
    ];
    assert!(modules.keys().eq(expected), "{answer}");
    let answer = client.ask(&request("clique_propose", "[]")).await;
    assert_eq!(failure(&answer).code, -32602, "it is not off");
}

#[tokio::test]
async fn requests_may_come_in_any_layout() {
    let (_node, _dir, path) = served(empty().chain(), ServerLimits::default()).await;
    let mut client = Ipc::connect(&path).await;
    let call = request("eth_chainId", "[]");
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": \"}\",\n  \"method\": \"eth_chainId\"\n}";
    client
        .write(&format!("{call}{call}\n\n{pretty}[{call},{call}]"))
        .await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(client.next().await.expect("an answer"));
    }
    // Requests of one connection are worked on side by side.
    let one = json!({"jsonrpc": "2.0", "id": 1, "result": "0xe1ec"});
    let quoted = json!({"jsonrpc": "2.0", "id": "}", "result": "0xe1ec"});
    for (expected, times) in [(&one, 2), (&quoted, 1), (&json!([one, one]), 1)] {
        let found = answers.iter().filter(|answer| *answer == expected).count();
        assert_eq!(found, times, "{expected} in {answers:?}");
    }
    // In pieces.
    let (first, second) = call.split_at(20);
    client.write(first).await;
    tokio::task::yield_now().await;
    assert_eq!(client.ask(second).await, one);
    // What is balanced but no request spoils nothing else.
    assert_eq!(failure(&client.ask("{]").await).code, -32700);
    assert_eq!(client.ask(&call).await, one);
}

#[tokio::test]
async fn heads_are_pushed() {
    let forge = empty();
    let (_node, _dir, path) = served(forge.chain(), ServerLimits::default()).await;
    let mut client = Ipc::connect(&path).await;
    let answer = client
        .ask(&request("eth_subscribe", "[\"newHeads\"]"))
        .await;
    for block in forge.extend_in_turn(3) {
        let head = client.next().await.expect("a notification");
        assert_eq!(head["method"], "eth_subscription");
        assert_eq!(head["params"]["subscription"], answer["result"]);
        let header: Header =
            serde_json::from_value(head["params"]["result"].clone()).expect("a header");
        assert_eq!(header.hash, block.hash());
    }
    let id = answer["result"].to_string();
    let answer = client
        .ask(&request("eth_unsubscribe", &format!("[{id}]")))
        .await;
    assert_eq!(answer["result"], true);
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection() {
    let limits = ServerLimits {
        max_request_bytes: 100,
        ..ServerLimits::default()
    };
    let (_node, _dir, path) = served(empty().chain(), limits).await;
    let mut client = Ipc::connect(&path).await;
    let failed = failure(&client.ask("nonsense\n").await);
    assert_eq!(
        (failed.code, failed.message.as_str()),
        (-32700, "Parse error")
    );
    assert_eq!(client.next().await, None);

    let mut client = Ipc::connect(&path).await;
    let failed = failure(&client.ask(&"[".repeat(1000)).await);
    assert_eq!(
        (failed.code, failed.message.as_str()),
        (-32007, "Request is too big")
    );
    assert_eq!(failed.data, "Exceeded max limit of 100");
    assert_eq!(client.next().await, None);

    let mut client = Ipc::connect(&path).await;
    let answer = client.ask(&request("eth_chainId", "[]")).await;
    assert_eq!(answer["result"], "0xe1ec");
}

#[tokio::test]
async fn limits_are_those_of_other_listeners() {
    let limits = (
        ServerLimits {
            max_batch: 1,
            max_connections: 1,
            max_subscriptions_per_connection: 1,
            max_requests_in_flight: 1,
            ..ServerLimits::default()
        },
        RpcLimits {
            call_gas: u64::MAX,
            call_timeout: Duration::from_millis(200),
            ..RpcLimits::default()
        },
    );
    let (node, _dir, path) = served(empty().chain(), limits).await;
    let mut client = Ipc::connect(&path).await;
    let call = request("eth_chainId", "[]");
    assert_eq!(
        failure(&client.ask(&format!("[{call},{call}]")).await).code,
        -32010
    );

    let subscribe = request("eth_subscribe", "[\"newHeads\"]");
    assert!(client.ask(&subscribe).await["result"].is_string());
    assert_eq!(failure(&client.ask(&subscribe).await).code, -32006);

    let endless = request("eth_call", &json!([{"to": LOOPER}]).to_string());
    client.write(&endless).await;
    let mut failures = vec![
        failure(&client.ask(&endless).await).message,
        failure(&client.next().await.expect("an answer")).message,
    ];
    failures.sort();
    assert_eq!(
        failures,
        [
            "execution aborted (timeout = 0.2s)",
            "too many requests at once on this connection, limit 1: wait for answers",
        ]
    );

    let mut second = Ipc::connect(&path).await;
    let refused = failure(&second.next().await.expect("a reason"));
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            -32005,
            "too many connections, limit 1: please try again in a bit"
        )
    );
    assert_eq!(second.next().await, None);
    // The port counts for itself.
    assert_eq!(node.result("eth_chainId", json!([])).await, "0xe1ec");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let limits = ServerLimits {
        max_connections: 2,
        subscription_buffer: 4,
        write_timeout: Duration::from_millis(100),
        ..ServerLimits::default()
    };
    let forge = empty();
    let (_node, _dir, path) = served(forge.chain(), limits).await;
    let (mut slow, mut quick) = (Ipc::connect(&path).await, Ipc::connect(&path).await);
    let answer = slow.ask(&request("eth_subscribe", "[\"logs\"]")).await;
    assert!(answer["result"].is_string());
    let answer = quick.ask(&request("eth_subscribe", "[\"newHeads\"]")).await;
    assert!(answer["result"].is_string());
    for nonce in 0..12 {
        let chat = call_with_gas(0, nonce, CHATTERER, word_bytes(5_000), 5_000_000);
        let block = forge.extend(Template::default().with(vec![chat]));
        let head = quick.next().await.expect("it goes on for others");
        assert_eq!(head["params"]["result"]["hash"], json!(block.hash()));
    }
    // Its place is free again once the server has given it up.
    let freed = async {
        loop {
            let mut third = Ipc::connect(&path).await;
            // Fails where the connection is refused.
            let call = request("eth_chainId", "[]");
            let _ = third.writing.write_all(call.as_bytes()).await;
            if third
                .next()
                .await
                .is_some_and(|answer| answer["result"] == "0xe1ec")
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), freed)
        .await
        .expect("the connection ends");
    let mut rest = Vec::new();
    let ended = slow.lines.into_inner().read_to_end(&mut rest).await;
    let logs = rest.iter().filter(|byte| **byte == b'\n').count();
    assert!(logs < 60_000, "{ended:?} after all {logs} logs");
}

#[tokio::test]
async fn the_socket_of_a_node_that_is_gone_is_replaced() {
    let forge = empty();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("node.ipc");
    // Dropping a listener of the standard library leaves its file, as a crash does.
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let node = Served::with(forge.chain(), at(&path, ServerLimits::default()), None).await;
    let mut client = Ipc::connect(&path).await;
    let answer = client.ask(&request("eth_chainId", "[]")).await;
    assert_eq!(answer["result"], "0xe1ec");

    // Nobody takes it from a living one.
    let second = serve(at(&path, ServerLimits::default()), context(forge.chain())).await;
    let error = second.expect_err("it is taken");
    assert!(
        matches!(&error, StartError::Server(RpcServerError::IpcInUse(taken)) if *taken == path)
    );
    assert_eq!(
        error.to_string(),
        format!(
            "cannot serve JSON-RPC on the socket {}: another node serves it; stop that node or \
             choose another path with --ipc.path",
            path.display()
        )
    );
    let answer = client.ask(&request("eth_chainId", "[]")).await;
    assert_eq!(answer["result"], "0xe1ec");

    node.handle.stop();
    let stopped = tokio::time::timeout(Duration::from_secs(20), node.handle.stopped());
    stopped.await.expect("all connections end");
    assert_eq!(client.next().await, None);
    assert!(!path.exists(), "it is removed at the end");
}

#[tokio::test]
async fn files_that_are_no_sockets_are_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("precious");
    std::fs::write(&path, "data").expect("a file");
    let forge = empty();
    let attempt = async |path: &Path| {
        serve(at(path, ServerLimits::default()), context(forge.chain()))
            .await
            .expect_err("no socket can be there")
            .to_string()
    };
    let advice = "choose another path with --ipc.path (at most 107 bytes on Linux), or do without \
                  with --ipc.disable";
    assert_eq!(
        attempt(&path).await,
        format!(
            "cannot serve JSON-RPC on the socket {}: there is something else than a socket; \
             {advice}",
            path.display()
        )
    );
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "data");
    let long = dir.path().join("x".repeat(120));
    let error = attempt(&long).await;
    assert!(error.ends_with(advice), "{error}");
}
