//! The time of day, behind a trait, so that whatever waits for a time can be tested without
//! waiting.

use std::{
    fmt::Debug,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The longest single sleep of [`SystemClock`]: after it the time of day is read again, so that a
/// clock set by hand or by NTP is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A source of the time of day.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time since the Unix epoch.
    fn now(&self) -> Duration;

    /// Completes once [`Clock::now`] has reached `at` (time since the Unix epoch).
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The clock of the operating system. Its sleeps need a tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        // A clock set before 1970 reads as the epoch: every block is then refused as one from the
        // future, with the two times in the message.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            while let Some(left) = at.checked_sub(self.now()).filter(|left| !left.is_zero()) {
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            }
        })
    }
}
