//! A program that runs, stopped or killed at any instant.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use eyre::{OptionExt, WrapErr, bail, ensure};

use crate::PATIENCE;

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pub(crate) child: Child,
}

impl Process {
    /// Starts a program without standard input.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn spawn(command: &mut Command) -> eyre::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Kills it as a power cut would: SIGKILL.
    ///
    /// # Errors
    ///
    /// The system does not let it be killed.
    pub fn kill(&mut self) -> eyre::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn stop(&mut self) -> eyre::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait()
    }

    /// Sends it a signal: `TERM`, `STOP`, `CONT`.
    ///
    /// # Errors
    ///
    /// The system does not send it.
    pub fn signal(&self, name: &str) -> eyre::Result<()> {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()?;
        ensure!(sent.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// Waits for it to end by itself, as long as a whole market may take.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn wait(&mut self) -> eyre::Result<ExitStatus> {
        self.ended_within(3 * PATIENCE)?
            .ok_or_eyre("the process did not end")
    }

    /// Its exit status, if it ends in this time.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn ended_within(&mut self, span: Duration) -> eyre::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + span;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(POLL.min(left));
        }
    }

    /// Waits for it to end, which must be with success.
    ///
    /// # Errors
    ///
    /// It does not end, or fails.
    pub fn succeed(&mut self) -> eyre::Result<()> {
        let status = self.wait()?;
        if !status.success() {
            bail!("the process ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
