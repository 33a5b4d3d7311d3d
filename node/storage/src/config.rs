//! What the operator chooses about a database.

use alloy_primitives::BlockNumber;

/// How large a database may become and how much of the past it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageConfig {
    /// Most bytes of the database file. None: what the existing database was opened with last, and
    /// [`DEFAULT_MAX_SIZE`](Self::DEFAULT_MAX_SIZE) for a new one.
    pub max_size: Option<u64>,
    /// By how many bytes the file grows when it is full. None:
    /// [`DEFAULT_GROWTH_STEP`](Self::DEFAULT_GROWTH_STEP).
    pub growth_step: Option<u64>,
    /// How many blocks before the head keep their state; the state of older ones is pruned. None:
    /// nothing is pruned any more.
    pub history: Option<BlockNumber>,
}

impl StorageConfig {
    /// Only address space is reserved for it, of which a process on a 64-bit system has 128 TiB.
    pub const DEFAULT_MAX_SIZE: u64 = 1 << 40;
    /// Seldom enough to cost nothing, small enough for a small disk.
    pub const DEFAULT_GROWTH_STEP: u64 = 64 << 20;
    /// The least that a chain with its contracts and a few blocks fits into.
    pub const LEAST_MAX_SIZE: u64 = 16 << 20;
    /// The most that the database's page numbers reach.
    pub const GREATEST_MAX_SIZE: u64 = 8 << 40;
}

/// How much of the database is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseSpace {
    /// Bytes of the pages in use. Free pages, which are used again before the file grows, do not
    /// count.
    pub used: u64,
    /// Bytes that the file may grow to.
    pub max: u64,
    /// Whether what was to be stored last did not fit.
    pub is_full: bool,
}

impl DatabaseSpace {
    /// Bytes that can still be stored; nothing if what was to be stored last did not fit.
    pub const fn left(&self) -> u64 {
        if self.is_full {
            return 0;
        }
        self.max.saturating_sub(self.used)
    }
}
