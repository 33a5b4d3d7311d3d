//! The signals that ask a program to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that the first SIGINT or SIGTERM from here on cancels; neither ends the process by
/// itself any more.
///
/// # Errors
///
/// When the handlers cannot be installed.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn shutdown_on_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let requested = shutdown.clone();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!(signal, "asked to stop");
        requested.cancel();
    });
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[tokio::test]
    async fn either_signal_cancels_the_token() {
        for name in ["-INT", "-TERM"] {
            let shutdown = shutdown_on_signal().expect("handlers");
            assert!(!shutdown.is_cancelled());
            let sent = Command::new("kill")
                .args([name, &id().to_string()])
                .status();
            assert!(sent.expect("kill runs").success());
            shutdown.cancelled().await;
        }
    }
}
