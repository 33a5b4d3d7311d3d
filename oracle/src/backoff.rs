//! Waiting longer after each failure, never in step with others.

use std::time::Duration;

/// Exponential backoff with jitter: each wait is drawn from the upper half of a span that doubles
/// up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            failures: 0,
        }
    }

    /// A backoff that has failed so often already.
    pub(crate) const fn after(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// The wait after one more failure.
    pub(crate) fn wait(&mut self) -> Duration {
        let span = self
            .first
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(self.limit);
        self.failures = self.failures.saturating_add(1);
        span.mul_f64(rand::random_range(0.5..=1.0))
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        for span in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let wait = backoff.wait().as_secs_f64();
            assert!((span / 2.0..=span).contains(&wait), "{wait} of {span}");
        }
        assert!(backoff.after(u32::MAX).wait() >= Duration::from_secs(5));
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }
}
