//! The chain as the rest of the node sees it.

use std::{fmt, sync::Arc};

use alloy_primitives::B256;
use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;
use wattline_chainspec::ChainSpec;
use wattline_clique::Snapshot;
use wattline_evm::EvmConfig;
use wattline_primitives::SealedHeader;
use wattline_storage::{ExecutedBlock, Overlay, Reader, Storage, StorageError};

use crate::{
    CanonicalUpdate, ChainError, RefusedBlock, metrics, refused::RefusedBlocks,
    snapshots::Snapshots, tree::Tree,
};

/// How many updates a slow subscriber may fall behind before it misses some. Every slot holds its
/// blocks alive, so this also bounds memory.
const UPDATES: usize = 64;

/// The chain of one node: what is final, what stands above it, and how blocks get into it.
///
/// Cheap to clone; all clones are the same chain. Reads never wait for an execution or a commit.
#[derive(Clone)]
pub struct Chain {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) evm: EvmConfig,
    pub(crate) snapshots: Snapshots,
    /// Held for moments only. Its last final block is never ahead of the database's.
    pub(crate) tree: RwLock<Tree>,
    /// Invalid blocks, for people to look at.
    pub(crate) refused: Mutex<RefusedBlocks>,
    /// Whoever holds this lock is the one that executes, so that no block is executed twice.
    pub(crate) executing: Mutex<()>,
    /// Whoever holds this lock is the one that stores, and publishes what it stored.
    pub(crate) storing: Mutex<()>,
    pub(crate) updates: broadcast::Sender<Arc<CanonicalUpdate>>,
}

impl Chain {
    /// Opens the chain that `storage` holds, at the head where it was left.
    ///
    /// # Errors
    ///
    /// [`ChainError::GenesisMismatch`] if the database is of another chain than `spec`;
    /// [`ChainError::Storage`] if it cannot be read.
    pub fn open(storage: Storage, spec: Arc<ChainSpec>) -> Result<Self, ChainError> {
        metrics::describe();
        let reader = storage.reader()?;
        check_genesis(&reader, &spec)?;
        let head = reader.head()?;
        let head = reader
            .header(head.number)?
            .ok_or(ChainError::UnknownBlock(head.hash))?;
        drop(reader);

        metrics::head(&head);
        metrics::unstored(0);
        Ok(Self {
            inner: Arc::new(Inner {
                evm: EvmConfig::new(spec.clone()),
                snapshots: Snapshots::new(&spec),
                storage,
                spec,
                tree: RwLock::new(Tree::new(head)),
                refused: Mutex::default(),
                executing: Mutex::default(),
                storing: Mutex::default(),
                updates: broadcast::Sender::new(UPDATES),
            }),
        })
    }

    /// The chain's configuration.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.inner.spec
    }

    /// The database underneath, for readers.
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    /// How this chain executes transactions and blocks.
    pub fn evm(&self) -> &EvmConfig {
        &self.inner.evm
    }

    /// The header of the last final block. Committed: storage answers for it.
    pub fn head(&self) -> Arc<SealedHeader> {
        self.inner.tree.read().head().clone()
    }

    /// The header of the block that the next one is expected to stand on: the newest that was
    /// [named](Self::set_pending) and does not contradict what is final, else the head.
    pub fn pending(&self) -> Arc<SealedHeader> {
        self.inner.tree.read().pending().clone()
    }

    /// Names the newest block that others agreed to build on. Without effect unless the block is
    /// the head or executed here.
    pub fn set_pending(&self, hash: B256) {
        self.inner.tree.write().set_pending(&hash);
    }

    /// The block of `hash` if it is executed and not final.
    pub fn executed(&self, hash: &B256) -> Option<Arc<ExecutedBlock>> {
        self.inner.tree.read().get(hash).cloned()
    }

    /// Whether the block of `hash` is final, or executed here.
    ///
    /// # Errors
    ///
    /// [`ChainError::Storage`] if the database cannot be read.
    pub fn is_known(&self, hash: &B256) -> Result<bool, ChainError> {
        if self.inner.tree.read().header(hash).is_some() {
            return Ok(true);
        }
        Ok(self.inner.storage.reader()?.block_number(*hash)?.is_some())
    }

    /// The executed blocks above the head up to that of `tip`, oldest first; none if that is the
    /// head.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`] if the block is neither the head nor executed here.
    pub fn unstored(&self, tip: B256) -> Result<Vec<Arc<ExecutedBlock>>, ChainError> {
        let path = self.inner.tree.read().path(tip);
        path.ok_or(ChainError::UnknownBlock(tip))
    }

    /// The state after the block of hash `parent`, which is the head or executed here.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`] if it is neither; [`ChainError::Storage`] if the database
    /// cannot be read.
    pub fn overlay(&self, parent: B256) -> Result<Overlay, ChainError> {
        let layers = self.unstored(parent)?;
        match self.inner.storage.overlay(parent, &layers) {
            // A commit in between has dropped the block or left it behind.
            Err(StorageError::NotConnected { .. }) => Err(ChainError::UnknownBlock(parent)),
            overlay => Ok(overlay?),
        }
    }

    /// The voting snapshot after the block of `hash`, final or executed here: who may sign its
    /// child.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`]; [`ChainError::Storage`] and [`ChainError::DamagedSnapshot`]
    /// if the database cannot be read.
    pub fn snapshot(&self, hash: B256) -> Result<Arc<Snapshot>, ChainError> {
        let reader = self.inner.storage.reader()?;
        self.inner.snapshots.get(&reader, hash, |hash| {
            let executed = self.inner.tree.read().header(hash);
            match executed {
                Some(header) => Ok(Some(header)),
                None => Ok(reader.header_by_hash(*hash)?),
            }
        })
    }

    /// Every change of the final chain from now on. Sent after the commit, so a reader opened
    /// on receipt sees at least the new head.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<CanonicalUpdate>> {
        self.inner.updates.subscribe()
    }

    /// The blocks that were executed and found invalid most recently, the latest first. Forgotten
    /// when the node stops.
    pub fn refused_blocks(&self) -> Vec<Arc<RefusedBlock>> {
        self.inner.refused.lock().all()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        f.debug_struct("Chain")
            .field("number", &head.number)
            .field("hash", &head.hash())
            .finish_non_exhaustive()
    }
}

fn check_genesis(reader: &Reader, spec: &ChainSpec) -> Result<(), ChainError> {
    let expected = spec.genesis_hash();
    match reader.block_hash(0)?.unwrap_or_default() {
        found if found == expected => Ok(()),
        found => Err(ChainError::GenesisMismatch { found, expected }),
    }
}
