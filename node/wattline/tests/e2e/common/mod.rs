//! Starts the real binary and talks to it as its users do.
#![allow(missing_docs, unreachable_pub)]

pub mod replays;

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use alloy::{
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::{MnemonicBuilder, PrivateKeySigner},
};
use eyre::{WrapErr, bail, eyre};

/// The development mnemonic; its first ten accounts are funded in the development genesis.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The chain id of the development genesis files.
pub const CHAIN_ID: u64 = 57836;
/// How long a loaded machine may take for what is quick on an idle one.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The key of a development account.
pub fn dev_key(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::from_phrase_nth(MNEMONIC, index)
}

/// A command of the binary under test.
pub fn wattline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattline"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its exit status, standard output and standard error.
pub fn run(args: &[&str]) -> eyre::Result<(ExitStatus, String, String)> {
    let output = wattline(args).output()?;
    Ok((
        output.status,
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    ))
}

/// Runs a command that must fail and returns what it says.
pub fn fails(args: &[&str]) -> eyre::Result<String> {
    let (status, stdout, stderr) = run(args)?;
    if status.success() {
        bail!(
            "`wattline {}` succeeded and printed {stdout}",
            args.join(" ")
        );
    }
    Ok(stderr)
}

/// A running node. Dropping it kills it.
pub struct RunningNode {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub url: String,
}

impl RunningNode {
    /// Starts the binary and waits until it says where it serves RPC.
    pub fn start(args: &[&str]) -> eyre::Result<Self> {
        let mut child = wattline(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| eyre!("no standard output"))?;
        let mut stderr = child
            .stderr
            .take()
            .ok_or_else(|| eyre!("no standard error"))?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = rpc_url(&line) {
                        return Ok(Self { child, lines, url });
                    }
                }
                Err(_) => {
                    let _ = child.kill();
                    let status = child.wait()?;
                    let errors = errors.join().unwrap_or_default();
                    bail!("the node did not start ({status}):\n{errors}");
                }
            }
        }
    }

    /// Starts a development chain without the market on a free port, kept in `datadir`.
    pub fn dev_chain(datadir: &Path) -> eyre::Result<Self> {
        let datadir = datadir
            .to_str()
            .ok_or_else(|| eyre!("the path is not UTF-8"))?;
        Self::start(&[
            "dev",
            "--no-market",
            "--http.port",
            "0",
            "--datadir",
            datadir,
        ])
    }

    /// A provider on the node's RPC.
    pub fn provider(&self) -> eyre::Result<DynProvider> {
        Ok(ProviderBuilder::new()
            .connect_http(self.url.parse()?)
            .erased())
    }

    /// A provider that signs with `key`.
    pub fn wallet(&self, key: PrivateKeySigner) -> eyre::Result<DynProvider> {
        Ok(ProviderBuilder::new()
            .wallet(key)
            .connect_http(self.url.parse()?)
            .erased())
    }

    /// Kills the process as a power cut would: SIGKILL.
    pub fn kill(mut self) -> eyre::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to stop (SIGTERM) and waits for its end.
    pub fn stop(mut self) -> eyre::Result<ExitStatus> {
        let killed = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        if !killed.success() {
            bail!("cannot send SIGTERM");
        }
        self.wait()
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> eyre::Result<ExitStatus> {
        let deadline = Instant::now() + 4 * PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the node did not end")
    }

    /// What the process has printed since it served RPC.
    pub fn printed(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rpc_url(line: &str) -> Option<String> {
    let start = line.find("http://").filter(|_| line.contains("RPC"))?;
    let url = &line[start..];
    Some(url.split_whitespace().next().unwrap_or(url).to_owned())
}

/// Waits until the chain is at least `number` blocks high.
pub async fn wait_for_block(provider: &DynProvider, number: u64) -> eyre::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let head = provider
            .get_block_number()
            .await
            .wrap_err("the node does not answer")?;
        if head >= number {
            return Ok(head);
        }
        if Instant::now() > deadline {
            bail!("the chain stands at block {head}, waiting for {number}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
