//! The MDBX environment in a data directory: who may open it, with which sizes and tables.

use crate::{
    DatabaseSpace, StorageConfig, StorageError, StorageResult,
    tables::{Meta, NAMES, SCHEMA_VERSION, Table, meta},
    tx::{RoTx, RwTx, Tx},
};
use alloy_primitives::{B256, BlockNumber};
use parking_lot::{Condvar, Mutex};
use quick_cache::{Weighter, sync::Cache};
use revm::state::Bytecode;
use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, MdbxError, MdbxResult, Mode,
    SyncMode,
};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Number of read transactions that can be open at once.
pub(crate) const MAX_READERS: u64 = 4096;
/// More than a slot of a reader takes in MDBX's file of readers, in bytes.
const READER_BYTES: u64 = 64;

/// Contract code that is kept decoded, in bytes.
const CODE_CACHE_BYTES: u64 = 32 << 20;

/// Folder of the MDBX environment in the data directory.
const FOLDER: &str = "db";
/// File that the process which uses the data directory keeps locked.
const LOCK: &str = "db.lock";

/// An open environment and what belongs to it for as long as it is open.
pub(crate) struct Env {
    /// Declared before `_lock`, so that it closes before another process may open it.
    inner: Environment,
    tables: Vec<Database>,
    /// Code by its hash, so that it is the same in every state, and never out of date.
    codes: Cache<B256, Bytecode, CodeSize>,
    writing: Arc<WriterLock>,
    history: Option<BlockNumber>,
    /// Whether the last change did not fit into the database.
    full: AtomicBool,
    _lock: File,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

/// Weighs contract code in bytes.
#[derive(Clone, Debug)]
pub(crate) struct CodeSize;

impl Weighter<B256, Bytecode> for CodeSize {
    fn weight(&self, _: &B256, code: &Bytecode) -> u64 {
        code.len().max(1) as u64
    }
}

/// What the [`Meta`] table says about a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) schema: u32,
    pub(crate) genesis: B256,
    /// Bytes that the database may grow to.
    max_size: u64,
}

impl Env {
    /// Opens the environment in `dir` for reading and writing, creating what is missing.
    /// `check` sees first what the directory already is, and nothing is changed if it refuses.
    pub(crate) fn open(
        dir: &Path,
        config: &StorageConfig,
        check: impl Fn(Option<Identity>) -> StorageResult<()>,
    ) -> StorageResult<Arc<Self>> {
        let path = dir.join(FOLDER);
        if !has_database(&path)? {
            check(None)?;
            fs::create_dir_all(&path).map_err(|source| io_error(&path, source))?;
        }
        let lock = lock(dir)?;
        let mut max_size = config.max_size;
        if has_database(&path)? {
            let identity = read_identity(&path, config)?;
            check(identity)?;
            max_size = max_size.or(identity.map(|identity| identity.max_size));
        }
        let inner = open_environment(&path, Some(geometry(max_size, config.growth_step)))
            .map_err(|error| open_error(&path, error))?;
        let tables = create_tables(&inner)?;
        Ok(Arc::new(Self {
            inner,
            tables,
            codes: Cache::with_weighter(256, CODE_CACHE_BYTES, CodeSize),
            writing: Arc::default(),
            history: config.history,
            full: AtomicBool::new(false),
            _lock: lock,
        }))
    }

    /// Handle of the table `T`.
    pub(crate) fn table<T: Table>(&self) -> Database {
        self.tables[T::INDEX]
    }

    /// Decoded contract code.
    pub(crate) const fn codes(&self) -> &Cache<B256, Bytecode, CodeSize> {
        &self.codes
    }

    /// Handle of the table at `index`.
    pub(crate) fn table_at(&self, index: usize) -> Option<Database> {
        self.tables.get(index).copied()
    }

    /// Begins a read transaction on what is committed now.
    pub(crate) fn begin_ro(self: &Arc<Self>) -> StorageResult<RoTx> {
        Ok(Tx::new(self.inner.begin_ro_sync()?, Arc::clone(self)))
    }

    /// Begins up to `count` read transactions on one commit, and at least one.
    pub(crate) fn begin_ro_many(self: &Arc<Self>, count: usize) -> StorageResult<Vec<RoTx>> {
        let first = self.begin_ro()?;
        let id = first.id()?;
        let mut txs = vec![first];
        while txs.len() < count {
            let next = self.begin_ro()?;
            // A writer committed in between: there are fewer then.
            if next.id()? != id {
                break;
            }
            txs.push(next);
        }
        Ok(txs)
    }

