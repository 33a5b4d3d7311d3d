//! A tool of other people, run to its end.

use std::{
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use eyre::{OptionExt, WrapErr, ensure, eyre};
use tokio::process::Command;

use crate::repository;

/// How long a tool may take at most on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a tool left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A program of Foundry that `make tools` installed with the contracts: the one for this platform,
/// not the script around it, which takes longer to start than it does.
///
/// # Errors
///
/// It is not installed.
pub fn foundry(name: &str) -> eyre::Result<PathBuf> {
    let packages = repository().join("contracts/node_modules/@foundry-rs");
    let missing = || format!("{name} is missing: run `make tools` first");
    fs::read_dir(packages)
        .wrap_err_with(missing)?
        .filter_map(Result::ok)
        .filter(|entry| {
            let package = entry.file_name();
            let package = package.to_string_lossy();
            package
                .strip_prefix(name)
                .is_some_and(|platform| platform.starts_with('-'))
        })
        .map(|entry| entry.path().join("bin").join(name))
        .find(|path| path.exists())
        .ok_or_eyre(missing())
}

/// Runs a command to its end.
///
/// # Errors
///
/// It cannot be started, does not end, or does not print text.
pub async fn run(command: &mut Command) -> eyre::Result<Ended> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().wrap_err_with(|| {
        let program = command.as_std().get_program().display();
        format!("cannot run {program}; install the tools first with `make tools`")
    })?;
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| eyre!("still running after {PATIENCE:?}: {:?}", command.as_std()))??;
    Ok(Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Runs a command that must succeed and returns what it printed.
///
/// # Errors
///
/// It fails.
pub async fn succeed(command: &mut Command) -> eyre::Result<String> {
    let ended = run(command).await?;
    ensure!(
        ended.status.success(),
        "{:?} failed:\n{}\n{}",
        command.as_std(),
        ended.stdout,
        ended.stderr
    );
    Ok(ended.stdout)
}

/// Runs a command that must fail and returns its complaint.
///
/// # Errors
///
/// It succeeds, or says nothing of an error.
pub async fn fail(command: &mut Command) -> eyre::Result<String> {
    let ended = run(command).await?;
    ensure!(
        !ended.status.success() && ended.stderr.contains("Error"),
        "{:?} did not fail:\n{}",
        command.as_std(),
        ended.stdout
    );
    Ok(ended.stderr)
}
