//! The directory of a network: what is in it, and whether it can be used.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use eyre::{WrapErr, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{ChainChoice, ListenChoice, ports::Ports, setup};
use crate::spec::{GENESIS_FILE, LoadedSpec};

/// What was chosen at the first start; written last, so that a directory that has it is complete.
const KEPT: &str = "network.json";
/// The password of the keystores.
pub(super) const PASSWORD: &str = "password.txt";
/// Of each node: the number of its process while it runs.
const PID: &str = "pid";
/// Of each node: the keystore of its account, without `.json`.
pub(super) const SIGNER: &str = "signer";
/// Of each node: what it says.
const LOG: &str = "node.log";
/// Of each node: locked by whichever process uses its data.
const NODE_LOCK: &str = "db.lock";
/// How many nodes agree, unless told otherwise.
const VALIDATORS: u16 = 4;
/// The first port for peers, unless told otherwise.
const P2P_PORT: u16 = 30303;

/// What was chosen at the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) validators: u16,
    pub(super) observers: u16,
    pub(super) period_ms: u64,
    pub(super) epoch: u64,
    pub(super) p2p_port: u16,
    /// The genesis block of the file that the network's own was made from.
    pub(super) base: B256,
}

/// A node of the network.
#[derive(Clone, Debug)]
pub(super) struct NodeDir {
    /// `validator-1`, `observer-1`, ….
    pub(super) name: String,
    /// Its data directory.
    pub(super) path: PathBuf,
    pub(super) is_validator: bool,
    pub(super) ports: Ports,
}

impl NodeDir {
    pub(super) fn pid(&self) -> PathBuf {
        self.path.join(PID)
    }

    pub(super) fn signer(&self) -> PathBuf {
        self.path.join(SIGNER).with_extension("json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Where it serves JSON-RPC.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rpc)
    }

    /// Whether a process uses the node's data.
    fn runs(&self) -> eyre::Result<bool> {
        let Ok(lock) = File::open(self.path.join(NODE_LOCK)) else {
            return Ok(false);
        };
        match lock.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => {
                Err(error).wrap_err_with(|| format!("cannot look whether {} runs", self.name))
            }
        }
    }
}

/// The directory of a network that nobody else runs.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    kept: Kept,
    nodes: Vec<NodeDir>,
    chain_id: u64,
    /// Locked as long as this process runs the network.
    _lock: File,
}

