//! The runtime's clock, as the time since the Unix epoch.

use std::time::{Duration, UNIX_EPOCH};

use commonware_runtime::Clock;

/// The longest single sleep: after it the time of day is read again, so that a clock set by hand or
/// by NTP is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The time since the Unix epoch. A clock set before 1970 reads as the epoch.
pub(crate) fn now(clock: &impl Clock) -> Duration {
    clock
        .current()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Completes once [`now`] has reached `at`.
pub(crate) async fn sleep_until(clock: &impl Clock, at: Duration) {
    while let Some(left) = at.checked_sub(now(clock)).filter(|left| !left.is_zero()) {
        clock.sleep(left.min(LONGEST_SLEEP)).await;
    }
}
