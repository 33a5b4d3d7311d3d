//! The nodes of a consortium, each a process on a directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, B256};
use eyre::{OptionExt as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use wattline_daemon::keystore;
use wattline_genesis::{FirstMember, MemberRole, Nodes, to_json, with_nodes};
use wattline_testing::{PATIENCE, RunningNode, dev_key, repository, rpc::Peer};

use super::ports::free_ports;
use crate::common;

const PASSWORD: &str = "secret";

/// Who is in a consortium.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Nodes that agree on blocks from the start.
    pub(super) validators: usize,
    /// Nodes of members that may be voted in.
    pub(super) candidates: usize,
    /// Nodes that follow.
    pub(super) observers: usize,
    /// Blocks of an epoch.
    pub(super) epoch: u64,
}

/// A consortium: validators first, then candidates, then observers.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) genesis: PathBuf,
    // After the processes, which are to end first.
    pub(super) dir: TempDir,
}

/// A node, whether it runs or not.
pub(super) struct Node {
    process: Option<RunningNode>,
    arguments: Vec<String>,
    pub(super) datadir: PathBuf,
    pub(super) signer: Address,
    pub(super) node_key: B256,
    pub(super) rpc: Peer,
}

/// Where a node is in the agreement.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) committee: usize,
    pub(super) votes: bool,
    pub(super) reason: String,
}

impl Cluster {
    /// Makes the nodes, and starts none.
    pub(super) fn new(plan: Plan) -> eyre::Result<Self> {
        Self::with(plan, |_, address| address)
    }

    /// As [`Self::new`], with the addresses in the contract that `change` makes of the true ones.
    pub(super) fn with(plan: Plan, change: impl Fn(usize, String) -> String) -> eyre::Result<Self> {
        let dir = tempfile::tempdir()?;
        let genesis = dir.path().join("genesis.json");
        fs::write(dir.path().join("password"), PASSWORD)?;
        let members = plan.validators + plan.candidates;
        let count = members + plan.observers;
        let ports = free_ports(2 * count);
        let (mut nodes, mut changed) = (Vec::new(), Nodes::default());
        for (index, ports) in ports.chunks(2).enumerate() {
            let &[p2p, rpc] = ports else { continue };
            let node = Node::make(dir.path(), index, index < members, p2p, rpc)?;
            if index < plan.validators {
                changed.signers.push(node.signer);
            }
            changed.members.push(FirstMember {
                name: format!("node-{index}"),
                signer: node.signer,
                node_key: Some(node.node_key),
                address: change(index, format!("127.0.0.1:{p2p}")),
                role: if index < members {
                    MemberRole::Validator
                } else {
                    MemberRole::Observer
                },
            });
            nodes.push(node);
        }
        changed.epoch = Some(plan.epoch);
        let base = fs::read_to_string(repository().join("genesis/dev.json"))?;
        let made = with_nodes(serde_json::from_str(&base)?, &changed)?;
        fs::write(&genesis, to_json(&made)?)?;
        Ok(Self {
            nodes,
            genesis,
            dir,
        })
    }

    /// Makes the nodes and starts all.
    pub(super) async fn start(plan: Plan) -> eyre::Result<Self> {
        let mut cluster = Self::new(plan)?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    /// Starts all nodes that do not run, side by side.
    pub(super) async fn start_all(&mut self) -> eyre::Result<()> {
        let starting = self
            .nodes
            .iter_mut()
            .filter(|node| node.process.is_none())
            .map(|node| node.start(&[]));
        for started in futures::future::join_all(starting).await {
            started?;
        }
        Ok(())
    }

    /// Kills all nodes that run, as a power cut would.
    pub(super) fn kill_all(&mut self) -> eyre::Result<()> {
        self.nodes.iter_mut().try_for_each(Node::kill)
    }

    /// A node like that at `index`, with this key, on a directory and ports of its own.
    pub(super) fn copy_of(&self, index: usize, node_key: &[u8]) -> eyre::Result<Node> {
        let &[p2p, rpc] = free_ports(2).as_slice() else {
            bail!("no ports");
        };
        let root = self.dir.path().join("copy");
        fs::create_dir(&root)?;
        fs::copy(&self.genesis, root.join("genesis.json"))?;
        fs::write(root.join("password"), PASSWORD)?;
        let node = Node::make(&root, index, true, p2p, rpc)?;
        fs::write(node.datadir.join("node.key"), node_key)?;
        Ok(node)
    }

    /// Those that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.process.is_some())
    }
}

