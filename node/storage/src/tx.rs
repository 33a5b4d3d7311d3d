//! Typed access to the tables within one transaction.

use crate::{
    StorageError, StorageResult,
    codec::{Key, Value},
    env::Env,
    tables::Table,
};
use signet_libmdbx::{RoSync, RwSync, TransactionKind, TxSync, WriteFlags, tx::PtrSync};
use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

/// The kinds of transaction that may move between threads.
pub(crate) trait Kind: TransactionKind<Access = Arc<PtrSync>> + Send + Sync {}
impl<K: TransactionKind<Access = Arc<PtrSync>> + Send + Sync> Kind for K {}

/// A transaction: a consistent view of all tables.
pub(crate) struct Tx<K: Kind> {
    /// Declared before `env`, so that it ends before the environment can close.
    inner: TxSync<K>,
    env: Arc<Env>,
}

/// A transaction that only reads.
pub(crate) type RoTx = Tx<RoSync>;
/// The transaction that writes. Dropping it undoes what it wrote.
pub(crate) type RwTx = Tx<RwSync>;

impl<K: Kind> fmt::Debug for Tx<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("id", &self.inner.id().ok())
            .finish_non_exhaustive()
    }
}

fn decode_error<T: Table>(part: &str, bytes: &[u8]) -> StorageError {
    let head = &bytes[..bytes.len().min(40)];
    StorageError::Decode {
        table: T::NAME,
        reason: format!(
            "{part} of {} bytes, beginning with {}, is malformed",
            bytes.len(),
            alloy_primitives::hex::encode_prefixed(head)
        ),
    }
}

fn decode_value<T: Table>(bytes: &[u8]) -> StorageResult<T::Value> {
    T::Value::decode(bytes).ok_or_else(|| decode_error::<T>("value", bytes))
}

impl<K: Kind> Tx<K> {
    pub(crate) const fn new(inner: TxSync<K>, env: Arc<Env>) -> Self {
        Self { inner, env }
    }

    /// The environment that it is a transaction of.
    pub(crate) const fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// Number of the committed state that it sees.
    pub(crate) fn id(&self) -> StorageResult<u64> {
        Ok(self.inner.id()?)
    }

    /// The value under `key`.
    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> StorageResult<Option<T::Value>> {
        let bytes: Option<Vec<u8>> = self
            .inner
            .get(self.env.table::<T>().dbi(), key.encode().as_ref())?;
        bytes.map(|bytes| decode_value::<T>(&bytes)).transpose()
    }

    /// The value under `key`, which another table says must be there.
    pub(crate) fn expect<T: Table>(&self, key: &T::Key) -> StorageResult<T::Value>
    where
        T::Key: fmt::Debug,
    {
        self.get::<T>(key)?
            .ok_or_else(|| StorageError::MissingEntry {
                table: T::NAME,
                key: format!("{key:?}"),
            })
    }

    /// A cursor over the table.
    pub(crate) fn cursor<T: Table>(&self) -> StorageResult<Cursor<'_, T, K>> {
        Ok(Cursor {
            inner: self.inner.cursor(self.env.table::<T>())?,
            table: PhantomData,
        })
    }

    /// The last entry of the table.
    pub(crate) fn last<T: Table>(&self) -> StorageResult<Option<(T::Key, T::Value)>> {
        let mut cursor = self.cursor::<T>()?;
        let entry = cursor.inner.last()?;
        Cursor::<T, K>::decode(entry)
    }

    /// All entries whose keys begin with `prefix`, in order.
    pub(crate) fn with_prefix<T: Table>(
        &self,
        prefix: &[u8],
    ) -> StorageResult<Vec<(T::Key, T::Value)>> {
        let mut entries = Vec::new();
        let mut cursor = self.cursor::<T>()?;
        let mut entry = cursor.seek_within(prefix, prefix)?;
        while let Some(found) = entry {
            entries.push(found);
            entry = cursor.next_within(prefix)?;
        }
        Ok(entries)
    }

    /// The keys that begin with `prefix`, in order; their values are not decoded.
    pub(crate) fn keys_with_prefix<T: Table>(&self, prefix: &[u8]) -> StorageResult<Vec<T::Key>> {
        let mut keys = Vec::new();
        let mut cursor = self.cursor::<T>()?;
        let mut entry: RawEntry<'_> = cursor.inner.set_range(prefix)?;
        while let Some((key, _)) = entry.filter(|(key, _)| key.starts_with(prefix)) {
            keys.push(T::Key::decode(&key).ok_or_else(|| decode_error::<T>("key", &key))?);
            entry = cursor.inner.next()?;
        }
        Ok(keys)
    }

    /// Statistics of the table with this index in [`NAMES`](crate::tables::NAMES).
    pub(crate) fn stat(&self, index: usize) -> StorageResult<Option<signet_libmdbx::Stat>> {
        let Some(table) = self.env.table_at(index) else {
            return Ok(None);
        };
        Ok(Some(self.inner.db_stat(&table)?))
    }
}

