//! `wattline network`: one command for a consortium on this machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use eyre::{OptionExt as _, ensure};
use serde_json::json;
use wattline_testing::{Process, eventually, program, rpc::Peer};

use super::{nodes::quantity, ports::free_row};
use crate::common::fails;

const NODES: [&str; 3] = ["validator-1", "validator-2", "observer-1"];

/// A network of two validators and an observer.
struct Network {
    root: tempfile::TempDir,
    ports: u16,
}

impl Network {
    fn new() -> eyre::Result<Self> {
        Ok(Self {
            root: tempfile::tempdir()?,
            // Three each for JSON-RPC, peers and metrics.
            ports: free_row(9),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("net").join(name)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.root.path().join("said")).unwrap_or_default()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut arguments = vec!["network".to_owned(), "--dir".to_owned()];
        arguments.push(self.root.path().join("net").display().to_string());
        for (option, place) in [("--rpc-port", 0), ("--metrics-port", 6)] {
            arguments.extend([option.to_owned(), (self.ports + place).to_string()]);
        }
        arguments.extend(more.iter().map(|&it| it.to_owned()));
        arguments
    }

    fn start(&self, more: &[&str]) -> eyre::Result<Process> {
        let said = File::create(self.root.path().join("said"))?;
        Process::spawn(
            Command::new(program::wattline()?)
                .args(self.arguments(more))
                .stdout(said.try_clone()?)
                .stderr(said),
        )
    }

    /// What it says to a start that it refuses.
    fn refused(&self, more: &[&str]) -> eyre::Result<String> {
        let arguments = self.arguments(more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        fails(&arguments)
    }

    fn rpc(&self, place: u16) -> Peer {
        Peer::new(&format!("http://127.0.0.1:{}", self.ports + place))
    }

    /// Waits until every node's chain is so high.
    async fn reach(&self, number: u64) {
        for place in 0..3 {
            let rpc = self.rpc(place);
            eventually(
                &format!("{} at {number}: {}", NODES[usize::from(place)], self.said()),
                async || {
                    let head = rpc.result("eth_blockNumber", json!([])).await.ok()?;
                    (quantity(&head).ok()? >= number).then_some(())
                },
            )
            .await;
        }
    }

    fn pid(&self, node: &str) -> eyre::Result<String> {
        Ok(fs::read_to_string(self.path(node).join("pid"))?
            .trim()
            .to_owned())
    }
}

fn send(signal: &str, pid: &str) -> eyre::Result<()> {
    let sent = Command::new("kill").args([signal, pid]).status()?;
    ensure!(sent.success(), "cannot send {signal} to {pid}");
    Ok(())
}

fn runs(pid: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie waits only for somebody to ask how it ended.
    !state.is_empty() && !state.contains(") Z ")
}

async fn ends(pid: &str) {
    eventually("the process ends", async || (!runs(pid)).then_some(())).await;
}

fn is_private(file: &Path) -> eyre::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(file)?.permissions().mode() & 0o077 == 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_made_watched_ended_and_continued() -> eyre::Result<()> {
    let network = Network::new()?;
    let p2p = (network.ports + 3).to_string();
    let made = [
        "--validators",
        "2",
        "--observers",
        "1",
        "--period-ms",
        "200",
        "--epoch",
        "40",
        "--p2p-port",
        &p2p,
    ];
    let mut parent = network.start(&made)?;
    network.reach(3).await;
    for secret in [
        "password.txt",
        "validator-1/signer.json",
        "observer-1/node.key",
    ] {
        ensure!(
            is_private(&network.path(secret))?,
            "{secret} is open to others"
        );
    }
    let said = network.said();
    ensure!(
        said.contains("blocks at least 200 ms apart, a checkpoint every 40 blocks"),
        "{said}"
    );
    let status = network.rpc(0).result("consensus_status", json!([])).await?;
    ensure!(
        status["committee"].as_array().map(Vec::len) == Some(2),
        "{status}"
    );
    ensure!(status["votes"] == true, "{status}");

    // One network has one attendant.
    let said = network.refused(&[])?;
    ensure!(
        said.contains("another `wattline network` runs the network of "),
        "{said}"
    );

    // Who dies is named, and nobody else is disturbed.
    let observer = network.pid("observer-1")?;
    send("-KILL", &observer)?;
    eventually("the end is told", async || {
        network
            .said()
            .contains("observer-1 ended: signal: 9 (SIGKILL)")
            .then_some(())
    })
    .await;
    ensure!(
        !network.path("observer-1/pid").exists(),
        "a dead process has a pid"
    );

    // SIGTERM, as Ctrl-C, ends all in order.
    let validator = network.pid("validator-1")?;
    let head = quantity(&network.rpc(0).result("eth_blockNumber", json!([])).await?)?;
    let status = parent.stop()?;
    ensure!(
        status.success(),
        "it ended with {status}: {}",
        network.said()
    );
    ensure!(!runs(&validator), "a validator outlives the end");
    let log = fs::read_to_string(network.path("validator-1/node.log"))?;
    ensure!(
        log.contains("stopped number="),
        "validator-1 was not asked to end"
    );

    // Other choices are refused, the same and none go on.
    for (more, expected) in [
        (
            ["--validators", "3"],
            "was made with --validators 2, not 3: leave --validators out",
        ),
        (["--observers", "0"], "was made with --observers 1, not 0"),
        (
            ["--period-ms", "250"],
            "was made with --period-ms 200, not 250",
        ),
        (["--epoch", "60"], "was made with --epoch 40, not 60"),
        (
            ["--genesis", "dev"],
            "was made from another genesis file: leave --genesis out",
        ),
    ] {
        let said = network.refused(&more)?;
        ensure!(said.contains(expected), "{said}");
    }
    let mut parent = network.start(&made)?;
    network.reach(head + 2).await;

    // Nodes whose attendant was killed live on, and do not go unnoticed.
    let left: Vec<_> = NODES
        .iter()
        .map(|node| network.pid(node))
        .collect::<Result<_, _>>()?;
    parent.kill()?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let said = network.refused(&[])?;
    ensure!(
        said.contains("validator-1, validator-2, observer-1 of this network run already"),
        "{said}"
    );
    ensure!(
        said.contains(&format!("`kill {}`", left.join(" "))),
        "{said}"
    );
    for pid in &left {
        send("-TERM", pid)?;
    }
    for pid in &left {
        ends(pid).await;
    }
    let mut parent = network.start(&[])?;
    network.reach(head + 4).await;
    let status = parent.stop()?;
    ensure!(
        status.success(),
        "it ended with {status}: {}",
        network.said()
    );
    Ok(())
}

#[test]
fn what_a_network_cannot_be_made_of_is_named_and_nothing_is_made() -> eyre::Result<()> {
    let network = Network::new()?;
    let p2p = (network.ports + 3).to_string();
    let taken = std::net::TcpListener::bind(("127.0.0.1", network.ports))?;
    let said = network.refused(&["--validators", "2", "--p2p-port", &p2p])?;
    ensure!(
        said.contains(&format!(
            "port {}, for JSON-RPC of validator-1, cannot be used: end what listens there, or \
             choose others with --rpc-port BASE",
            network.ports
        )),
        "{said}"
    );
    drop(taken);
    let said = network.refused(&[
        "--validators",
        "2",
        "--p2p-port",
        &network.ports.to_string(),
    ])?;
    ensure!(said.contains("would be used twice, by "), "{said}");

    let file = network.root.path().join("base.json");
    fs::write(&file, "{}")?;
    let base = file.to_str().ok_or_eyre("the path is not UTF-8")?;
    let said = network.refused(&["--validators", "2", "--p2p-port", &p2p, "--genesis", base])?;
    ensure!(
        said.contains("genesis key `config.chainId` is missing"),
        "{said}"
    );
    ensure!(!network.path("").exists(), "something was made");

    // What is there is not written over.
    fs::create_dir_all(network.path("validator-1"))?;
    let said = network.refused(&["--validators", "2", "--p2p-port", &p2p])?;
    ensure!(
        said.contains("a first start may have been broken off"),
        "{said}"
    );
    Ok(())
}
