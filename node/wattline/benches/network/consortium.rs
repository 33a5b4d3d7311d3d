//! The nodes, as `wattline network` runs them.

use std::{
    fs::{self, File},
    ops::RangeInclusive,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use eyre::{OptionExt as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use wattline_testing::{PATIENCE, Process, repository, rpc::Peer};

use crate::{clients::addresses, delay};

/// Ports are taken from here on: many in a row must be free.
const FIRST_PORT: u16 = 21_000;
/// Room for the ports of one kind.
const ROW: u16 = 40;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) validators: u16,
    pub(crate) period_ms: u64,
    pub(crate) delay_ms: u64,
}

/// A running network with one observer.
pub(crate) struct Consortium {
    plan: Plan,
    ports: u16,
    process: Option<Process>,
    directory: TempDir,
}

/// Where to look at a node.
pub(crate) struct Node {
    pub(crate) pid: String,
    pub(crate) metrics: String,
}

impl Consortium {
    pub(crate) async fn start(plan: Plan) -> eyre::Result<Self> {
        let directory = tempfile::tempdir()?;
        let genesis = fs::read_to_string(repository().join("genesis/dev.json"))?;
        let mut genesis: Value = serde_json::from_str(&genesis)?;
        for address in addresses() {
            genesis["alloc"][format!("{address:#x}")] =
                json!({"balance": "0xd3c21bcecceda1000000"});
        }
        fs::write(directory.path().join("base.json"), genesis.to_string())?;
        let ports = FIRST_PORT + (std::process::id() % 100) as u16 * 3 * ROW;
        if plan.delay_ms > 0 {
            let p2p = ports + 2 * ROW;
            delay::set(plan.delay_ms, p2p..p2p + plan.validators + 1)?;
        }
        let mut consortium = Self {
            plan,
            ports,
            process: None,
            directory,
        };
        consortium.restart().await?;
        Ok(consortium)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn node(&self, name: &str) -> PathBuf {
        self.path("net").join(name)
    }

    /// Starts it on what it has, and waits until the observer has a new block.
    pub(crate) async fn restart(&mut self) -> eyre::Result<()> {
        ensure!(self.process.is_none(), "the network runs");
        let said = File::create(self.path("said"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_wattline"));
        let number = |value: u16| value.to_string();
        command
            .arg("network")
            .arg("--dir")
            .arg(self.path("net"))
            .arg("--genesis")
            .arg(self.path("base.json"))
            .args(["--validators", &number(self.plan.validators)])
            .args(["--observers", "1"])
            .args(["--period-ms", &self.plan.period_ms.to_string()])
            .args(["--rpc-port", &number(self.ports)])
            .args(["--metrics-port", &number(self.ports + ROW)])
            .args(["--p2p-port", &number(self.ports + 2 * ROW)])
            .stdout(said.try_clone()?)
            .stderr(said);
        self.process = Some(Process::spawn(&mut command)?);
        let begun = Instant::now();
        while self.head().await.unwrap_or_default() == 0 {
            if let Some(process) = &mut self.process
                && let Some(status) = process.ended_within(Duration::from_millis(200))?
            {
                let said = fs::read_to_string(self.path("said"))?;
                bail!("the network ended with {status}: {said}");
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the observer has no block after {PATIENCE:?}"
            );
        }
        Ok(())
    }

    pub(crate) async fn stop(&mut self) -> eyre::Result<()> {
        let mut process = self.process.take().ok_or_eyre("the network does not run")?;
        let status = tokio::task::spawn_blocking(move || process.stop()).await??;
        // Not where a validator was killed, which it says.
        ensure!(status.code().is_some(), "the network ended with {status}");
        Ok(())
    }

    /// Where the observer answers.
    pub(crate) fn observer(&self) -> String {
        format!("127.0.0.1:{}", self.ports + self.plan.validators)
    }

    fn rpc(&self) -> Peer {
        Peer::new(&format!("http://{}", self.observer()))
    }

    /// The number of the observer's last block.
    pub(crate) async fn head(&self) -> eyre::Result<u64> {
        quantity(&self.rpc().result("eth_blockNumber", json!([])).await?)
    }

    /// The gas that these blocks used.
    pub(crate) async fn gas(&self, blocks: RangeInclusive<u64>) -> eyre::Result<u64> {
        let numbers: Vec<_> = blocks
            .map(|it| json!([format!("{it:#x}"), false]))
            .collect();
        let mut sum = 0;
        for numbers in numbers.chunks(100) {
            for block in self.rpc().results("eth_getBlockByNumber", numbers).await? {
                sum += quantity(&block["gasUsed"])?;
            }
        }
        Ok(sum)
    }

    pub(crate) fn validators(&self) -> Vec<Node> {
        let names = (1..=self.plan.validators).map(|it| (it, format!("validator-{it}")));
        names
            .filter_map(|(place, name)| {
                let port = self.ports + ROW + place - 1;
                Some(Node {
                    pid: self.pid(&name).ok()?,
                    metrics: format!("http://127.0.0.1:{port}/metrics"),
                })
            })
            .collect()
    }

    fn pid(&self, node: &str) -> eyre::Result<String> {
        let pid = fs::read_to_string(self.node(node).join("pid"))?;
        Ok(pid.trim().to_owned())
    }

    /// Kills a validator as a power cut would. Returns when.
    pub(crate) fn kill_validator(&self, place: u16) -> eyre::Result<Instant> {
        let pid = self.pid(&format!("validator-{place}"))?;
        let sent = Command::new("kill").args(["-KILL", &pid]).status()?;
        ensure!(sent.success(), "validator-{place} cannot be killed");
        Ok(Instant::now())
    }

    /// Removes the chain of the observer, which does not run.
    pub(crate) fn wipe_observer(&self) -> eyre::Result<()> {
        for entry in fs::read_dir(self.node("observer-1"))? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn quantity(value: &Value) -> eyre::Result<u64> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    Ok(u64::from_str_radix(text.ok_or_eyre("no number")?, 16)?)
}
