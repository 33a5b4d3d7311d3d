use std::{future::Future, pin::Pin, time::Duration};

use tokio::sync::watch;

use crate::Clock;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Duration>,
    sleeps: watch::Sender<u64>,
}

impl ManualClock {
    /// A clock that shows `seconds` since the Unix epoch.
    pub fn at(seconds: u64) -> Self {
        Self {
            now: watch::Sender::new(Duration::from_secs(seconds)),
            sleeps: watch::Sender::new(0),
        }
    }

    /// Moves the clock to `seconds` since the Unix epoch and wakes who waited for it. It never
    /// goes back.
    pub fn set(&self, seconds: u64) {
        self.advance_to(Duration::from_secs(seconds));
    }

    /// Moves the clock to `at` since the Unix epoch, unless it is there already.
    pub fn advance_to(&self, at: Duration) {
        self.now.send_if_modified(|now| {
            let later = at > *now;
            *now = at.max(*now);
            later
        });
    }

    /// Moves the clock on by `step`.
    pub fn advance(&self, step: Duration) {
        self.now.send_modify(|now| *now += step);
    }

    /// How many sleeps have begun so far.
    pub fn sleeps(&self) -> u64 {
        *self.sleeps.borrow()
    }

    /// Completes once at least `count` sleeps have begun: what sleeps has done its work so far.
    pub async fn slept(&self, count: u64) {
        let mut sleeps = self.sleeps.subscribe();
        // The sender lives as long as `self`.
        let _ = sleeps.wait_for(|begun| *begun >= count).await;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut now = self.now.subscribe();
        self.sleeps.send_modify(|sleeps| *sleeps += 1);
        Box::pin(async move {
            // The sender lives as long as `self`, so this ends only when the time has come.
            let _ = now.wait_for(|now| *now >= at).await;
        })
    }
}
