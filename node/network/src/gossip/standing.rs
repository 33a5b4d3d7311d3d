//! What a peer's transactions were worth so far.

use std::time::SystemTime;

use wattline_pool::PoolError;

/// How many more bad transactions than good ones a peer may send until it is left.
const JUNK_LIMIT: u32 = 64;
/// How many refused transactions of a peer are looked at without a pause, and in a second.
const REFUSALS: u64 = 2_048;
const REFUSALS_PER_SECOND: u64 = 256;

/// What a peer's transactions were worth so far.
///
/// Refusing a transaction costs this node the recovery of a signature, and the peer nothing. Most
/// reasons are no fault of the peer's: its head may be another, and its pool may have other limits.
/// So refused transactions are only limited in number, by not looking at more for a while. But what
/// no node would have taken at any head is junk, and a peer that keeps sending it is left.
#[derive(Debug)]
pub(super) struct Standing {
    junk: u32,
    allowance: u64,
    replenished: SystemTime,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The pool took it.
    Accepted,
    /// The pool had it, or this node cannot take any.
    Neutral,
    /// The pool refused it, as another might not.
    Refused,
    /// No pool would have taken it.
    Junk,
}

impl Verdict {
    pub(super) const fn of<T>(outcome: &Result<T, PoolError>) -> Self {
        let error = match outcome {
            Ok(_) => return Self::Accepted,
            Err(error) => error,
        };
        match error {
            PoolError::AlreadyKnown | PoolError::Suspended(_) => Self::Neutral,
            error if error.is_internal() => Self::Neutral,
            error if error.is_never_valid() => Self::Junk,
            _ => Self::Refused,
        }
    }

    /// Its name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Neutral => "known",
            Self::Refused => "refused",
            Self::Junk => "junk",
        }
    }
}

impl Standing {
    pub(super) const fn new(now: SystemTime) -> Self {
        Self {
            junk: 0,
            allowance: REFUSALS,
            replenished: now,
        }
    }

    /// Whether to look at what the peer sends.
    pub(super) fn may_send(&mut self, now: SystemTime) -> bool {
        let passed = now
            .duration_since(self.replenished)
            .map_or(0, |passed| passed.as_secs());
        if passed > 0 || self.replenished > now {
            self.replenished = now;
            let more = passed.saturating_mul(REFUSALS_PER_SECOND);
            self.allowance = self.allowance.saturating_add(more).min(REFUSALS);
        }
        self.allowance > 0
    }

    /// Takes note of a verdict. With the number of bad transactions if those are too many.
    pub(super) const fn judge(&mut self, verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Accepted => self.junk = self.junk.saturating_sub(1),
            Verdict::Neutral => {}
            Verdict::Refused => self.allowance = self.allowance.saturating_sub(1),
            Verdict::Junk => {
                self.allowance = self.allowance.saturating_sub(1);
                self.junk = self.junk.saturating_add(1);
            }
        }
        if self.junk < JUNK_LIMIT {
            return None;
        }
        Some(self.junk)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_junk_makes_a_peer_bad_and_good_transactions_make_up_for_it() {
        let mut standing = Standing::new(SystemTime::UNIX_EPOCH);
        for _ in 0..1_000 {
            assert_eq!(standing.judge(Verdict::Junk), None);
            assert_eq!(standing.judge(Verdict::Accepted), None);
            assert_eq!(standing.judge(Verdict::Refused), None);
            assert_eq!(standing.judge(Verdict::Neutral), None);
        }
        for _ in 1..JUNK_LIMIT {
            assert_eq!(standing.judge(Verdict::Junk), None);
        }
        assert_eq!(standing.judge(Verdict::Junk), Some(JUNK_LIMIT));
    }

    #[test]
    fn a_peer_whose_transactions_are_refused_is_not_heard_for_a_while() {
        let start = SystemTime::UNIX_EPOCH;
        let mut standing = Standing::new(start);
        for _ in 0..REFUSALS {
            assert!(standing.may_send(start));
            standing.judge(Verdict::Refused);
        }
        assert!(!standing.may_send(start + Duration::from_millis(999)));
        assert!(standing.may_send(start + Duration::from_secs(1)));
        for _ in 0..REFUSALS_PER_SECOND {
            standing.judge(Verdict::Refused);
        }
        assert!(!standing.may_send(start + Duration::from_secs(1)));
        // A clock that was put back does not silence it.
        assert!(!standing.may_send(start));
        assert!(standing.may_send(start + Duration::from_secs(1)));
    }

    #[test]
    fn verdicts_follow_whose_fault_a_refusal_is() {
        let of = |error| Verdict::of::<()>(&Err(error));
        assert_eq!(Verdict::of(&Ok(())), Verdict::Accepted);
        assert_eq!(of(PoolError::AlreadyKnown), Verdict::Neutral);
        assert_eq!(of(PoolError::InvalidSignature), Verdict::Junk);
        let late = PoolError::NonceTooLow {
            expected: 2,
            found: 1,
        };
        assert_eq!(of(late), Verdict::Refused);
    }
}
