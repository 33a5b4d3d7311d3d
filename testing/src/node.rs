//! A real node, on a directory on which it can start again.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use alloy::{
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use eyre::{OptionExt, bail};
use tempfile::TempDir;

use crate::{PATIENCE, Process, program};

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub struct RunningNode {
    process: Process,
    lines: mpsc::Receiver<String>,
    arguments: Vec<String>,
    /// Where it serves RPC.
    pub url: String,
    /// Its directory, if it goes with it; after the process, which is to end first.
    directory: Option<TempDir>,
}

impl RunningNode {
    /// Starts the node with these arguments and waits until it says where it serves RPC.
    ///
    /// # Errors
    ///
    /// It does not start, with what it said.
    pub fn start(arguments: &[&str]) -> eyre::Result<Self> {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let (process, lines, url) = launch(&arguments)?;
        Ok(Self {
            process,
            lines,
            arguments,
            url,
            directory: None,
        })
    }

    /// Starts a development chain without the market on a free port, kept in `datadir`.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn dev_chain(datadir: &Path) -> eyre::Result<Self> {
        let datadir = datadir.to_str().ok_or_eyre("the path is not UTF-8")?;
        Self::start(&[
            "dev",
            "--no-market",
            "--http.port",
            "0",
            "--datadir",
            datadir,
        ])
    }

    /// Starts a new development chain, whose directory goes when the node does.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn new_dev_chain() -> eyre::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut node = Self::dev_chain(&directory.path().join("chain"))?;
        node.directory = Some(directory);
        Ok(node)
    }

    /// Kills the node if it still runs, and starts it again on the same directory and port.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn restart(&mut self) -> eyre::Result<()> {
        self.kill()?;
        let port = self.url.rsplit(':').next().ok_or_eyre("no port")?;
        if let Some(place) = self.arguments.iter().position(|it| it == "--http.port") {
            port.clone_into(&mut self.arguments[place + 1]);
        }
        (self.process, self.lines, self.url) = launch(&self.arguments)?;
        Ok(())
    }

    /// A provider on the node's RPC.
    ///
    /// # Errors
    ///
    /// The node said no URL.
    pub fn provider(&self) -> eyre::Result<DynProvider> {
        Ok(ProviderBuilder::new()
            .connect_http(self.url.parse()?)
            .erased())
    }

    /// A provider that signs with `key`.
    ///
    /// # Errors
    ///
    /// The node said no URL.
    pub fn wallet(&self, key: PrivateKeySigner) -> eyre::Result<DynProvider> {
        Ok(ProviderBuilder::new()
            .wallet(key)
            .connect_http(self.url.parse()?)
            .erased())
    }

    /// Kills the node as a power cut would: SIGKILL.
    ///
    /// # Errors
    ///
    /// The system does not let it be killed.
    pub fn kill(&mut self) -> eyre::Result<()> {
        self.process.kill()
    }

    /// Sends the node a signal: `STOP`, `CONT`.
    ///
    /// # Errors
    ///
    /// The system does not send it.
    pub fn signal(&self, name: &str) -> eyre::Result<()> {
        self.process.signal(name)
    }

    /// Asks the node to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn stop(mut self) -> eyre::Result<ExitStatus> {
        self.process.stop()
    }

    /// Waits for the node to end by itself.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn wait(&mut self) -> eyre::Result<ExitStatus> {
        self.process.wait()
    }

    /// What the node has printed since it served RPC.
    pub fn printed(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

/// Starts a node and waits until it says where it serves RPC.
fn launch(arguments: &[String]) -> eyre::Result<(Process, mpsc::Receiver<String>, String)> {
    let mut process = Process::spawn(
        Command::new(program::wattline()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    let stdout = process.child.stdout.take().ok_or_eyre("no output")?;
    let mut stderr = process.child.stderr.take().ok_or_eyre("no errors")?;
    let (sender, lines) = mpsc::channel();
    // Both pipes are read to their ends, or the node stops at a full one.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let errors = thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(url) = rpc_url(&line) {
                    return Ok((process, lines, url));
                }
            }
            Err(_) => {
                process.kill()?;
                let status = process.wait()?;
                let errors = errors.join().unwrap_or_default();
                bail!("the node did not start ({status}):\n{errors}");
            }
        }
    }
}

fn rpc_url(line: &str) -> Option<String> {
    let start = line.find("http://").filter(|_| line.contains("RPC"))?;
    let url = &line[start..];
    Some(url.split_whitespace().next().unwrap_or(url).to_owned())
}