    /// Begins the write transaction, after the one that may be open has ended.
    pub(crate) fn begin_rw(self: &Arc<Self>) -> StorageResult<(RwTx, WriterGuard)> {
        let guard = WriterLock::lock(&self.writing);
        let tx = Tx::new(self.inner.begin_rw_sync()?, Arc::clone(self));
        Ok((tx, guard))
    }

    /// How many blocks before the head are to keep their state.
    pub(crate) const fn history(&self) -> Option<BlockNumber> {
        self.history
    }

    /// Size of a database page in bytes.
    pub(crate) fn page_size(&self) -> StorageResult<u64> {
        Ok(u64::from(self.inner.stat()?.page_size()))
    }

    /// How much of the database is in use.
    pub(crate) fn space(&self) -> StorageResult<DatabaseSpace> {
        let info = self.inner.info()?;
        let pages = (info.last_pgno() as u64 + 1).saturating_sub(self.inner.freelist()? as u64);
        Ok(DatabaseSpace {
            used: pages * self.page_size()?,
            max: info.map_size() as u64,
            is_full: self.full.load(Ordering::Relaxed),
        })
    }

    /// Remembers whether a change was stored, or that there was no room for it.
    pub(crate) fn note_stored<T>(&self, stored: &StorageResult<T>) {
        match stored {
            Ok(_) => self.full.store(false, Ordering::Relaxed),
            Err(StorageError::MapFull) => self.full.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }
}

/// Lets one writer in at a time. MDBX has such a lock too, but waits for it by polling.
#[derive(Default)]
struct WriterLock {
    locked: Mutex<bool>,
    released: Condvar,
}

/// Held by the one writer. Unlike a mutex's, it may move to another thread.
pub(crate) struct WriterGuard(Arc<WriterLock>);

impl WriterLock {
    fn lock(this: &Arc<Self>) -> WriterGuard {
        let mut locked = this.locked.lock();
        while *locked {
            this.released.wait(&mut locked);
        }
        *locked = true;
        WriterGuard(Arc::clone(this))
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        *self.0.locked.lock() = false;
        self.0.released.notify_one();
    }
}

impl std::fmt::Debug for WriterGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WriterGuard")
    }
}

type DatabaseGeometry = Geometry<RangeInclusive<usize>>;

fn geometry(max_size: Option<u64>, growth_step: Option<u64>) -> DatabaseGeometry {
    let max_size = max_size.unwrap_or(StorageConfig::DEFAULT_MAX_SIZE);
    let growth_step = growth_step
        .unwrap_or(StorageConfig::DEFAULT_GROWTH_STEP)
        .min(max_size);
    Geometry {
        size: Some(0..=usize::try_from(max_size).unwrap_or(usize::MAX)),
        growth_step: Some(isize::try_from(growth_step).unwrap_or(isize::MAX)),
        shrink_threshold: Some(0),
        page_size: None,
    }
}

/// Opens for reading only without a geometry, else with that.
fn open_environment(path: &Path, geometry: Option<DatabaseGeometry>) -> MdbxResult<Environment> {
    allocate_readers(path)?;
    let mode = match geometry {
        None => Mode::ReadOnly,
        // Pages are written to the file and not to the map, so that a full disk is an error of the
        // write and not a signal.
        Some(_) => Mode::ReadWrite {
            sync_mode: SyncMode::Durable,
        },
    };
    let mut builder = Environment::builder();
    builder
        .set_flags(EnvironmentFlags {
            mode,
            // Trie and state reads are random: reading ahead only evicts other pages.
            no_rdahead: true,
            coalesce: true,
            ..Default::default()
        })
        .set_max_dbs(NAMES.len() + 8)
        .set_max_readers(MAX_READERS);
    if let Some(geometry) = geometry {
        builder.set_geometry(geometry);
    }
    builder.open(path)
}

