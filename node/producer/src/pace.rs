use std::time::Duration;

use crate::estimate::Estimate;

/// What the first blocks are allowed for, before anything was measured.
const FIRST_FINISH: Duration = Duration::from_millis(20);
const FIRST_COMMIT: Duration = Duration::from_millis(10);
/// A careful guess at the speed of execution: 100 Mgas/s.
const FIRST_NANOSECONDS_PER_GAS: f64 = 10.0;

/// How fast this machine builds blocks, as measured on those before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Executing transactions.
    pub(crate) execute: Estimate,
    /// From the last transaction to the seal: receipts, roots, signature.
    pub(crate) finish: Estimate,
    /// Checking, writing and publishing the sealed block.
    pub(crate) commit: Estimate,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            execute: Estimate::per_gas(FIRST_NANOSECONDS_PER_GAS),
            finish: Estimate::new(FIRST_FINISH),
            commit: Estimate::new(FIRST_COMMIT),
        }
    }
}

impl Pace {
    /// When to stop executing so that a block of `gas` goes out at `release_at`.
    pub(crate) fn stop_at(&self, release_at: Duration, gas: u64) -> Duration {
        release_at.saturating_sub(self.finish.bound(gas) + self.commit.bound(gas))
    }
}
