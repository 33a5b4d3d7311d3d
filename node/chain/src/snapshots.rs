//! Voting snapshots of any block: from memory, from the database, or by walking back to one of
//! these and applying the headers in between.

use std::sync::Arc;

use alloy_primitives::B256;
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};
use wattline_chainspec::ChainSpec;
use wattline_clique::Snapshot;
use wattline_primitives::SealedHeader;
use wattline_storage::Reader;

use crate::ChainError;

/// A snapshot is stored at every block whose number is a multiple of this. It bounds how far a
/// reader walks back, at a negligible cost in space.
pub(crate) const STORE_INTERVAL: u64 = 1024;

/// How many snapshots stay in memory.
const CACHED: u32 = 256;

/// Snapshots by block hash.
pub(crate) struct Snapshots {
    genesis: Arc<Snapshot>,
    epoch: u64,
    cache: Mutex<LruMap<B256, Arc<Snapshot>, ByLength>>,
}

impl Snapshots {
    pub(crate) fn new(spec: &ChainSpec) -> Self {
        Self {
            genesis: Arc::new(Snapshot::genesis(spec)),
            epoch: spec.clique().epoch,
            cache: Mutex::new(LruMap::new(ByLength::new(CACHED))),
        }
    }

    /// The snapshot of the block of `hash`. `header` finds headers, also of blocks that are not in
    /// the database yet.
    pub(crate) fn get(
        &self,
        reader: &Reader,
        hash: B256,
        header: impl Fn(&B256) -> Result<Option<SealedHeader>, ChainError>,
    ) -> Result<Arc<Snapshot>, ChainError> {
        let mut unapplied = Vec::new();
        let mut at = hash;
        let mut snapshot = loop {
            if let Some(known) = self.known(reader, at)? {
                break known;
            }
            let header = header(&at)?.ok_or(ChainError::UnknownBlock(at))?;
            at = header.parent_hash;
            unapplied.push(header);
        };
        for header in unapplied.into_iter().rev() {
            snapshot = self.apply(&snapshot, &header)?;
        }
        self.cache.lock().insert(hash, snapshot.clone());
        Ok(snapshot)
    }

    /// The snapshot after `header`, whose parent's snapshot is `parent`.
    fn apply(&self, parent: &Snapshot, header: &SealedHeader) -> Result<Arc<Snapshot>, ChainError> {
        parent
            .apply(header, self.epoch)
            .map(Arc::new)
            .map_err(|source| ChainError::Header {
                number: header.number,
                hash: header.hash(),
                source,
            })
    }

    fn known(&self, reader: &Reader, hash: B256) -> Result<Option<Arc<Snapshot>>, ChainError> {
        if hash == self.genesis.hash {
            return Ok(Some(self.genesis.clone()));
        }
        if let Some(cached) = self.cache.lock().get(&hash) {
            return Ok(Some(cached.clone()));
        }
        reader
            .snapshot(hash)?
            .map(|bytes| {
                serde_json::from_slice(&bytes)
                    .map(Arc::new)
                    .map_err(|source| ChainError::DamagedSnapshot { hash, source })
            })
            .transpose()
    }
}
