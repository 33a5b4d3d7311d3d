use std::time::Duration;

use crate::estimate::Estimate;

/// Careful guesses for the first blocks, before anything was measured. A guess that is too high
/// costs the first block a few transactions, one that is too low makes it late.
const FIRST_EXECUTE: Estimate = Estimate::new(Duration::ZERO, 10.0);
const FIRST_FINISH: Estimate = Estimate::new(Duration::from_millis(20), 1.0);

/// How fast this machine builds blocks, as measured on those before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Executing transactions.
    pub(crate) execute: Estimate,
    /// From the last transaction to the seal: receipts, roots, signature.
    pub(crate) finish: Estimate,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            execute: FIRST_EXECUTE,
            finish: FIRST_FINISH,
        }
    }
}

impl Pace {
    /// When to stop executing so that a block of `gas` goes out at `release_at`.
    pub(crate) fn stop_at(&self, release_at: Duration, gas: u64) -> Duration {
        release_at.saturating_sub(self.finish.bound(gas))
    }
}
