//! A node that serves JSON-RPC, and a client that shows exactly what it answers.

use alloy_primitives::{Bytes, U256, hex};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use wattline_chain::Chain;
use wattline_pool::{Pool, PoolConfig};
use wattline_producer::ProducerHandle;
use wattline_rpc::{Namespaces, RpcConfig, RpcContext, RpcLimits, serve};
use wattline_rpc_server::{RpcServerHandle, ServerLimits};

/// A running server with a client.
pub(crate) struct Served {
    pub(crate) handle: RpcServerHandle,
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    http: reqwest::Client,
    url: String,
}

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

/// Limits of the server, of its methods or of both.
pub(crate) trait Limits {
    fn put_in(self, config: &mut RpcConfig);
}

impl Limits for ServerLimits {
    fn put_in(self, config: &mut RpcConfig) {
        config.server.limits = self;
    }
}

impl Limits for RpcLimits {
    fn put_in(self, config: &mut RpcConfig) {
        config.limits = self;
    }
}

impl Limits for (ServerLimits, RpcLimits) {
    fn put_in(self, config: &mut RpcConfig) {
        self.0.put_in(config);
        self.1.put_in(config);
    }
}

/// The server's configuration in tests: a free port, and limits that a test may change.
pub(crate) fn config(limits: impl Limits) -> RpcConfig {
    let mut config = RpcConfig::new(([127, 0, 0, 1], 0).into());
    config.client_version = "wattline/test".to_owned();
    config.server.http_api = Namespaces::ALL.into();
    config.server.ws_api = Namespaces::ALL.into();
    limits.put_in(&mut config);
    config
}

/// A node of `chain` with an empty pool that seals no blocks.
pub(crate) fn context(chain: &Chain) -> RpcContext {
    let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
    RpcContext {
        chain: chain.clone(),
        pool: Pool::open(PoolConfig::default(), None, storage, evm).expect("a pool opens"),
        producer: None,
        agreement: None,
        peers: None,
        dev_accounts: crate::chain::dev_accounts(),
    }
}

impl Served {
    pub(crate) async fn new(chain: &Chain) -> Self {
        Self::with(chain, config(RpcLimits::default()), None).await
    }

    pub(crate) async fn limited(chain: &Chain, limits: impl Limits) -> Self {
        Self::with(chain, config(limits), None).await
    }

    pub(crate) async fn with(
        chain: &Chain,
        config: RpcConfig,
        producer: Option<ProducerHandle>,
    ) -> Self {
        let context = RpcContext {
            producer,
            ..context(chain)
        };
        Self::start(config, context).await
    }

    /// A node that signs for nobody.
    pub(crate) async fn without_accounts(chain: &Chain) -> Self {
        let context = RpcContext {
            dev_accounts: Vec::new(),
            ..context(chain)
        };
        Self::start(config(RpcLimits::default()), context).await
    }

    pub(crate) async fn start(config: RpcConfig, context: RpcContext) -> Self {
        let (chain, pool) = (context.chain.clone(), context.pool.clone());
        let handle = serve(config, context).await.expect("a free port is free");
        let url = format!("http://{}", handle.local_addr());
        Self {
            handle,
            chain,
            pool,
            http: reqwest::Client::new(),
            url,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Posts a body and returns the HTTP status and text of the answer.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json");
        let response = request.body(body).send().await.expect("the server answers");
        (
            response.status().as_u16(),
            response.text().await.expect("the answer is text"),
        )
    }

    /// Posts a body and returns the JSON of the answer.
    pub(crate) async fn post_json(&self, body: impl Into<reqwest::Body>) -> Value {
        let (_, text) = self.post(body).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// The whole answer to a call.
    pub(crate) async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer = self.post_json(request.to_string()).await;
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["id"], 7);
        answer
    }

    /// The result of a call that succeeds.
    pub(crate) async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        answer
            .get("result")
            .unwrap_or_else(|| panic!("{method}: {answer}"))
            .clone()
    }

    /// The error of a call that fails.
    pub(crate) async fn failure(&self, method: &str, params: Value) -> Failure {
        let answer = self.answer(method, params).await;
        failure(&answer)
    }

    /// The code and message of a call that fails.
    pub(crate) async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let failure = self.failure(method, params).await;
        (failure.code, failure.message)
    }

    pub(crate) async fn websocket(&self) -> WsClient {
        let url = format!("ws://{}", self.handle.local_addr());
        WsClientBuilder::default()
            .build(url)
            .await
            .expect("the server upgrades to WebSocket")
    }
}

/// The error in an answer.
pub(crate) fn failure(answer: &Value) -> Failure {
    let error = answer
        .get("error")
        .unwrap_or_else(|| panic!("not an error: {answer}"));
    Failure {
        code: error["code"].as_i64().expect("an error has a code"),
        message: error["message"]
            .as_str()
            .expect("an error has a message")
            .to_owned(),
        data: error["data"].clone(),
    }
}

/// A hexadecimal quantity.
pub(crate) fn quantity(value: &Value) -> U256 {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("not a quantity: {value}"));
    assert!(
        text == "0x0" || !text.starts_with("0x0"),
        "leading zeros in {text}"
    );
    text.parse()
        .unwrap_or_else(|_| panic!("not a quantity: {text}"))
}

/// Bytes as JSON.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode_prefixed(bytes))
}

/// A 32-byte word as JSON.
pub(crate) fn word(value: u64) -> Value {
    hex(U256::from(value).to_be_bytes::<32>())
}

/// A 32-byte word.
pub(crate) fn word_bytes(value: u64) -> Bytes {
    U256::from(value).to_be_bytes::<32>().into()
}

/// The text of a request with these parameters, which may be no JSON.
pub(crate) fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}
