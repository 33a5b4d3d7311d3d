//! A real node: `wattline dev --no-market` in a process of its own.

use crate::chain::eventually;
use alloy::{
    providers::{Provider, RootProvider},
    transports::http::reqwest::Url,
};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

pub(crate) struct Node {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

/// The node's binary: `WATTLINE_BIN`, or the one built beside meterd.
fn binary() -> PathBuf {
    let built = || Path::new(env!("CARGO_BIN_EXE_meterd")).with_file_name("wattline");
    let path = std::env::var_os("WATTLINE_BIN").map_or_else(built, PathBuf::from);
    assert!(
        path.exists(),
        "there is no node at {}: run `cargo build --bin wattline` first",
        path.display()
    );
    path
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

impl Node {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let port = free_port();
        let node = Self {
            child: spawn(dir.path(), port),
            port,
            dir,
        };
        node.wait_for_blocks().await;
        node
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn provider(&self) -> RootProvider {
        RootProvider::new_http(self.url().parse::<Url>().expect("URL"))
    }

    async fn wait_for_blocks(&self) {
        let provider = self.provider();
        eventually("the node answers", async || {
            provider
                .get_block_number()
                .await
                .ok()
                .filter(|number| *number > 0)
        })
        .await;
    }

    /// Kills it (SIGKILL).
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Starts it again on the same directory and port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.dir.path(), self.port);
        self.wait_for_blocks().await;
    }
}

fn spawn(dir: &Path, port: u16) -> Child {
    Command::new(binary())
        .args([
            "dev",
            "--no-market",
            "--http.port",
            &port.to_string(),
            "--datadir",
        ])
        .arg(dir.join("chain"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the node starts")
}
