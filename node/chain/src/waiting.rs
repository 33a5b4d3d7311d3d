//! Blocks whose time has not come yet.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use alloy_primitives::B256;
use wattline_primitives::{SealedBlock, SealedHeader};

use crate::ChainError;

/// How many blocks may wait. A waiting block has a valid seal and is at most seconds ahead, so
/// honest signers fill a few places.
pub(crate) const MAX_WAITING: usize = 64;

/// Blocks with a valid header that wait for their time, by that time.
#[derive(Debug, Default)]
pub(crate) struct WaitingBlocks {
    by_time: BTreeMap<(u64, B256), SealedBlock>,
    times: HashMap<B256, u64>,
}

impl WaitingBlocks {
    /// Keeps `block` until its time.
    ///
    /// # Errors
    ///
    /// [`ChainError::WaitingFull`].
    pub(crate) fn insert(&mut self, block: SealedBlock) -> Result<(), ChainError> {
        let hash = block.hash();
        if self.times.len() >= MAX_WAITING {
            return Err(ChainError::WaitingFull {
                hash,
                limit: MAX_WAITING,
            });
        }
        self.times.insert(hash, block.timestamp);
        self.by_time.insert((block.timestamp, hash), block);
        Ok(())
    }

    /// The time until which the block of `hash` waits.
    pub(crate) fn until(&self, hash: &B256) -> Option<Duration> {
        self.times.get(hash).copied().map(Duration::from_secs)
    }

    /// The header of the waiting block of `hash`.
    pub(crate) fn header(&self, hash: &B256) -> Option<SealedHeader> {
        let time = *self.times.get(hash)?;
        self.by_time
            .get(&(time, *hash))
            .map(|block| block.sealed_header().clone())
    }

    /// When the next block is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.by_time
            .first_key_value()
            .map(|((time, _), _)| Duration::from_secs(*time))
    }

    /// Takes out the earliest block if its time has come at `now`. A child is later than its
    /// parent by at least the period, so parents come out first.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<SealedBlock> {
        let entry = self.by_time.first_entry()?;
        if Duration::from_secs(entry.key().0) > now {
            return None;
        }
        let block = entry.remove();
        self.times.remove(&block.hash());
        Some(block)
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }
}
