//! The outbox's tables and their encodings.

use super::{Batch, Outcome, ReadingKey};
use crate::MeterId;
use alloy::primitives::{Address, B256, Bytes};
use redb::{
    Builder, Database, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of these tables.
pub(super) const SCHEMA: u64 = 1;
/// How many refused readings are kept.
pub(super) const REFUSED_KEPT: u64 = 10_000;
/// The database's page cache. The outbox is small, and so are the machines it runs on.
const CACHE_BYTES: usize = 16 << 20;

/// A boundary and a meter.
type Place = (u64, [u8; 32]);
/// Import Wh, export Wh, times sent in vain, not to be sent before, nonce of its batch.
type ReadingRow = (u64, u64, u32, u64, Option<u64>);
/// Boundary, meter, import Wh, export Wh, when it was refused, why.
type RefusedRow<'a> = (u64, [u8; 32], u64, u64, u64, &'a str);

/// "identity" → schema, chain id, metering contract.
pub(super) const META: TableDefinition<'_, &str, (u64, u64, [u8; 20])> =
    TableDefinition::new("meta");
/// The readings that are not on the chain for good.
pub(super) const READINGS: TableDefinition<'_, Place, ReadingRow> =
    TableDefinition::new("readings");
/// Meter → boundary, import Wh and export Wh of the last reading recorded. Stays when the reading
/// has left.
pub(super) const LAST: TableDefinition<'_, [u8; 32], (u64, u64, u64)> =
    TableDefinition::new("last");
/// Nonce → the batch, as JSON.
pub(super) const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
/// Running number → a reading that the chain refused.
pub(super) const REFUSED: TableDefinition<'_, u64, RefusedRow<'_>> =
    TableDefinition::new("refused");
/// Meter → start of the replay it is in, import Wh and export Wh at that start.
pub(super) const BASES: TableDefinition<'_, [u8; 32], (u64, u64, u64)> =
    TableDefinition::new("bases");

/// Why the outbox cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another process uses the file.
    #[error("the outbox {} is in use by another process; stop that one, or give this one an outbox of its own", .0.display())]
    Locked(PathBuf),
    /// The file's tables are of another version.
    #[error(
        "the outbox has tables of version {found}, this program uses version {expected}; start with a new file"
    )]
    Schema {
        /// The file's.
        found: u64,
        /// This program's.
        expected: u64,
    },
    /// The file belongs to another chain.
    #[error(
        "the outbox belongs to chain {found} and contract {found_contract}, the configuration says chain {expected} \
         and contract {expected_contract}; give each chain an outbox of its own"
    )]
    OtherChain {
        /// The file's chain.
        found: u64,
        /// The file's contract.
        found_contract: Address,
        /// The wanted chain.
        expected: u64,
        /// The wanted contract.
        expected_contract: Address,
    },
    /// Two batches for one nonce.
    #[error("there is a batch with nonce {0} already")]
    NonceInUse(u64),
    /// No batch with that nonce.
    #[error("there is no batch with nonce {0}")]
    NoBatch(u64),
    /// A reading to be packed does not wait.
    #[error("the reading of meter {meter} at {time} does not wait to be packed")]
    NotWaiting {
        /// The meter.
        meter: MeterId,
        /// The boundary.
        time: u64,
    },
    /// Not one outcome for each reading.
    #[error("the batch has {expected} readings, got {got} outcomes")]
    Outcomes {
        /// How many readings there are.
        expected: usize,
        /// How many outcomes came.
        got: usize,
    },
    /// A batch cannot be read back.
    #[error("the batch with nonce {nonce} is unreadable: {error}")]
    Batch {
        /// Its nonce.
        nonce: u64,
        /// Why.
        error: serde_json::Error,
    },
    /// The program is ending, or the work on the outbox failed inside.
    #[error("work on the outbox was interrupted: {0}")]
    Interrupted(String),
    /// The database fails.
    #[error("the outbox's database failed")]
    Database(#[source] Box<redb::Error>),
}

macro_rules! database_error {
    ($($error:ty),*) => {$(
        impl From<$error> for OutboxError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}
database_error!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError
);

/// Opens the database, or creates it.
pub(super) fn open(path: &Path) -> Result<Database, OutboxError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.create(path).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => OutboxError::Locked(path.to_owned()),
        error => OutboxError::Database(Box::new(error.into())),
    })
}

/// A batch as the table has it.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchRow {
    transactions: Vec<Bytes>,
    readings: Vec<(u64, B256)>,
}

impl BatchRow {
    pub(super) fn encode(batch: &Batch) -> Result<Vec<u8>, OutboxError> {
        let readings = batch
            .readings
            .iter()
            .map(|(time, meter)| (*time, meter.0))
            .collect();
        let row = Self {
            transactions: batch.transactions.clone(),
            readings,
        };
        serde_json::to_vec(&row).map_err(|error| OutboxError::Batch {
            nonce: batch.nonce,
            error,
        })
    }

    pub(super) fn decode(nonce: u64, bytes: &[u8]) -> Result<Batch, OutboxError> {
        let row: Self =
            serde_json::from_slice(bytes).map_err(|error| OutboxError::Batch { nonce, error })?;
        let readings = row
            .readings
            .into_iter()
            .map(|(time, meter)| (time, MeterId(meter)))
            .collect();
        Ok(Batch {
            nonce,
            transactions: row.transactions,
            readings,
        })
    }
}

/// Writes down what became of readings.
pub(super) fn settle(
    write: &WriteTransaction,
    outcomes: &[(ReadingKey, &Outcome)],
) -> Result<(), OutboxError> {
    let mut rows = write.open_table(READINGS)?;
    let mut refused = write.open_table(REFUSED)?;
    for ((time, meter), outcome) in outcomes {
        let key = (*time, meter.0.0);
        let Some((import, export, attempts, ..)) = rows.remove(key)?.map(|row| row.value()) else {
            continue;
        };
        match outcome {
            Outcome::Delivered => {}
            Outcome::Refused { reason, at } => {
                let number = refused
                    .last()?
                    .map_or(0, |(number, _)| number.value().saturating_add(1));
                refused.insert(
                    number,
                    (*time, meter.0.0, import, export, *at, reason.as_str()),
                )?;
                if refused.len()? > REFUSED_KEPT {
                    refused.pop_first()?;
                }
            }
            Outcome::Again { not_before } => {
                rows.insert(
                    key,
                    (
                        import,
                        export,
                        attempts.saturating_add(1),
                        *not_before,
                        None,
                    ),
                )?;
            }
        }
    }
    Ok(())
}
