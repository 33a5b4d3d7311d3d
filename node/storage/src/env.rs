//! The MDBX environment in a data directory: who may open it, with which sizes and tables.

use crate::{
    StorageError, StorageResult,
    tables::{Meta, NAMES, SCHEMA_VERSION, Table, meta},
    tx::{RoTx, RwTx, Tx},
};
use alloy_primitives::B256;
use parking_lot::{Condvar, Mutex};
use quick_cache::{Weighter, sync::Cache};
use revm::state::Bytecode;
use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, MdbxError, MdbxResult, Mode,
    SyncMode,
};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Upper limit of the database in GiB. Only address space is reserved for it; the file grows in
/// steps of [`GROWTH_STEP`].
pub(crate) const MAX_SIZE_GIB: u64 = 1024;
/// By how much the file grows, in bytes.
const GROWTH_STEP: isize = 64 << 20;
/// Number of read transactions that can be open at once.
pub(crate) const MAX_READERS: u64 = 4096;

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
    gate: Arc<Gate>,
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
}

impl Env {
    /// Opens the environment in `dir` for reading and writing, creating what is missing.
    /// `check` sees first what the directory already is, and nothing is changed if it refuses.
    pub(crate) fn open(
        dir: &Path,
        check: impl Fn(Option<Identity>) -> StorageResult<()>,
    ) -> StorageResult<Arc<Self>> {
        let path = dir.join(FOLDER);
        if !has_database(&path)? {
            check(None)?;
            fs::create_dir_all(&path).map_err(|source| io_error(&path, source))?;
        }
        let lock = lock(dir)?;
        if has_database(&path)? {
            check(read_identity(&path)?)?;
        }
        let inner = builder(false)
            .open(&path)
            .map_err(|error| open_error(&path, error))?;
        let tables = create_tables(&inner)?;
        Ok(Arc::new(Self {
            inner,
            tables,
            codes: Cache::with_weighter(256, CODE_CACHE_BYTES, CodeSize),
            gate: Arc::default(),
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

    /// Begins the write transaction, after the one that may be open has ended.
    pub(crate) fn begin_rw(self: &Arc<Self>) -> StorageResult<(RwTx, Turn)> {
        let turn = Gate::enter(&self.gate);
        Ok((Tx::new(self.inner.begin_rw_sync()?, Arc::clone(self)), turn))
    }

    /// Size of a database page in bytes.
    pub(crate) fn page_size(&self) -> StorageResult<u64> {
        Ok(u64::from(self.inner.stat()?.page_size()))
    }
}

/// Lets one writer in at a time. MDBX has such a lock too, but waits for it by polling.
#[derive(Default)]
struct Gate {
    taken: Mutex<bool>,
    left: Condvar,
}

/// The turn of one writer; ends when dropped.
pub(crate) struct Turn(Arc<Gate>);

impl Gate {
    fn enter(gate: &Arc<Self>) -> Turn {
        let mut taken = gate.taken.lock();
        while *taken {
            gate.left.wait(&mut taken);
        }
        *taken = true;
        Turn(Arc::clone(gate))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken.lock() = false;
        self.0.left.notify_one();
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

fn builder(read_only: bool) -> signet_libmdbx::EnvironmentBuilder {
    let mode = if read_only {
        Mode::ReadOnly
    } else {
        Mode::ReadWrite {
            sync_mode: SyncMode::Durable,
        }
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
    if !read_only {
        builder.set_geometry(Geometry {
            size: Some(0..(MAX_SIZE_GIB as usize) << 30),
            growth_step: Some(GROWTH_STEP),
            shrink_threshold: Some(0),
            page_size: None,
        });
    }
    builder
}

fn io_error(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn open_error(path: &Path, error: MdbxError) -> StorageError {
    match error {
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
fn read_identity(path: &Path) -> StorageResult<Option<Identity>> {
    let environment = match builder(true).open(path) {
        // The last commit did not reach the disk whole, which only a writer may repair; MDBX falls
        // back to the commit before it, so nothing of the chain is changed by that.
        Err(MdbxError::WannaRecovery) => builder(false).open(path),
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
    Ok(Some(Identity {
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