impl Tx<RwSync> {
    /// Sets the value under `key`.
    pub(crate) fn put<T: Table>(&self, key: &T::Key, value: &T::Value) -> StorageResult<()> {
        let mut bytes = Vec::with_capacity(64);
        value.encode(&mut bytes);
        let table = self.env.table::<T>();
        Ok(self
            .inner
            .put(table, key.encode(), &bytes, WriteFlags::UPSERT)?)
    }

    /// Removes the entry under `key`; says whether there was one.
    pub(crate) fn delete<T: Table>(&self, key: &T::Key) -> StorageResult<bool> {
        Ok(self.inner.del(self.env.table::<T>(), key.encode(), None)?)
    }

    /// Makes all that was written durable and visible at once.
    pub(crate) fn commit(self) -> StorageResult<()> {
        // A failed commit ends the transaction, yet its handle would try to abort it again and
        // panic over that. So a second handle outlives the first, and is leaked if need be; the
        // environment then stays open as long as the process.
        let handle = self.inner.clone();
        self.inner
            .commit()
            .inspect_err(|_| std::mem::forget(handle))?;
        Ok(())
    }
}

/// A position in a table.
pub(crate) struct Cursor<'tx, T: Table, K: Kind> {
    inner: signet_libmdbx::Cursor<'tx, K>,
    table: PhantomData<T>,
}

/// A key and its value. The value is copied: before it lends one out of a writing transaction, MDBX
/// looks up the page it is on, and the address of an empty value may be that of the next page,
/// which need not be one of its own ("invalid argument").
type RawEntry<'tx> = Option<(Cow<'tx, [u8]>, Vec<u8>)>;

impl<T: Table, K: Kind> fmt::Debug for Cursor<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", T::NAME)
    }
}

impl<'tx, T: Table, K: Kind> Cursor<'tx, T, K> {
    fn decode(entry: RawEntry<'tx>) -> StorageResult<Option<(T::Key, T::Value)>> {
        let Some((key, value)) = entry else {
            return Ok(None);
        };
        let decoded = T::Key::decode(&key).ok_or_else(|| decode_error::<T>("key", &key))?;
        Ok(Some((decoded, decode_value::<T>(&value)?)))
    }

    fn within(entry: RawEntry<'tx>, prefix: &[u8]) -> StorageResult<Option<(T::Key, T::Value)>> {
        Self::decode(entry.filter(|(key, _)| key.starts_with(prefix)))
    }

    /// Moves to the first entry at or after `key` and returns it if its key begins with `prefix`.
    pub(crate) fn seek_within(
        &mut self,
        key: &[u8],
        prefix: &[u8],
    ) -> StorageResult<Option<(T::Key, T::Value)>> {
        let entry = self.inner.set_range(key)?;
        Self::within(entry, prefix)
    }

    /// Moves on by one entry and returns it if its key begins with `prefix`.
    pub(crate) fn next_within(
        &mut self,
        prefix: &[u8],
    ) -> StorageResult<Option<(T::Key, T::Value)>> {
        let entry = self.inner.next()?;
        Self::within(entry, prefix)
    }

    /// Moves to the first entry at or after `key`.
    pub(crate) fn seek(&mut self, key: &T::Key) -> StorageResult<Option<(T::Key, T::Value)>> {
        let entry = self.inner.set_range(key.encode().as_ref())?;
        Self::decode(entry)
    }

    /// Moves to the last entry at or before `key`.
    pub(crate) fn seek_back(&mut self, key: &T::Key) -> StorageResult<Option<(T::Key, T::Value)>> {
        let key = key.encode();
        let after: RawEntry<'_> = self.inner.set_range(key.as_ref())?;
        let entry = match after {
            Some((found, value)) if *found == *key.as_ref() => Some((found, value)),
            Some(_) => self.inner.prev()?,
            None => self.inner.last()?,
        };
        Self::decode(entry)
    }

    /// Moves on by one entry.
    pub(crate) fn next(&mut self) -> StorageResult<Option<(T::Key, T::Value)>> {
        let entry = self.inner.next()?;
        Self::decode(entry)
    }
}