impl Directory {
    /// Opens the network in `path`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// When it runs already, was made with other choices, or ports are in use; nothing is made
    /// then.
    pub(super) fn open(
        path: &Path,
        choice: &ChainChoice,
        listen: &ListenChoice,
    ) -> eyre::Result<Self> {
        let path = std::path::absolute(path)
            .wrap_err_with(|| format!("cannot use the directory {}", path.display()))?;
        let file = path.join(KEPT);
        let known = file.exists();
        if !known {
            first_start(&path, choice, listen)?;
        }
        let lock = lock(&file)?;
        let kept = read(&file)?;
        let nodes = nodes(&path, &kept, listen)?;
        if known {
            check_choice(&path, &kept, choice)?;
            check_ended(&nodes)?;
            for node in &nodes {
                node.ports.check_free(&node.name, false)?;
            }
        }
        let chain_id = LoadedSpec::load(None, &path)?.spec.chain_id();
        Ok(Self {
            path,
            kept,
            nodes,
            chain_id,
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was chosen at the first start.
    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Validators first.
    pub(super) fn nodes(&self) -> &[NodeDir] {
        &self.nodes
    }

    pub(super) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub(super) fn genesis(&self) -> PathBuf {
        self.path.join(GENESIS_FILE)
    }

    pub(super) fn password(&self) -> PathBuf {
        self.path.join(PASSWORD)
    }
}

/// Makes a network where there is none.
fn first_start(path: &Path, choice: &ChainChoice, listen: &ListenChoice) -> eyre::Result<()> {
    let base = LoadedSpec::load(Some(choice.genesis()), path)?.spec;
    let mut kept = Kept {
        validators: choice.validators.unwrap_or(VALIDATORS),
        observers: choice.observers.unwrap_or(0),
        period_ms: 0,
        epoch: 0,
        p2p_port: choice.p2p_port.unwrap_or(P2P_PORT),
        base: base.genesis_hash(),
    };
    let nodes = nodes(path, &kept, listen)?;
    check_empty(path, &nodes)?;
    for node in &nodes {
        node.ports.check_free(&node.name, true)?;
    }
    let chain = setup::make(path, &nodes, &base, choice)?;
    kept.period_ms = u64::try_from(chain.period().as_millis())?;
    kept.epoch = chain.clique().epoch;
    setup::write(&path.join(KEPT), &serde_json::to_string_pretty(&kept)?)
}

fn read(file: &Path) -> eyre::Result<Kept> {
    let text =
        fs::read_to_string(file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).wrap_err_with(|| {
        format!(
            "{} does not describe a network; restore it, or choose another --dir",
            file.display()
        )
    })
}

/// Whatever is chosen again must be what was chosen first.
fn check_choice(path: &Path, kept: &Kept, choice: &ChainChoice) -> eyre::Result<()> {
    if choice.genesis.is_some() {
        let base = LoadedSpec::load(Some(choice.genesis()), path)?.spec;
        ensure!(
            kept.base == base.genesis_hash(),
            "the network in {} was made from another genesis file: leave --genesis out, or choose \
             another --dir",
            path.display()
        );
    }
    let number = |it: Option<u16>| it.map(u64::from);
    for (option, chosen, kept) in [
        (
            "--validators",
            number(choice.validators),
            kept.validators.into(),
        ),
        (
            "--observers",
            number(choice.observers),
            kept.observers.into(),
        ),
        ("--period-ms", choice.period_ms, kept.period_ms),
        ("--epoch", choice.epoch, kept.epoch),
        ("--p2p-port", number(choice.p2p_port), kept.p2p_port.into()),
    ] {
        if let Some(chosen) = chosen.filter(|chosen| *chosen != kept) {
            bail!(
                "the network in {} was made with {option} {kept}, not {chosen}: leave {option} \
                 out, or choose another --dir",
                path.display()
            );
        }
    }
    Ok(())
}

fn nodes(path: &Path, kept: &Kept, listen: &ListenChoice) -> eyre::Result<Vec<NodeDir>> {
    let validator = (1..=kept.validators).map(|number| (true, format!("validator-{number}")));
    let observer = (1..=kept.observers).map(|number| (false, format!("observer-{number}")));
    let first = Ports {
        rpc: listen.rpc_port,
        p2p: kept.p2p_port,
        metrics: listen.metrics_port,
    };
    let ports = first.of(kept.validators.saturating_add(kept.observers))?;
    let named = validator.chain(observer).zip(ports);
    Ok(named
        .map(|((is_validator, name), ports)| NodeDir {
            path: path.join(&name),
            name,
            is_validator,
            ports,
        })
        .collect())
}

/// No node may run: a `wattline network` that was killed leaves its nodes behind.
fn check_ended(nodes: &[NodeDir]) -> eyre::Result<()> {
    let mut running = Vec::new();
    let mut pids = Vec::new();
    for node in nodes {
        if node.runs()? {
            running.push(node.name.as_str());
            if let Ok(pid) = fs::read_to_string(node.pid()) {
                pids.push(pid.trim().to_owned());
            }
        }
    }
    if !running.is_empty() {
        bail!(
            "{} of this network run already; if no `wattline network` attends to them, end them \
             with `kill {}`, and start again",
            running.join(", "),
            pids.join(" ")
        );
    }
    Ok(())
}

/// A first start that was broken off, or somebody else's files, are not written over.
fn check_empty(path: &Path, nodes: &[NodeDir]) -> eyre::Result<()> {
    let ours = nodes.iter().map(|node| node.path.clone());
    let mut ours = ours.chain([path.join(PASSWORD), path.join(GENESIS_FILE)]);
    if let Some(found) = ours.find(|it| it.exists()) {
        bail!(
            "{} is there, but {} holds no network: a first start may have been broken off. Remove \
             the directory, or choose another --dir",
            found.display(),
            path.display()
        );
    }
    Ok(())
}

fn lock(file: &Path) -> eyre::Result<File> {
    let lock = File::open(file).wrap_err_with(|| format!("cannot open {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another `wattline network` runs the network of {}",
            file.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).wrap_err_with(|| format!("cannot lock {}", file.display()))
        }
    }
}
