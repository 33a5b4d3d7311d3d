//! The server with methods that know no chain.

use std::sync::atomic::{AtomicUsize, Ordering};

use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use wattline_rpc_server::{
    Groups, Method, MethodTable, RpcServerHandle, ServerConfig, ServerLimits, serve,
};

fn method(name: &'static str, group: &'static str) -> Method {
    Method {
        name,
        group,
        usage: String::new(),
        batched: false,
        subscription: false,
    }
}

async fn server() -> RpcServerHandle {
    let mut methods = RpcModule::new(AtomicUsize::new(0));
    // Whether it meets another: each waits until all that are worked on together have begun.
    methods
        .register_async_method("meet", |_, begun, _| async move {
            begun.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let met = begun.load(Ordering::Relaxed) > 1;
            tokio::task::yield_now().await;
            begun.fetch_sub(1, Ordering::Relaxed);
            met
        })
        .expect("a new name");
    methods
        .register_method("echo", |params, _, _| params.one::<String>())
        .expect("a new name");
    methods
        .register_method("groups", |_, _, extensions| {
            let groups = extensions.get::<Groups>();
            groups.map(ToString::to_string)
        })
        .expect("a new name");
    for name in ["secret", "watch", "untold"] {
        methods
            .register_method(name, |_, _, _| true)
            .expect("a new name");
    }
    let table: MethodTable = [
        Method {
            batched: true,
            ..method("meet", "open")
        },
        Method {
            usage: "text".to_owned(),
            ..method("echo", "open")
        },
        method("groups", "other"),
        method("secret", "closed"),
        Method {
            subscription: true,
            ..method("watch", "open")
        },
    ]
    .into_iter()
    .collect();
    assert_eq!(table.groups().to_string(), "closed,open,other");
    let api = ["open", "other"].into_iter().collect();
    let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into(), api);
    config.limits = ServerLimits {
        max_batch: 4,
        ..ServerLimits::default()
    };
    serve(config, methods, table)
        .await
        .expect("a free port is free")
}

async fn post(server: &RpcServerHandle, body: Value) -> Value {
    let answer = reqwest::Client::new()
        .post(format!("http://{}", server.local_addr()))
        .json(&body)
        .send()
        .await
        .expect("the server answers");
    answer.json().await.expect("the answer is JSON")
}

fn call(method: &str, params: &[&str]) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

#[tokio::test]
async fn the_table_says_what_is_served_and_how_it_is_called() {
    let server = server().await;
    let answer = post(&server, call("echo", &["a"])).await;
    assert_eq!(answer["result"], "a");
    let answer = post(&server, call("groups", &[])).await;
    assert_eq!(answer["result"], "open,other");

    let error = |answer: Value| {
        let message = answer["error"]["message"].as_str().expect("a message");
        (answer["error"]["code"].as_i64(), message.to_owned())
    };
    let (code, message) = error(post(&server, call("echo", &[])).await);
    assert_eq!(code, Some(-32602));
    assert!(message.ends_with("; expected echo(text)"), "{message}");
    let (code, message) = error(post(&server, call("secret", &[])).await);
    assert_eq!(code, Some(-32601));
    assert!(
        message.contains("where the namespace closed is off"),
        "{message}"
    );
    let (code, message) = error(post(&server, call("watch", &[])).await);
    assert_eq!(code, Some(-32601));
    assert!(
        message.starts_with("notifications not supported over HTTP"),
        "{message}"
    );
    let (code, message) = error(post(&server, call("untold", &[])).await);
    assert_eq!(code, Some(-32601));
    assert_eq!(message, "the method untold does not exist/is not available");
}

#[tokio::test]
async fn a_batch_answers_together_what_the_table_says() {
    let server = server().await;
    let meet = || call("meet", &[]);
    let met = async |batch: Value| {
        let answers = post(&server, batch).await;
        let answers = answers.as_array().expect("answers").iter();
        answers
            .filter_map(|answer| answer["result"].as_bool())
            .collect::<Vec<_>>()
    };
    assert_eq!(met(json!([meet(), meet()])).await, [true, true]);
    // What stands between them is answered in its turn.
    let between = call("echo", &["a"]);
    assert_eq!(met(json!([meet(), between, meet()])).await, [false, false]);

    let large = post(&server, json!([meet(), meet(), meet(), meet(), meet()])).await;
    assert_eq!(large["error"]["code"], -32010);
}
