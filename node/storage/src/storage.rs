//! The database as a whole.

use crate::{
    ChainIdentity, DatabaseSpace, ExecutedBlock, Overlay, Reader, StateReader, StorageConfig,
    StorageError, StorageResult, TrieUpdates, Writer, blocks, chain_config,
    env::{Env, check_schema},
    genesis,
    tables::{Meta, NAMES, meta},
};
use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, BlockNumber};
use revm::database::BundleState;
use std::{path::Path, sync::Arc};

/// The database of a node. Cheap to clone; it closes when the last clone and everything that was
/// taken from it is gone. One process at a time can have a data directory open.
///
/// ```
/// use alloy_primitives::Address;
/// use std::collections::BTreeMap;
/// use wattline_primitives::SealedHeader;
/// use wattline_storage::{ChainIdentity, Storage};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let genesis = SealedHeader::seal_slow(alloy_consensus::Header {
///     state_root: alloy_trie::EMPTY_ROOT_HASH,
///     ..Default::default()
/// });
/// let dir = tempfile::tempdir()?;
/// let storage = Storage::open(
///     dir.path(),
///     ChainIdentity {
///         genesis_header: &genesis,
///         alloc: &BTreeMap::new(),
///         config_json: "{}".to_owned(),
///     },
/// )?;
///
/// let reader = storage.reader()?;
/// assert_eq!(reader.head()?.hash, genesis.hash());
/// assert_eq!(reader.state_at(0)?.account(&Address::ZERO)?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Storage {
    env: Arc<Env>,
    genesis_hash: B256,
}

/// How much one table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Name of the table.
    pub name: &'static str,
    /// Number of entries.
    pub entries: u64,
    /// Number of levels of its tree.
    pub depth: u32,
    /// Bytes that its pages take on disk.
    pub bytes: u64,
}

impl Storage {
    /// As [`open_with`](Self::open_with), without choices of the operator.
    ///
    /// # Errors
    /// Those of [`open_with`](Self::open_with).
    pub fn open(dir: &Path, chain: ChainIdentity<'_>) -> StorageResult<Self> {
        Self::open_with(dir, chain, &StorageConfig::default())
    }

    /// Opens the database in the data directory `dir` for the given chain. An empty or missing
    /// directory gets a new database with the genesis block in it.
    ///
    /// # Errors
    /// - [`StorageError::GenesisMismatch`], [`StorageError::SchemaMismatch`] if it is that of
    ///   another chain or layout, [`StorageError::NotADatabase`] if it is none. Nothing is changed.
    /// - [`StorageError::ConfigMismatch`] if the chain was created with other settings, which its
    ///   genesis hash does not cover. Nothing is changed.
    /// - [`StorageError::DataDirLocked`] if another process has it open.
    /// - [`StorageError::AddressSpace`] if the system does not let it grow as far as it may.
    /// - [`StorageError::StateRootMismatch`] if the genesis header does not state the root of the
    ///   genesis state.
    pub fn open_with(
        dir: &Path,
        chain: ChainIdentity<'_>,
        config: &StorageConfig,
    ) -> StorageResult<Self> {
        let expected = chain.genesis_header.hash();
        let env = Env::open(dir, config, |identity| {
            let Some(identity) = identity else {
                return Ok(());
            };
            check_schema(&identity)?;
            if identity.genesis != expected {
                let found = identity.genesis;
                return Err(StorageError::GenesisMismatch { found, expected });
            }
            Ok(())
        })?;
        let stored = env.begin_ro()?.get::<Meta>(&meta::CHAIN_CONFIG)?;
        if let Some(stored) = stored {
            chain_config::check(&stored, &chain.config_json)?;
        } else {
            let mut writer = Writer::begin(&env)?;
            writer.change(|tx| genesis::write(tx, chain))?;
            writer.commit()?;
            tracing::info!(dir = %dir.display(), genesis = %expected, "created the database");
        }
        Ok(Self {
            env,
            genesis_hash: expected,
        })
    }

