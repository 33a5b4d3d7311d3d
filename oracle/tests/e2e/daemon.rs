//! The daemon in a process of its own, with its configuration and keystores.

use crate::village::Village;
use alloy::transports::http::reqwest;
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};
use wattline_daemon::keystore;
use wattline_testing::{Process, wait::free_port};

const PASSWORD: &str = "secret";

pub(crate) struct Meterd {
    dir: tempfile::TempDir,
    head: String,
    tail: String,
    submission: String,
    port: Option<u16>,
}

impl Meterd {
    pub(crate) fn new(
        village: &Village,
        rpc: &str,
        intervals: &str,
        start: u64,
        count: Option<u64>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("password"), PASSWORD).expect("written");
        fs::write(dir.path().join("intervals.csv"), intervals).expect("written");
        keystore::save(dir.path(), "submitter", PASSWORD, village.submitter()).expect("saved");
        let meterd = Self {
            head: format!("rpc = {rpc:?}\nchain_id = 57836\noutbox = \"outbox.redb\"\n"),
            tail: format!(
                "[submitter]\nkeystore = \"submitter.json\"\npassword_file = \"password\"\n\
                 [meters]\nkeystores = \"keys\"\npassword_file = \"password\"\n\
                 [source]\nkind = \"csv\"\nfile = \"intervals.csv\"\nfrom = \"2016-06-07T00:00:00Z\"\n\
                 start = {start}\ninterval_seconds = 1\n{}",
                count.map_or_else(String::new, |count| format!("intervals = {count}\n"))
            ),
            submission: "confirmations = 2\npoll_ms = 100\nresend_seconds = 1".to_owned(),
            port: None,
            dir,
        };
        meterd.add_meters(village, 0..village.len());
        meterd
    }

    fn add_meters(&self, village: &Village, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let keys = self.dir.path().join("keys");
            keystore::save(&keys, &format!("M{number}"), PASSWORD, &village.key(number))
                .expect("saved");
        }
    }

    /// Also reads a meter that the village has not registered.
    pub(crate) fn with_extra_meter(self, number: usize) -> Self {
        let keys = self.dir.path().join("keys");
        let key = Village::key_of(number);
        keystore::save(&keys, &format!("M{number}"), PASSWORD, &key).expect("saved");
        self
    }

    pub(crate) fn submission(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.submission);
        self
    }

    /// Answers for its health and metrics.
    pub(crate) fn listening(mut self) -> Self {
        self.port = free_port().ok();
        self
    }

    fn config(&self) -> PathBuf {
        let listen = self.port.map_or_else(String::new, |port| {
            format!("listen = \"127.0.0.1:{port}\"\n")
        });
        // Any reading that waits for more than a few seconds is a matter of concern here.
        let text = format!(
            "{}{listen}max_age_seconds = 15\n[submission]\n{}\n{}",
            self.head, self.submission, self.tail
        );
        let path = self.dir.path().join("meterd.toml");
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn spawn(&self) -> Running {
        let log = self.dir.path().join("log");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log");
        let process = Process::spawn(
            Command::new(env!("CARGO_BIN_EXE_meterd"))
                .args(["run", "--config"])
                .arg(self.config())
                .stdout(Stdio::null())
                .stderr(file),
        )
        .expect("meterd starts");
        Running {
            process,
            port: self.port,
            log,
        }
    }

    /// What `meterd status` says.
    pub(crate) fn status(&self) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_meterd"))
            .args(["status", "--config"])
            .arg(self.config())
            .output()
            .expect("meterd runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

pub(crate) struct Running {
    process: Process,
    port: Option<u16>,
    log: PathBuf,
}

impl Running {
    /// Its exit status, if it ends in this time.
    pub(crate) fn ended_within(&mut self, span: Duration) -> Option<ExitStatus> {
        self.process.ended_within(span).expect("it is asked")
    }

    /// Waits until it has delivered everything and ended in good order.
    pub(crate) fn succeed(&mut self) {
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Kills it (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
    }

    /// Asks it to stop (SIGTERM), and sees it stop in good order.
    pub(crate) fn stop(&mut self) {
        let status = self.process.stop().expect("it stops");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    async fn get(&self, path: &str) -> Option<reqwest::Response> {
        reqwest::get(format!("http://127.0.0.1:{}/{path}", self.port?))
            .await
            .ok()
    }

    pub(crate) async fn metrics(&self) -> Option<String> {
        self.get("metrics").await?.text().await.ok()
    }

    pub(crate) async fn health(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.get("health").await?.text().await.ok()?).ok()
    }

    pub(crate) async fn health_status(&self) -> Option<u16> {
        Some(self.get("health").await?.status().as_u16())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("log")
    }
}
