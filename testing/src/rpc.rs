//! JSON-RPC by hand, answers as they come.

use std::collections::BTreeMap;

use alloy::primitives::Bytes;
use eyre::{WrapErr, bail, ensure, eyre};
use serde_json::{Value, json};

/// A node that answers JSON-RPC.
#[derive(Clone, Debug)]
pub struct Peer {
    client: reqwest::Client,
    url: String,
}

impl Peer {
    /// The node at this URL.
    pub fn new(url: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
        }
    }

    /// The whole answer to a request.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn ask(&self, method: &str, params: &Value) -> eyre::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.client.post(&self.url).json(&request).send().await?;
        answer
            .json()
            .await
            .wrap_err_with(|| format!("{method} {params} at {}", self.url))
    }

    /// Sends transactions in one batch, which the node takes in together.
    ///
    /// # Errors
    ///
    /// One of them is refused.
    pub async fn send(&self, transactions: &[Bytes]) -> eyre::Result<()> {
        let requests = (0..).zip(transactions).map(|(id, raw): (usize, _)| {
            json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
        });
        let batch: Value = requests.collect();
        let answers = self.client.post(&self.url).json(&batch).send().await?;
        let answers: Vec<Value> = answers.json().await?;
        ensure!(
            answers.len() == transactions.len()
                && answers.iter().all(|it| it["result"].is_string()),
            "transactions are refused: {answers:?}"
        );
        Ok(())
    }

    /// The results of requests of one method that succeed, sent in one batch.
    ///
    /// # Errors
    ///
    /// One of them does not.
    pub async fn results(&self, method: &str, params: &[Value]) -> eyre::Result<Vec<Value>> {
        let requests = (0..).zip(params).map(|(id, params): (usize, _)| {
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        });
        let batch: Value = requests.collect();
        let answers = self.client.post(&self.url).json(&batch).send().await?;
        let mut answers: Vec<Value> = answers.json().await?;
        answers.sort_by_key(|answer| answer["id"].as_u64());
        ensure!(answers.len() == params.len(), "{method}: {answers:?}");
        let results = answers
            .iter_mut()
            .map(|answer| answer.get_mut("result").map(Value::take));
        let results: Option<Vec<_>> = results.collect();
        results.ok_or_else(|| eyre!("{method} at {}: one of a batch fails", self.url))
    }

    /// The result of a request that succeeds.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn result(&self, method: &str, params: Value) -> eyre::Result<Value> {
        let mut answer = self.ask(method, &params).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("{method} {params} at {}: {answer}", self.url),
        }
    }
}

/// Puts values in the place of names: of strings that are a name, and of keys.
pub fn substitute(value: &Value, names: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => names.get(text).unwrap_or(value).clone(),
        Value::Array(items) => items.iter().map(|item| substitute(item, names)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, inner)| {
                let key = names.get(key).and_then(Value::as_str).unwrap_or(key);
                (key.to_owned(), substitute(inner, names))
            })
            .collect(),
        other => other.clone(),
    }
}