    /// Opens the database in the data directory `dir`, whatever its chain.
    ///
    /// # Errors
    /// [`StorageError::NoDatabase`] if there is none, and the errors of [`open`](Self::open).
    pub fn open_existing(dir: &Path) -> StorageResult<Self> {
        let env = Env::open(dir, &StorageConfig::default(), |identity| match identity {
            Some(identity) => check_schema(&identity),
            None => Err(StorageError::NoDatabase {
                path: dir.to_path_buf(),
            }),
        })?;
        let genesis_hash = genesis::hash(&env.begin_ro()?.expect::<Meta>(&meta::GENESIS)?)?;
        Ok(Self { env, genesis_hash })
    }

    /// Hash of block 0.
    pub const fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// The chain configuration that the database was created with, as JSON.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn chain_config(&self) -> StorageResult<String> {
        let config = self.env.begin_ro()?.expect::<Meta>(&meta::CHAIN_CONFIG)?;
        String::from_utf8(config).map_err(|error| StorageError::Decode {
            table: "Meta",
            reason: error.to_string(),
        })
    }

    /// A snapshot of what is committed now.
    ///
    /// # Errors
    /// [`StorageError::TooManyReaders`] if all reader slots are taken.
    pub fn reader(&self) -> StorageResult<Reader> {
        Ok(Reader::new(self.env.begin_ro()?))
    }

    /// The write transaction; waits until no other is open.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn writer(&self) -> StorageResult<Writer> {
        Writer::begin(&self.env)
    }

    /// The state after the head.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn state(&self) -> StorageResult<StateReader> {
        self.reader()?.state()
    }

    /// The state after a canonical block.
    ///
    /// # Errors
    /// As [`reader`](Self::reader) and [`Reader::state_at`].
    pub fn state_at(&self, number: BlockNumber) -> StorageResult<StateReader> {
        self.reader()?.state_at(number)
    }

    /// The state after block `parent`, which is the head or was executed on it but is not stored
    /// yet: `layers` are the executed blocks above the head, oldest first, the last of them
    /// `parent`. Those that are stored by now may be among them and are left out, so a commit
    /// between their collection and this call does no harm.
    ///
    /// # Errors
    /// [`StorageError::NotConnected`] if the layers do not lead from the head to `parent`, because
    /// one is missing or another branch was stored.
    pub fn overlay(&self, parent: B256, layers: &[Arc<ExecutedBlock>]) -> StorageResult<Overlay> {
        Overlay::open(self.env.begin_ro()?, parent, layers)
    }

    /// The state root after `state` on block `parent`, which must be the head, and all that
    /// [`Writer::append`] needs to store it. The cost follows the number of changed keys times the
    /// depth of the trie.
    ///
    /// # Errors
    /// [`StorageError::NotHead`] if `parent` is not the head.
    pub fn state_root(
        &self,
        parent: BlockNumHash,
        state: &BundleState,
    ) -> StorageResult<(B256, TrieUpdates)> {
        let tx = self.env.begin_ro()?;
        let head = blocks::head(&tx)?;
        if head != parent {
            return Err(StorageError::NotHead { parent, head });
        }
        Overlay::open(tx, parent.hash, &[])?.state_root(state)
    }

    /// How much of the database is in use.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn space(&self) -> StorageResult<DatabaseSpace> {
        self.env.space()
    }

    /// How much each table holds.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stats(&self) -> StorageResult<Vec<TableStats>> {
        let page_size = self.env.page_size()?;
        let tx = self.env.begin_ro()?;
        let mut stats = Vec::with_capacity(NAMES.len());
        for (index, name) in NAMES.iter().enumerate() {
            let Some(stat) = tx.stat(index)? else {
                continue;
            };
            let pages = stat.branch_pages() + stat.leaf_pages() + stat.overflow_pages();
            stats.push(TableStats {
                name,
                entries: stat.entries() as u64,
                depth: stat.depth(),
                bytes: pages as u64 * page_size,
            });
        }
        Ok(stats)
    }
}
