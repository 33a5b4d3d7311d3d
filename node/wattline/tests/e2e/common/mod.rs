//! What the tests of the real binary share.
#![allow(missing_docs, unreachable_pub)]

pub mod replays;

use std::process::{Command, ExitStatus, Stdio};

use eyre::bail;

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
