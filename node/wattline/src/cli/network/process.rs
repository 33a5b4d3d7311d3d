//! A node as a process of its own.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use eyre::WrapErr;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::directory::{Directory, NodeDir};

/// How long a node may take to end; it gives its own parts 20 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of the end of a log is searched for the reason of an end, in bytes.
const LAST_WORDS: u64 = 4_096;
/// Most bytes of a socket's path on Unix systems, some take a few more.
const MAX_SOCKET_PATH: usize = 100;

/// A node that runs.
pub(super) struct Process {
    child: Child,
    node: NodeDir,
}

/// How a node ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// None: the system does not say.
    status: Option<ExitStatus>,
    /// It was told to end, and did not.
    killed: bool,
}

/// Starts a node, which says what it has to say in its log.
///
/// # Errors
///
/// When it cannot be started.
pub(super) fn start(node: &NodeDir, directory: &Directory) -> eyre::Result<Process> {
    let spawned = || -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(node.log())?;
        let child = Command::new(std::env::current_exe()?)
            .args(arguments(node, directory))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the parent, which tells the nodes.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        fs::write(node.pid(), format!("{pid}\n"))?;
        Ok(child)
    };
    let child = spawned().wrap_err_with(|| format!("cannot start {}", node.name))?;
    Ok(Process {
        child,
        node: node.clone(),
    })
}

/// The command line of a node, without the program.
fn arguments(node: &NodeDir, directory: &Directory) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["node".into(), "--datadir".into()];
    arguments.push(node.path.clone().into());
    arguments.extend(["--chain".into(), directory.genesis().into()]);
    if node.is_validator {
        arguments.extend(["--signer".into(), node.signer().into()]);
        arguments.extend(["--password-file".into(), directory.password().into()]);
    }
    arguments.extend(["--p2p.addr", "127.0.0.1", "--http.api", "all"].map(OsString::from));
    for (option, port) in [
        ("--p2p.port", node.ports.p2p),
        ("--http.port", node.ports.rpc),
        ("--metrics.port", node.ports.metrics),
    ] {
        arguments.extend([option.into(), port.to_string().into()]);
    }
    // In a directory far down there is no room for a socket; HTTP serves the same.
    if node.path.as_os_str().len() > MAX_SOCKET_PATH - "/wattline.ipc".len() {
        arguments.push("--ipc.disable".into());
    }
    arguments
}

impl Process {
    /// Waits for its end, which comes when `stop` says so.
    pub(super) async fn attended(mut self, stop: CancellationToken) -> Ended {
        let ended = tokio::select! {
            status = self.child.wait() => Ended { status: status.ok(), killed: false },
            () = stop.cancelled() => self.end().await,
        };
        // Who finds it later may take it for a process that runs.
        let _ = fs::remove_file(self.node.pid());
        ended
    }

    async fn end(&mut self) -> Ended {
        if let Some(pid) = self.child.id() {
            // Where it cannot be asked, it is killed in the end: it starts again at a whole block.
            let _ = Command::new("sh")
                .args(["-c", "kill -TERM \"$0\"", &pid.to_string()])
                .status()
                .await;
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ended {
                status: status.ok(),
                killed: false,
            },
            Err(_) => {
                let _ = self.child.kill().await;
                Ended {
                    status: self.child.wait().await.ok(),
                    killed: true,
                }
            }
        }
    }
}

impl Ended {
    /// Whether it ended as a node does that is told to.
    pub(super) fn is_clean(&self) -> bool {
        !self.killed && self.status.is_some_and(|status| status.success())
    }

    /// How it ended, in a few words.
    pub(super) fn how(&self) -> String {
        match self.status {
            Some(status) if self.killed => format!("{status}, it did not end within {PATIENCE:?}"),
            Some(status) => status.to_string(),
            None => "nobody knows how".to_owned(),
        }
    }

    /// How it ended and why, and how to start it again.
    pub(super) fn told(&self, node: &NodeDir, directory: &Directory) -> String {
        let NodeDir { name, .. } = node;
        let why = match last_error(node) {
            Ok(Some(error)) if !self.is_clean() => format!("; its log ends with `{error}`"),
            _ => String::new(),
        };
        let program = std::env::current_exe().unwrap_or_else(|_| "wattline".into());
        let mut again = program.display().to_string();
        for argument in arguments(node, directory) {
            again.push(' ');
            again.push_str(&argument.to_string_lossy());
        }
        format!(
            "{name} ended: {}{why}. It is not started again; this does:\n  {again}",
            self.how()
        )
    }
}

/// The error at the end of a node's log, if it ends with one.
fn last_error(node: &NodeDir) -> io::Result<Option<String>> {
    let mut log = File::open(node.log())?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
    let mut words = Vec::new();
    log.take(LAST_WORDS).read_to_end(&mut words)?;
    let words = String::from_utf8_lossy(&words);
    let last = words.lines().next_back();
    Ok(last
        .filter(|line| line.starts_with("error: "))
        .map(str::to_owned))
}
