//! The canonical chain as the rest of the node sees it.

use std::{fmt, sync::Arc};

use alloy_primitives::B256;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use wattline_chainspec::ChainSpec;
use wattline_clique::{
    Snapshot,
    fork_choice::{Candidate, turn_distance},
    recover_signer,
};
use wattline_evm::EvmConfig;
use wattline_primitives::SealedHeader;
use wattline_storage::{Reader, Storage};

use crate::{
    CanonicalUpdate, ChainError, Clock, RefusedBlock,
    bad::{BadBlocks, RefusedBlocks},
    metrics,
    side::SideBlocks,
    snapshots::Snapshots,
    waiting::WaitingBlocks,
};

/// How many updates a slow subscriber may fall behind before it misses some. Every slot holds its
/// blocks alive, so this also bounds memory.
const UPDATES: usize = 64;

/// The canonical chain of one node: what is its head, and how blocks get into it.
///
/// Cheap to clone; all clones are the same chain. Reads never wait for an import.
#[derive(Clone)]
pub struct Chain {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) evm: EvmConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) head: ArcSwap<Head>,
    pub(crate) snapshots: Snapshots,
    /// Blocks of the future, under a lock of their own: looking at them must not wait for an
    /// import.
    pub(crate) waiting: Mutex<WaitingBlocks>,
    /// Invalid blocks, for people to look at; under a lock of their own as well.
    pub(crate) refused: Mutex<RefusedBlocks>,
    /// Wakes [`Chain::import_waiting`] when an earlier block than the one it awaits came in.
    pub(crate) earlier: Notify,
    /// Whoever holds this lock is the one that imports.
    pub(crate) importer: Mutex<Importer>,
    pub(crate) updates: broadcast::Sender<Arc<CanonicalUpdate>>,
}

/// The head and its standing in fork choice.
pub(crate) struct Head {
    pub(crate) header: Arc<SealedHeader>,
    pub(crate) candidate: Candidate,
}

/// What only the importing thread needs.
pub(crate) struct Importer {
    pub(crate) bad: BadBlocks,
    pub(crate) side: SideBlocks,
}

impl Chain {
    /// Opens the chain that `storage` holds, at the head where it was left. A side branch that is
    /// preferable to that head, which a crash can leave behind, is adopted first.
    ///
    /// # Errors
    ///
    /// [`ChainError::GenesisMismatch`] if the database is of another chain than `spec`;
    /// [`ChainError::Storage`] and [`ChainError::DamagedSnapshot`] if it cannot be read.
    pub fn open(
        storage: Storage,
        spec: Arc<ChainSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChainError> {
        metrics::describe();
        let reader = storage.reader()?;
        check_genesis(&reader, &spec)?;
        let snapshots = Snapshots::new(&spec);
        let head = stored_head(&reader, &snapshots)?;
        let side = SideBlocks::load(&reader)?;
        drop(reader);

        metrics::head(&head.header);
        metrics::side_blocks(side.len());
        let chain = Self {
            inner: Arc::new(Inner {
                evm: EvmConfig::new(spec.clone()),
                storage,
                spec,
                clock,
                head: ArcSwap::from_pointee(head),
                snapshots,
                waiting: Mutex::default(),
                refused: Mutex::default(),
                earlier: Notify::new(),
                importer: Mutex::new(Importer {
                    bad: BadBlocks::new(),
                    side,
                }),
                updates: broadcast::Sender::new(UPDATES),
            }),
        };
        chain.adopt_preferable_branch()?;
        Ok(chain)
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

    /// The clock that this chain goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The header of the canonical head. Committed: storage answers for it.
    pub fn head(&self) -> Arc<SealedHeader> {
        self.inner.head.load().header.clone()
    }

    /// The voting snapshot after the block of `hash`, canonical or not: who may sign its child.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`]; [`ChainError::Storage`] and [`ChainError::DamagedSnapshot`]
    /// if the database cannot be read.
    pub fn snapshot(&self, hash: B256) -> Result<Arc<Snapshot>, ChainError> {
        self.snapshot_by(&self.inner.storage.reader()?, hash)
    }

    /// Every change of the canonical chain from now on. Sent after the commit, so a reader opened
    /// on receipt sees at least the new head.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<CanonicalUpdate>> {
        self.inner.updates.subscribe()
    }

    /// The blocks that were executed and found invalid most recently, the latest first. Forgotten
    /// when the node stops.
    pub fn refused_blocks(&self) -> Vec<Arc<RefusedBlock>> {
        self.inner.refused.lock().all()
    }

    pub(crate) fn snapshot_by(
        &self,
        reader: &Reader,
        hash: B256,
    ) -> Result<Arc<Snapshot>, ChainError> {
        self.inner
            .snapshots
            .get(reader, hash, |hash| self.header(reader, hash))
    }

    /// The header of a block that is stored or waits for its time.
    pub(crate) fn header(
        &self,
        reader: &Reader,
        hash: &B256,
    ) -> Result<Option<SealedHeader>, ChainError> {
        if let Some(header) = reader.header_by_hash(*hash)? {
            return Ok(Some(header));
        }
        Ok(self.inner.waiting.lock().header(hash))
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

fn stored_head(reader: &Reader, snapshots: &Snapshots) -> Result<Head, ChainError> {
    let hash = reader.head()?.hash;
    let header = reader
        .header_by_hash(hash)?
        .ok_or(ChainError::UnknownBlock(hash))?;
    let turn_distance = if header.number == 0 {
        0
    } else {
        let parent = snapshots.get(reader, header.parent_hash, |hash| {
            Ok(reader.header_by_hash(*hash)?)
        })?;
        signer_turn_distance(&header, &parent)?
    };
    let candidate = Candidate {
        total_difficulty: reader
            .total_difficulty(hash)?
            .ok_or(ChainError::UnknownBlock(hash))?,
        number: header.number,
        turn_distance,
        hash,
    };
    Ok(Head {
        header: Arc::new(header),
        candidate,
    })
}

/// How long ago the signer of a stored block was in turn, by the snapshot of the block's parent.
pub(crate) fn signer_turn_distance(
    header: &SealedHeader,
    parent: &Snapshot,
) -> Result<u64, ChainError> {
    let signer = recover_signer(header).map_err(|source| ChainError::Header {
        number: header.number,
        hash: header.hash(),
        source,
    })?;
    Ok(turn_distance(header.number, signer, parent))
}
