//! How commonware's parts are set.

use std::{
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use commonware_consensus::{
    simplex::config::{SkipBudget, SkipPolicy},
    types::ViewDelta,
};
use commonware_runtime::buffer::paged::CacheRef;
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize, NonZeroDuration};

/// Messages that wait for an actor, at most.
pub(crate) const MAILBOX: NonZeroUsize = NZUsize!(1_024);
/// Views behind the last final one of which votes, certificates and blocks are kept.
pub(crate) const VIEWS: ViewDelta = ViewDelta::new(256);
/// Blocks per file of those that are not final: what is kept is rounded up to whole files.
pub(crate) const BLOCKS_PER_FILE: NonZeroU64 = NZU64!(64);
/// Blocks fetched from peers at once.
pub(crate) const MAX_REPAIR: NonZeroUsize = NZUsize!(64);
/// Final blocks on their way into the database.
pub(crate) const MAX_PENDING_ACKS: NonZeroUsize = NZUsize!(64);
/// Blocks of one peer that are kept although nobody asked for them.
pub(crate) const BLOCKS_PER_PEER: usize = 16;
/// Buffers of files, in bytes.
pub(crate) const WRITE_BUFFER: NonZeroUsize = NZUsize!(1 << 20);
pub(crate) const REPLAY_BUFFER: NonZeroUsize = NZUsize!(8 << 20);
/// Time that a peer has to answer a request. Constant: no timer of the agreement doubles.
pub(crate) fn fetch_timeout() -> NonZeroDuration {
    NZDuration!(Duration::from_secs(1))
}
pub(crate) const FETCH_RETRY: Duration = Duration::from_millis(100);
/// How often a vote to pass on is repeated.
pub(crate) const TIMEOUT_RETRY: Duration = Duration::from_secs(1);

const PAGE: NonZeroU16 = NZU16!(4_096);
const PAGES: NonZeroUsize = NZUsize!(1_024);

/// The cache of the pages of the agreement's own files.
pub(crate) fn page_cache() -> CacheRef {
    CacheRef::new(PAGE, PAGES)
}

/// The time limits of a view, all from the time after which a block comes although no transaction
/// waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    idle: Duration,
}

impl Timing {
    pub(crate) const fn new(idle: Duration) -> Self {
        Self { idle }
    }

    /// Until a proposal has come: a leader may wait as long as it may stay idle.
    pub(crate) fn leader(self) -> Duration {
        self.idle + Duration::from_millis(600)
    }

    /// Until the view has led to something.
    pub(crate) fn certification(self) -> Duration {
        self.idle + Duration::from_millis(1_000)
    }

    /// When to pass over a leader that has been silent, and a declined view at once. The time ends
    /// before a dead leader's next turn. A committee of n may need n declines in a row to find the
    /// signer that is not recent, so that many views may be passed over, twice.
    pub(crate) fn skip(self, members: usize) -> SkipPolicy {
        let budget = NonZeroU64::new(2 * members as u64).unwrap_or(NonZeroU64::MIN);
        SkipPolicy::Enabled {
            timeout: self.idle + Duration::from_millis(1_250),
            budget: SkipBudget::Fixed(budget),
        }
    }
}
