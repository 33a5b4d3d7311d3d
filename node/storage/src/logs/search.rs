//! Finding blocks by their marks.

use super::{
    index::Runs,
    marks::{Fingerprint, Mark, SECTION, bit, place},
};
use crate::{
    StorageResult,
    codec::Key,
    tables::{LogSections, RecentLogs},
    tx::{Cursor, Kind, RoTx},
};
use alloy_primitives::{Address, B256, BlockNumber};
use signet_libmdbx::RoSync;
use std::ops::RangeInclusive;

/// Which logs are searched: some addresses, and some topics at each position; none at all stands
/// for any.
#[derive(Clone, Debug)]
pub struct LogPattern {
    /// What to look for and for which of the conditions, sorted.
    wanted: Vec<(Fingerprint, u8)>,
    /// Number of conditions, which all have to be met.
    conditions: u8,
}

impl LogPattern {
    /// Logs of one of `addresses`, with one of the topics at each position of `topics`. Where the
    /// alternatives are none, anything goes.
    pub fn new<'a, T>(addresses: impl IntoIterator<Item = &'a Address>, topics: [T; 4]) -> Self
    where
        T: IntoIterator<Item = &'a B256>,
    {
        let mut pattern = Self {
            wanted: Vec::new(),
            conditions: 0,
        };
        pattern.require(addresses.into_iter().map(Fingerprint::address));
        for (position, topics) in (0..).zip(topics) {
            let topic = |topic| Fingerprint::topic(position, topic);
            pattern.require(topics.into_iter().map(topic));
        }
        if pattern.conditions == 0 {
            pattern.require([Fingerprint::any()]);
        }
        pattern.wanted.sort_unstable();
        pattern
    }

    fn require(&mut self, alternatives: impl IntoIterator<Item = Fingerprint>) {
        let before = self.wanted.len();
        let condition = self.conditions;
        let alternatives = alternatives.into_iter();
        self.wanted
            .extend(alternatives.map(|fingerprint| (fingerprint, condition)));
        if self.wanted.len() > before {
            self.conditions += 1;
        }
    }

    /// Which blocks of the run `id` may have such logs, as bits by their place.
    fn places<T: Runs, K: Kind>(
        &self,
        cursor: &mut Cursor<'_, T, K>,
        id: u64,
    ) -> StorageResult<u64> {
        let prefix = id.encode();
        let mut found = [0u64; 5];
        let mut part = None;
        for (fingerprint, condition) in &self.wanted {
            let first = Mark::first(*fingerprint);
            if part.as_ref().is_none_or(|((_, last), _)| *last < first) {
                part = cursor.seek_within((id, first).encode().as_ref(), prefix.as_ref())?;
            }
            let Some(mut here) = part else { break };
            let places = found.get_mut(usize::from(*condition));
            let mut all = here.1.places_of(*fingerprint);
            // The marks of a fingerprint may go on in the next part.
            while here.0.1.fingerprint() == *fingerprint {
                let Some(next) = cursor.next_within(prefix.as_ref())? else {
                    break;
                };
                here = next;
                all |= here.1.places_of(*fingerprint);
            }
            if let Some(places) = places {
                *places |= all;
            }
            part = Some(here);
        }
        Ok(found
            .iter()
            .take(usize::from(self.conditions))
            .fold(u64::MAX, |all, places| all & places))
    }
}

/// Blocks that may have logs of a [`LogPattern`]: all that have, and some that have not, because
/// their logs meet the conditions one by one but not together, or, rarely, because something else
/// has the fingerprint. Each step searches some dozens of blocks and returns those found in them,
/// in ascending order.
#[derive(Debug)]
pub struct LogBlocks<'a> {
    pattern: &'a LogPattern,
    sections: Cursor<'a, LogSections, RoSync>,
    recent: Cursor<'a, RecentLogs, RoSync>,
    head: BlockNumber,
    /// Blocks that are yet to be searched.
    left: RangeInclusive<BlockNumber>,
}

impl<'a> LogBlocks<'a> {
    pub(crate) fn new(
        tx: &'a RoTx,
        pattern: &'a LogPattern,
        head: BlockNumber,
        range: RangeInclusive<BlockNumber>,
    ) -> StorageResult<Self> {
        let left = *range.start()..=head.min(*range.end());
        Ok(Self {
            pattern,
            sections: tx.cursor()?,
            recent: tx.cursor()?,
            head,
            left,
        })
    }

    fn search(&mut self, from: BlockNumber, to: BlockNumber) -> StorageResult<Vec<BlockNumber>> {
        let (section, first) = (from / SECTION, from - u64::from(place(from)));
        let mut places = 0;
        if first.saturating_add(SECTION - 1) <= self.head {
            places = self.pattern.places(&mut self.sections, section)?;
        } else {
            for number in from..=to {
                let one = self.pattern.places(&mut self.recent, number)?;
                places |= one & bit(place(number));
            }
        }
        Ok((from..=to)
            .filter(|number| places & bit(place(*number)) != 0)
            .collect())
    }
}

impl Iterator for LogBlocks<'_> {
    type Item = StorageResult<Vec<BlockNumber>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let (from, last) = (*self.left.start(), *self.left.end());
        let to = last.min(from - u64::from(place(from)) + (SECTION - 1));
        self.left = to.saturating_add(1)..=last;
        Some(self.search(from, to))
    }
}
