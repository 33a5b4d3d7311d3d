//! What is asked: a node behind a URL, and anvil as a process.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use alloy::primitives::Bytes;
use eyre::{OptionExt, WrapErr, bail, ensure};
use serde_json::{Value, json};

use crate::common::CHAIN_ID;

/// A node that answers JSON-RPC.
pub(crate) struct Peer {
    client: reqwest::Client,
    url: String,
}

impl Peer {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
        }
    }

    /// The whole answer to a request.
    pub(crate) async fn ask(&self, method: &str, params: &Value) -> eyre::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.client.post(&self.url).json(&request).send().await?;
        answer
            .json()
            .await
            .wrap_err_with(|| format!("{method} {params} at {}", self.url))
    }

    /// Sends transactions in one batch, which the node takes in together.
    pub(crate) async fn send(&self, transactions: &[Bytes]) -> eyre::Result<()> {
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

    /// The result of a request that succeeds.
    pub(crate) async fn result(&self, method: &str, params: Value) -> eyre::Result<Value> {
        let mut answer = self.ask(method, &params).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("{method} {params} at {}: {answer}", self.url),
        }
    }
}

/// A running anvil on the development genesis that mines when told to. Dropping it kills it.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
}

impl Anvil {
    pub(crate) fn start() -> eyre::Result<Self> {
        let genesis = concat!(env!("CARGO_MANIFEST_DIR"), "/../../genesis/dev.json");
        let chain_id = CHAIN_ID.to_string();
        let mut child = Command::new(binary()?)
            .args(["--init", genesis, "--chain-id", &chain_id, "--port", "0"])
            .args(["--hardfork", "osaka", "--gas-limit", "100000000"])
            .args(["--base-fee", "0", "--disable-min-priority-fee"])
            .args(["--no-mining", "--order", "fifo", "--steps-tracing"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_eyre("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(format!("http://{}", line.strip_prefix("Listening on ")?)));
        // What anvil prints later must go somewhere, or it stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(url) = url else {
            let status = child.wait()?;
            bail!("anvil did not start: {status}");
        };
        Ok(Self { child, url })
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that npm installed for this platform.
fn binary() -> eyre::Result<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules");
    let scope = fs::read_dir(tools.join("@foundry-rs"))
        .wrap_err("anvil is missing: run `make tools` first")?;
    scope
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|entry| entry.path().join("bin/anvil"))
        .find(|path| path.exists())
        .ok_or_eyre("anvil is missing: run `make tools` first")
}
