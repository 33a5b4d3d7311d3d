//! Runs a tool to its end.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use eyre::{WrapErr, ensure, eyre};
use tokio::process::Command;

/// How long a tool may take at most on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a tool left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The folder of these tests.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools"))
}

/// A tool that `make tools` installed with the contracts.
pub(crate) fn foundry(name: &str) -> Command {
    Command::new(
        folder()
            .join("../../../../contracts/node_modules/.bin")
            .join(name),
    )
}

/// Runs a command to its end.
pub(crate) async fn run(command: &mut Command) -> eyre::Result<Ended> {
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

/// Runs a tool of Foundry that must succeed and returns what it printed.
pub(crate) async fn succeed(command: &mut Command) -> eyre::Result<String> {
    let ended = run(command).await?;
    // The npm packages' wrappers end with success even where the tool itself did not.
    ensure!(
        ended.status.success() && !ended.stderr.contains("Error"),
        "{:?} failed:\n{}\n{}",
        command.as_std(),
        ended.stdout,
        ended.stderr
    );
    Ok(ended.stdout)
}

/// Runs a tool of Foundry that must fail and returns its complaint.
pub(crate) async fn fail(command: &mut Command) -> eyre::Result<String> {
    let ended = run(command).await?;
    ensure!(
        ended.stderr.contains("Error"),
        "{:?} did not fail:\n{}",
        command.as_std(),
        ended.stdout
    );
    Ok(ended.stderr)
}
