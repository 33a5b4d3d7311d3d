//! The node's health: whether its chain moves.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use wattline_chain::Chain;
use wattline_daemon::Health;
use wattline_primitives::Millis;

/// A head older than this many idle periods means that the chain stands still.
const STALLED_AFTER_PERIODS: u32 = 10;
/// Shorter standstills are ordinary, however short the period.
const STALLED_AFTER_AT_LEAST: Duration = Duration::from_secs(30);

/// What `/health` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainHealth {
    /// `ok`, or `stalled` when the head is older than it should be.
    status: &'static str,
    head_number: u64,
    head_hash: String,
    /// Seconds since the head's time.
    head_age_seconds: u64,
}

/// The health of a node with this chain.
pub(crate) fn health(chain: &Chain) -> Health<ChainHealth> {
    let head = chain.head();
    let now = Millis::from_epoch(UNIX_EPOCH.elapsed().unwrap_or_default());
    let age = now.saturating_since(Millis::of(&head));
    let limit = chain.spec().idle_period() * STALLED_AFTER_PERIODS;
    let healthy = age <= limit.max(STALLED_AFTER_AT_LEAST);
    Health {
        healthy,
        details: ChainHealth {
            status: if healthy { "ok" } else { "stalled" },
            head_number: head.number,
            head_hash: head.hash().to_string(),
            head_age_seconds: age.as_secs(),
        },
    }
}
