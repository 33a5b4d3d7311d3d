//! What can go wrong in the database, and what the reader of the message should do about it.

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, BlockNumber};
use revm::database_interface::DBErrorMarker;
use signet_libmdbx::{MdbxError, ReadError};
use std::{io, path::PathBuf};

/// Linux's number of a failed input or output.
const EIO: i32 = 5;

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory holds the chain of another genesis block. Nothing was changed.
    #[error(
        "the data directory holds a chain with genesis {found}, but this node is configured for \
         genesis {expected}: choose another --datadir, or start with the genesis file that the \
         directory was created with"
    )]
    GenesisMismatch {
        /// Genesis hash in the directory.
        found: B256,
        /// Genesis hash of the configured chain.
        expected: B256,
    },
    /// The directory holds a chain with other settings. Nothing was changed.
    #[error(
        "the data directory holds a chain whose `config.{key}` is {found}, but this node is \
         configured with {expected}: choose another --datadir, or start with the genesis file that \
         the directory was created with"
    )]
    ConfigMismatch {
        /// The setting, as its path in the genesis file's `config`.
        key: String,
        /// Its value in the directory, as JSON.
        found: String,
        /// Its configured value, as JSON.
        expected: String,
    },
    /// The directory was written in another table layout. Nothing was changed.
    #[error(
        "the data directory has database schema {found}, but this version of the node reads and \
         writes schema {expected}: start the version that wrote it, or give this one a new \
         --datadir, into which it fetches the chain from its peers or imports it from a file"
    )]
    SchemaMismatch {
        /// Schema version in the directory.
        found: u32,
        /// Schema version of this build.
        expected: u32,
    },
    /// Another process has the directory open.
    #[error(
        "the data directory {} is in use by another process: stop that node first, or choose \
         another --datadir", path.display()
    )]
    DataDirLocked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds no chain.
    #[error(
        "there is no chain in the data directory {}: check the path, or create one with \
         `wattline init`", path.display()
    )]
    NoDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// A file where the database should be is something else.
    #[error(
        "{} is not a database of this node, or it is damaged ({reason}): restore it from a backup \
         or choose another --datadir", path.display()
    )]
    NotADatabase {
        /// The offending file or directory.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system could not write or read the database's files.
    #[error(
        "the disk refused a database operation ({0}): check that the volume of the data directory \
         has free space and is healthy; what was committed before is intact"
    )]
    Disk(io::Error),
    /// The database reached its size limit. What was committed before is intact.
    #[error(
        "the database is full: start the node with a larger --db.max-size, which `wattline db \
         stats` shows; what was committed before is intact"
    )]
    MapFull,
    /// The system does not give the address space for the size limit.
    #[error(
        "the system does not let the database reserve address space for its size limit: choose a \
         smaller --db.max-size, or lift the limit of the process (`ulimit -v`)"
    )]
    AddressSpace,
    /// All reader slots are taken.
    #[error(
        "all {limit} reader slots of the database are in use: lower the number of concurrent RPC \
         requests, or retry later"
    )]
    TooManyReaders {
        /// Number of slots.
        limit: u64,
    },
    /// A stored value does not have the shape its table prescribes.
    #[error(
        "damaged entry in table {table} ({reason}): restore the data directory from a backup, or \
         import the chain again into a new one"
    )]
    Decode {
        /// Name of the table.
        table: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// An entry that other entries refer to is not there.
    #[error(
        "table {table} has no entry for {key}, which other tables refer to: restore the data \
         directory from a backup, or import the chain again into a new one"
    )]
    MissingEntry {
        /// Name of the table.
        table: &'static str,
        /// The key, readable.
        key: String,
    },
    /// The canonical chain has no such block.
    #[error("the chain has no block {number}; its head is block {head}")]
    MissingBlock {
        /// Number asked for.
        number: BlockNumber,
        /// Number of the head.
        head: BlockNumber,
    },
    /// The state of a block was removed, as the operator chose.
    #[error(
        "missing trie node: the state of block {number} was pruned, the oldest state that this \
         node keeps is that of block {oldest}"
    )]
    StatePruned {
        /// Number of the block.
        number: BlockNumber,
        /// Number of the oldest block whose state is there.
        oldest: BlockNumber,
    },
    /// A state root was asked for on a block that is not the head.
    #[error(
        "state changes on block {} ({}) cannot be hashed: the head is block {} ({})",
        parent.number, parent.hash, head.number, head.hash
    )]
    NotHead {
        /// Block whose post-state the changes apply to.
        parent: BlockNumHash,
        /// The head.
        head: BlockNumHash,
    },
    /// A state was asked for of a block that is neither the head nor known to stand on it.
    #[error(
        "the state after block {parent} cannot be read: the blocks given do not lead to it from \
         the head, block {} ({})", head.number, head.hash
    )]
    NotConnected {
        /// The block.
        parent: B256,
        /// The head.
        head: BlockNumHash,
    },
    /// The appended block does not extend the head.
    #[error(
        "block {number} with parent {parent} does not extend the head, block {} ({})",
        head.number, head.hash
    )]
    NotNextBlock {
        /// Number of the refused block.
        number: BlockNumber,
        /// Its parent hash.
        parent: B256,
        /// The head.
        head: BlockNumHash,
    },
    /// The state does not have the root which the header states.
    #[error("block {number} states state root {expected}, but its state has root {computed}")]
    StateRootMismatch {
        /// Number of the block.
        number: BlockNumber,
        /// Root in the header.
        expected: B256,
        /// Root of the state.
        computed: B256,
    },
    /// Too much changed since a block for a proof of its state.
    #[error(
        "more than {limit} accounts and slots changed since block {number}, which a proof of its \
         state has to undo: prove a later block"
    )]
    ProofTooFar {
        /// Number of the block.
        number: BlockNumber,
        /// How many changes may be undone.
        limit: usize,
    },
    /// Whoever asked does not want the answer any more.
    #[error("stopped on request")]
    Stopped,
    /// A block came with another number of receipts than it has transactions.
    #[error("block {number} has {transactions} transactions but {receipts} receipts")]
    ReceiptCount {
        /// Number of the block.
        number: BlockNumber,
        /// Number of its transactions.
        transactions: usize,
        /// Number of receipts given.
        receipts: usize,
    },
    /// A block carries ommers or withdrawals, which blocks of this chain never do.
    #[error("block {number} carries {what}, which this chain does not have")]
    UnsupportedBody {
        /// Number of the block.
        number: BlockNumber,
        /// "ommers" or "withdrawals".
        what: &'static str,
    },
    /// The genesis file gives an account code that no account can have.
    #[error("the code of account {address} in the genesis file is invalid: {reason}")]
    InvalidGenesisCode {
        /// The account.
        address: Address,
        /// What is wrong with it.
        reason: String,
    },
    /// An earlier operation of this writer failed half way, so its changes must not be committed.
    #[error("an earlier change in this write transaction failed; drop the writer and start again")]
    WriterFailed,
    /// Any other error of the database engine.
    #[error("database error: {0}")]
    Database(MdbxError),
}