fn io_error(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn open_error(path: &Path, error: MdbxError) -> StorageError {
    match error {
        error if is_address_space(&error) => StorageError::AddressSpace,
        MdbxError::Other(code) => io_error(path, io::Error::from_raw_os_error(code)),
        MdbxError::Access | MdbxError::Permission => {
            io_error(path, io::ErrorKind::PermissionDenied.into())
        }
        MdbxError::Busy => StorageError::DataDirLocked {
            path: path.to_path_buf(),
        },
        other => StorageError::NotADatabase {
            path: path.to_path_buf(),
            reason: other.to_string(),
        },
    }
}

/// Whether the system did not let the database be mapped, because that is too large.
fn is_address_space(error: &MdbxError) -> bool {
    match error {
        MdbxError::TooLarge => true,
        MdbxError::Other(code) => {
            io::Error::from_raw_os_error(*code).kind() == io::ErrorKind::OutOfMemory
        }
        _ => false,
    }
}

/// Makes sure that the disk has room for MDBX's file of readers, which MDBX empties when it closes.
/// It makes the file sparse and writes to it through a map, for which a full disk would be a signal
/// that ends the process.
fn allocate_readers(path: &Path) -> MdbxResult<()> {
    let zeros = vec![0; (MAX_READERS * READER_BYTES) as usize];
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("mdbx.lck"))
        .and_then(|mut file| file.write_all(&zeros))
        .map_err(|error| {
            error
                .raw_os_error()
                .map_or(MdbxError::Problem, MdbxError::Other)
        })
}

fn data_file(path: &Path) -> PathBuf {
    path.join("mdbx.dat")
}

/// Whether an environment was created in the folder. A data file without content is what a
/// process leaves that was killed while it created one.
fn has_database(path: &Path) -> StorageResult<bool> {
    let file = data_file(path);
    match fs::metadata(&file) {
        Ok(found) if !found.is_file() => Err(StorageError::NotADatabase {
            path: file,
            reason: "expected a file".to_owned(),
        }),
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(&file, error)),
    }
}

fn lock(dir: &Path) -> StorageResult<File> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::DataDirLocked {
            path: dir.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

/// Reads which chain and schema an existing database is of, without writing to it. None if its
/// creation never completed.
fn read_identity(path: &Path, config: &StorageConfig) -> StorageResult<Option<Identity>> {
    let geometry = geometry(config.max_size, config.growth_step);
    let environment = match open_environment(path, None) {
        // The last commit did not reach the disk whole, which only a writer may repair; MDBX falls
        // back to the commit before it, so nothing of the chain is changed by that.
        Err(MdbxError::WannaRecovery) => open_environment(path, Some(geometry)),
        // It was opened with a larger limit than this system gives; with the new one it may fit.
        Err(error) if is_address_space(&error) && config.max_size.is_some() => {
            open_environment(path, Some(geometry))
        }
        other => other,
    }
    .map_err(|error| open_error(path, error))?;
    let tx = environment.begin_ro_sync()?;
    let table = match tx.open_db(Some(Meta::NAME)) {
        Ok(table) => table,
        Err(MdbxError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let field = |key: u64| tx.get::<Vec<u8>>(table.dbi(), &key.to_be_bytes());
    let (Some(schema), Some(genesis)) = (field(meta::SCHEMA)?, field(meta::GENESIS)?) else {
        return Ok(None);
    };
    let damaged = |what: &str| StorageError::Decode {
        table: Meta::NAME,
        reason: format!("{what} has another length than expected"),
    };
    let schema = schema
        .try_into()
        .map_err(|_| damaged("the schema version"))?;
    let max_size = environment.info()?.map_size() as u64;
    Ok(Some(Identity {
        max_size,
        schema: u32::from_be_bytes(schema),
        genesis: B256::try_from(genesis.as_slice()).map_err(|_| damaged("the genesis hash"))?,
    }))
}

/// Refuses databases of another table layout.
pub(crate) const fn check_schema(identity: &Identity) -> StorageResult<()> {
    if identity.schema == SCHEMA_VERSION {
        return Ok(());
    }
    Err(StorageError::SchemaMismatch {
        found: identity.schema,
        expected: SCHEMA_VERSION,
    })
}

fn create_tables(environment: &Environment) -> MdbxResult<Vec<Database>> {
    let tx = environment.begin_rw_sync()?;
    let tables = NAMES
        .iter()
        .map(|name| tx.create_db(Some(name), DatabaseFlags::empty()))
        .collect::<MdbxResult<Vec<_>>>()?;
    tx.commit()?;
    Ok(tables)
}
