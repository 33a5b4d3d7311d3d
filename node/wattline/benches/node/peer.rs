//! The two nodes: how each is started, and how much memory it holds.

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};
use clap::ValueEnum;
use eyre::{WrapErr, bail, eyre};
use serde_json::{Value, json};
use tempfile::TempDir;
use wattline_daemon::keystore;

use crate::{GAS_LIMIT, Options, connection::Connection, senders::Senders};

pub(crate) const CHAIN_ID: u64 = 57_836;
const GENESIS: &str = include_str!("../../../../genesis/dev.json");
const PASSWORD: &str = "bench";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Wattline,
    Anvil,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Wattline => "wattline",
            Self::Anvil => "anvil",
        })
    }
}

/// A running node. Dropping it kills it and removes what it wrote.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    child: Child,
    _directory: TempDir,
}

/// The signer and bank of the development genesis.
pub(crate) fn bank() -> PrivateKeySigner {
    let phrase = "test test test test test test test test test test test junk";
    MnemonicBuilder::from_phrase_nth(phrase, 0)
}

impl Peer {
    pub(crate) async fn start(
        kind: Kind,
        options: &Options,
        senders: &Senders,
    ) -> eyre::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        let genesis = path.join("genesis.json");
        fs::write(&genesis, self::genesis(senders)?)?;
        let addr = free_address()?;
        let port = addr.port().to_string();
        let mut command = match kind {
            Kind::Wattline => {
                let keystore = keystore::save(path, "signer", PASSWORD, &bank())?;
                fs::write(path.join("password"), PASSWORD)?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_wattline"));
                command
                    .arg("node")
                    .arg("--datadir")
                    .arg(path.join("data"))
                    .arg("--chain")
                    .arg(&genesis)
                    .arg("--signer")
                    .arg(keystore)
                    .arg("--password-file")
                    .arg(path.join("password"))
                    .args(["--http.port", &port, "--metrics.port", "0"])
                    .args(["--log.filter", &options.log]);
                command
            }
            Kind::Anvil => {
                let mut command = Command::new(&options.anvil);
                command
                    .arg("--init")
                    .arg(&genesis)
                    .args(["--port", &port, "--block-time", "1", "--silent"])
                    .args(["--chain-id", &CHAIN_ID.to_string()])
                    .args(["--gas-limit", &GAS_LIMIT.to_string()])
                    .args(["--block-base-fee-per-gas", "0"]);
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("cannot start {:?}", command.get_program()))?;
        let mut peer = Self {
            addr,
            child,
            _directory: directory,
        };
        peer.wait_until_it_answers().await?;
        Ok(peer)
    }

    async fn wait_until_it_answers(&mut self) -> eyre::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(mut connection) = Connection::open(self.addr).await {
                let id = connection.call("eth_chainId", json!([])).await?;
                if id != json!(format!("{CHAIN_ID:#x}")) {
                    bail!("it is on chain {id}");
                }
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("it does not answer");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Resident memory in MiB, of the process and of those it started.
    pub(crate) fn memory(&self) -> eyre::Result<f64> {
        let mut kib = 0;
        let mut processes = vec![self.child.id()];
        while let Some(process) = processes.pop() {
            kib += resident(process)?;
            let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
            processes.extend(children.split_whitespace().flat_map(str::parse::<u32>));
        }
        Ok(kib as f64 / 1024.0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SIGTERM lets a wrapper script take its program with it.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resident(process: u32) -> eyre::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or_else(|| eyre!("no resident memory"))?.parse()?)
}

fn free_address() -> eyre::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The development genesis with funded senders and the bench's gas limit.
fn genesis(senders: &Senders) -> eyre::Result<String> {
    let mut genesis: Value = serde_json::from_str(GENESIS)?;
    // As anvil does: a block every second.
    genesis["config"]["clique"]["period"] = json!(1);
    genesis["config"]["wattline"] = json!({});
    genesis["gasLimit"] = json!(format!("{GAS_LIMIT:#x}"));
    for address in senders.addresses() {
        genesis["alloc"][format!("{address:#x}")] = json!({"balance": "0xd3c21bcecceda1000000"});
    }
    Ok(genesis.to_string())
}