impl Node {
    fn make(root: &Path, index: usize, seals: bool, p2p: u16, rpc: u16) -> eyre::Result<Self> {
        let datadir = root.join(format!("node-{index}"));
        let key = dev_key(u32::try_from(index)?);
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec!["node".to_owned()];
        let mut push = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        push("--datadir", text(datadir.clone()));
        push("--chain", text(root.join("genesis.json")));
        push("--p2p.addr", "127.0.0.1".to_owned());
        push("--p2p.port", p2p.to_string());
        push("--http.port", rpc.to_string());
        push("--http.api", "all".to_owned());
        push("--metrics.port", "0".to_owned());
        if seals {
            let name = format!("signer-{index}");
            let keystore = keystore::save(root, &name, PASSWORD, &key)?;
            push("--signer", text(keystore));
            push("--password-file", text(root.join("password")));
        }
        Ok(Self {
            process: None,
            arguments,
            node_key: node_key(&datadir)?,
            datadir,
            signer: key.address(),
            rpc: Peer::new(&format!("http://127.0.0.1:{rpc}")),
        })
    }

    /// Starts it, with further options.
    pub(super) async fn start(&mut self, options: &[&str]) -> eyre::Result<()> {
        let mut arguments = self.arguments.clone();
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let started = tokio::task::spawn_blocking(move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            RunningNode::start(&arguments)
        });
        self.process = Some(started.await??);
        Ok(())
    }

    /// Kills it as a power cut would, if it runs.
    pub(super) fn kill(&mut self) -> eyre::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Asks it to end, which it does in order.
    pub(super) async fn stop(&mut self) -> eyre::Result<()> {
        let process = self.process.take().ok_or_eyre("it does not run")?;
        let status = tokio::task::spawn_blocking(move || process.stop()).await??;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }

    /// Sends its process a signal.
    pub(super) fn signal(&self, name: &str) -> eyre::Result<()> {
        let process = self.process.as_ref().ok_or_eyre("it does not run")?;
        process.signal(name)
    }

    /// Removes its data but for the node key.
    pub(super) fn wipe(&self) -> eyre::Result<()> {
        for entry in fs::read_dir(&self.datadir)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if !path.ends_with("node.key") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The number of its last final block.
    pub(super) async fn head(&self) -> eyre::Result<u64> {
        quantity(&self.rpc.result("eth_blockNumber", json!([])).await?)
    }

    /// Waits until its chain is at least so high, and tells how long that took.
    pub(super) async fn reach(&self, number: u64) -> eyre::Result<Duration> {
        self.reach_within(number, PATIENCE).await
    }

    /// As [`Self::reach`], with so much patience.
    pub(super) async fn reach_within(&self, number: u64, span: Duration) -> eyre::Result<Duration> {
        let begun = Instant::now();
        loop {
            let head = self.head().await?;
            if head >= number {
                return Ok(begun.elapsed());
            }
            ensure!(
                begun.elapsed() < span,
                "{} stands at {head} after {span:?}, waiting for {number}: {:?}",
                self.datadir.display(),
                self.standing().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a block that is made from now on has its seal.
    pub(super) async fn seals_again(&self) -> eyre::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let begun = Instant::now();
        let mut next = self.head().await? + 1;
        loop {
            let head = self.head().await?;
            let blocks = self.blocks(next..=head).await?;
            if let Some(first) = blocks.iter().find(|block| u128::from(block.time) >= now)
                && self
                    .sealers(first.number..=head)
                    .await?
                    .contains(&self.signer)
            {
                return Ok(());
            }
            next = head + 1;
            ensure!(
                begun.elapsed() < PATIENCE,
                "{} does not seal: {:?}",
                self.datadir.display(),
                self.standing().await
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Proof that keys broke the rules.
    pub(super) async fn evidence(&self) -> eyre::Result<Vec<Value>> {
        let found = self.rpc.result("consensus_getEvidence", json!([])).await?;
        Ok(serde_json::from_value(found)?)
    }

    /// Where it is in the agreement.
    pub(super) async fn standing(&self) -> eyre::Result<Standing> {
        let status = self.rpc.result("consensus_status", json!([])).await?;
        let committee = status["committee"].as_array().ok_or_eyre("no committee")?;
        Ok(Standing {
            committee: committee.len(),
            votes: status["votes"].as_bool().ok_or_eyre("no vote")?,
            reason: status["reason"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Votes for or against a signer, in the blocks that it seals from now on.
    pub(super) async fn propose(&self, signer: Address, add: bool) -> eyre::Result<()> {
        let params = json!([signer, add]);
        self.rpc.result("clique_propose", params).await.map(drop)
    }
}

/// The public key of the node with this data directory, made if there is none.
pub(super) fn node_key(datadir: &Path) -> eyre::Result<B256> {
    let datadir = datadir.to_string_lossy();
    let (status, out, err) = common::run(&["account", "node-key", "--datadir", &datadir])?;
    ensure!(status.success(), "{err}");
    Ok(out.trim().parse()?)
}

/// A number as JSON-RPC writes it.
pub(super) fn quantity(value: &Value) -> eyre::Result<u64> {
    let text = value.as_str().ok_or_eyre("no number")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}
