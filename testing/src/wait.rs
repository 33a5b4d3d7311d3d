//! Waiting for what must come.

use std::{
    io,
    net::TcpListener,
    time::{Duration, Instant},
};

use alloy::providers::{DynProvider, Provider};
use eyre::{WrapErr, bail};

/// How long anything may take on a loaded machine. Nothing takes that long unless something is
/// broken.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Waits for something to become true.
///
/// # Panics
///
/// When it does not in [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the chain is at least `number` blocks high, and returns how high it is.
///
/// # Errors
///
/// The node does not answer, or its chain does not grow.
pub async fn wait_for_block(provider: &DynProvider, number: u64) -> eyre::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let head = provider
            .get_block_number()
            .await
            .wrap_err("the node does not answer")?;
        if head >= number {
            return Ok(head);
        }
        if Instant::now() > deadline {
            bail!("the chain stands at block {head}, waiting for {number}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A port of this machine on which nothing listens.
///
/// # Errors
///
/// There is none.
pub fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
