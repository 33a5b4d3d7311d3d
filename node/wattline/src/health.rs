//! The node's health: whether its chain moves.

use serde::Serialize;
use wattline_chain::{Chain, Clock, SystemClock};
use wattline_daemon::Health;

/// A head older than this many periods means that the chain stands still.
const STALLED_AFTER_PERIODS: u64 = 10;
/// Shorter standstills are ordinary, however short the period.
const STALLED_AFTER_AT_LEAST: u64 = 30;

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
    let age = SystemClock.now().as_secs().saturating_sub(head.timestamp);
    let limit = (chain.spec().clique().period * STALLED_AFTER_PERIODS).max(STALLED_AFTER_AT_LEAST);
    let healthy = age <= limit;
    Health {
        healthy,
        details: ChainHealth {
            status: if healthy { "ok" } else { "stalled" },
            head_number: head.number,
            head_hash: head.hash().to_string(),
            head_age_seconds: age,
        },
    }
}