/// Result of a database operation.
pub type StorageResult<T> = Result<T, StorageError>;

impl StorageError {
    /// Whether the disk or the database is full: nothing is damaged, and the same may succeed once
    /// there is room.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::MapFull => true,
            // MDBX's word for a write that the disk took in part. A disk that is broken fails when
            // it is to sync, after which MDBX does nothing more.
            Self::Disk(source) if source.raw_os_error() == Some(EIO) => true,
            Self::Disk(source) | Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
}

impl DBErrorMarker for StorageError {}

impl From<MdbxError> for StorageError {
    fn from(error: MdbxError) -> Self {
        match error {
            MdbxError::MapFull | MdbxError::UnableExtendMapSize => Self::MapFull,
            // Positive codes are the operating system's; a full disk shows as ENOSPC or EIO.
            MdbxError::Other(code) if code > 0 => Self::Disk(io::Error::from_raw_os_error(code)),
            MdbxError::ReadersFull => Self::TooManyReaders {
                limit: crate::env::MAX_READERS,
            },
            other => Self::Database(other),
        }
    }
}

impl From<ReadError> for StorageError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Mdbx(error) => error.into(),
            ReadError::Decoding(error) => Self::Decode {
                table: "unknown",
                reason: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_engine_that_people_can_act_on_have_their_own_variants() {
        for error in [MdbxError::MapFull, MdbxError::UnableExtendMapSize] {
            let error = StorageError::from(error);
            assert!(matches!(error, StorageError::MapFull));
            assert!(error.is_out_of_space());
        }
        let full = StorageError::from(MdbxError::Other(28));
        assert!(matches!(&full, StorageError::Disk(e) if e.kind() == io::ErrorKind::StorageFull));
        assert!(full.is_out_of_space());
        assert!(StorageError::from(MdbxError::Other(5)).is_out_of_space());
        assert!(!StorageError::from(MdbxError::Other(13)).is_out_of_space());
        assert!(matches!(
            MdbxError::Corrupted.into(),
            StorageError::Database(MdbxError::Corrupted)
        ));
    }
}
