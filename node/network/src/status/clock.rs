//! Whether this machine's clock is right, as far as the peers can tell.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;
use wattline_primitives::Millis;

use crate::{metrics, peers::PeersHandle};

/// From which difference on the operator is warned, in milliseconds. Blocks that are more than half
/// a second ahead of a validator's clock get no vote of it.
const TOLERATED: i64 = 10_000;
/// How often the same warning is repeated.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// What a clock shows, from the Unix epoch on.
pub(crate) fn millis(now: SystemTime) -> Millis {
    Millis::from_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// By how many milliseconds a clock is ahead of ours.
pub(super) fn difference(theirs: Millis, ours: Millis) -> i64 {
    let difference = i128::from(theirs.get()) - i128::from(ours.get());
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

/// Warns of what only the operator can mend.
#[derive(Debug, Default)]
pub(super) struct Watchman {
    warned_of_clock: Option<SystemTime>,
    /// Since when nobody is connected, or when that was last complained of.
    alone_since: Option<SystemTime>,
}

impl Watchman {
    pub(super) fn look(&mut self, peers: &PeersHandle, now: SystemTime) {
        if let Some(ahead) = median(peers.clock_offsets()) {
            metrics::clock_offset(ahead);
            if ahead.saturating_abs() > TOLERATED && has_passed(self.warned_of_clock, now) {
                self.warned_of_clock = Some(now);
                warn!(
                    seconds = ahead / 1_000,
                    "this machine's clock differs from the committee's: set it by NTP; a validator \
                     whose clock is wrong gets no votes"
                );
            }
        }
        match peers.reach() {
            (true, 0) => {
                let since = *self.alone_since.get_or_insert(now);
                if has_passed(Some(since), now) {
                    self.alone_since = Some(now);
                    warn!(
                        "no peer is connected: check the addresses, the firewall, and this \
                         machine's clock, because peers refuse each other when their clocks \
                         differ by half a minute"
                    );
                }
            }
            _ => self.alone_since = None,
        }
    }
}

fn has_passed(since: Option<SystemTime>, now: SystemTime) -> bool {
    since.is_none_or(|since| {
        now.duration_since(since)
            .is_ok_and(|passed| passed >= WARN_EVERY)
    })
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some(i64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_clock_among_the_peers_does_not_move_the_median() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7]), Some(7));
        assert_eq!(median(vec![3_600_000, 20, -10]), Some(20));
        assert_eq!(median(vec![10, 20, 30, i64::MAX]), Some(25));
        assert_eq!(median(vec![i64::MAX, i64::MAX]), Some(i64::MAX));
    }

    #[test]
    fn differences_do_not_overflow() {
        let difference = |theirs, ours| difference(Millis::new(theirs), Millis::new(ours));
        assert_eq!(difference(5, 7), -2);
        assert_eq!(difference(u64::MAX, 0), i64::MAX);
        assert_eq!(difference(0, u64::MAX), i64::MIN);
    }
}
