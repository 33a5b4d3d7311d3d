//! The public face of the pool, tying state, memory and journal together.
//!
//! Two locks, always taken in this order: `admission` lets one change at a time through and is held
//! while the state is read and the journal written; `waiting` guards the transactions in memory and
//! is never held over either, so that a builder or a reader waits for microseconds only.

mod admission;
mod group;
mod maintain;
mod replay;
mod update;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{self, AtomicU64},
    },
    time::{Duration, Instant, SystemTime},
};

use alloy_consensus::Transaction as _;
use alloy_eips::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, watch};
use wattline_evm::EvmConfig;
use wattline_primitives::{BlockWithReceipts, SealedHeader, TransactionSigned};
use wattline_storage::Storage;

pub use maintain::MaintainError;
pub use replay::ReplayReport;

use crate::{
    best::{BestTransactions, Progress},
    config::{MAX_TRANSACTION_BYTES, PoolConfig},
    error::PoolError,
    journal::Journal,
    metrics,
    transaction::{Origin, PooledTransaction},
    validate::Validator,
    waiting::{Acceptance, Waiting},
};
use admission::Admission;
use group::{GroupCommit, Prepared};

/// Tells the time since the Unix epoch.
pub type TimeSource = Arc<dyn Fn() -> Duration + Send + Sync>;

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that the next block could take.
    pub pending: usize,
    /// Transactions that wait for a nonce, for funds or for a permission that was taken.
    pub queued: usize,
    /// Bytes of all encoded transactions.
    pub bytes: usize,
}

/// All waiting transactions by sender, each sender's in the order of their nonces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolContent {
    /// What the next block could take.
    pub pending: BTreeMap<Address, Vec<Arc<PooledTransaction>>>,
    /// What waits for a nonce, for funds or for a permission that was taken.
    pub queued: BTreeMap<Address, Vec<Arc<PooledTransaction>>>,
}

/// Transactions that wait for a block. Clones share the same pool.
///
/// Adding and updating read the database and write the journal, so call them off the
/// asynchronous threads; everything else is quick.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    config: PoolConfig,
    validator: Validator,
    storage: Storage,
    clock: TimeSource,
    head_gas_limit: AtomicU64,
    /// The hash of the head that was seen last.
    head: watch::Sender<B256>,
    /// Why no transactions are taken, if so.
    suspended: RwLock<Option<Arc<str>>>,
    submissions: GroupCommit,
    admission: Mutex<Admission>,
    waiting: RwLock<Waiting>,
    executable: broadcast::Sender<Arc<PooledTransaction>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens a pool over the chain in `storage`, bringing back what its journal holds. Without a
    /// journal the transactions are gone when the process ends.
    ///
    /// A damaged journal is no error: what can be read is brought back, the rest is reported in
    /// the log, and if more than its end is damaged a copy of it is kept beside it.
    ///
    /// # Errors
    /// The journal cannot be opened, or the state cannot be read.
    pub fn open(
        config: PoolConfig,
        journal: Option<&Path>,
        storage: Storage,
        evm: EvmConfig,
    ) -> Result<Self, PoolError> {
        let clock: TimeSource =
            Arc::new(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO));
        Self::open_with_clock(config, journal, storage, evm, clock).map(|(pool, _)| pool)
    }

    /// Like [`Pool::open`] with a clock of the caller's, and with a report of what the journal
    /// held.
    ///
    /// # Errors
    /// The journal cannot be opened, or the state cannot be read.
    pub fn open_with_clock(
        config: PoolConfig,
        journal: Option<&Path>,
        storage: Storage,
        evm: EvmConfig,
        clock: TimeSource,
    ) -> Result<(Self, ReplayReport), PoolError> {
        metrics::describe();
        let journal = journal
            .map(|path| {
                Journal::open(path, config.journal_fsync).map_err(|source| PoolError::JournalOpen {
                    path: path.display().to_string(),
                    source: Arc::new(source),
                })
            })
            .transpose()?;
        let (executable, _) = broadcast::channel(config.subscription_capacity.max(1));
        let pool = Self(Arc::new(Shared {
            validator: Validator::new(evm, config.min_tip),
            storage,
            clock,
            head_gas_limit: AtomicU64::new(0),
            head: watch::Sender::new(B256::ZERO),
            suspended: RwLock::new(None),
            submissions: GroupCommit::default(),
            admission: Mutex::new(Admission::new(journal)),
            waiting: RwLock::new(Waiting::new(config.clone())),
            executable,
            config,
        }));
        let report = pool.replay()?;
        Ok((pool, report))
    }

    /// Checks a transaction and takes it in. When this returns its hash, the transaction is in
    /// the journal on the disk: it outlives process and machine for as long as it is valid. Calls
    /// from several threads wait for the disk together.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn add(&self, transaction: TransactionSigned) -> Result<B256, PoolError> {
        let started = Instant::now();
        let prepared = self.prepare(transaction);
        metrics::recovered(started.elapsed());
        let mut outcomes = self.submit(vec![prepared]);
        // One in, one out.
        outcomes.pop().unwrap_or(Err(PoolError::AlreadyKnown))
    }

    /// Like [`Pool::add`] for many: senders are recovered on all cores, and the journal is
    /// written once. The outcomes are in the order of the transactions.
    pub fn add_many(&self, transactions: Vec<TransactionSigned>) -> Vec<Result<B256, PoolError>> {
        let started = Instant::now();
        let prepared =
            admission::on_all_cores(transactions, |transaction| self.prepare(transaction));
        metrics::recovered(started.elapsed());
        self.submit(prepared)
    }

    /// Takes in what a peer passed on, each in its EIP-2718 encoding, like [`Pool::add_many`] but
    /// without waiting for the disk: the node that acknowledged a transaction answers for it.
    /// [`PoolError::is_never_valid`] tells what the peer should have refused itself.
    pub fn add_remote(&self, encoded: &[Bytes]) -> Vec<Result<B256, PoolError>> {
        let started = Instant::now();
        let prepared = admission::on_all_cores(encoded.iter().collect(), |encoded| {
            let transaction = self.prepare(decode(encoded)?)?;
            Ok(PooledTransaction {
                origin: Origin::Remote,
                ..transaction
            })
        });
        metrics::recovered(started.elapsed());
        self.submit(prepared)
    }

    /// Refuses new transactions for a reason that their senders are told, until it is called with
    /// none. What waits stays.
    pub fn suspend(&self, reason: Option<Arc<str>>) {
        *self.0.suspended.write() = reason;
    }

    /// Follows the chain to a new head: what went into a block is dropped, and every sender is
    /// checked against the new state. Call it after the storage has the new head.
    /// [`Pool::follow`] does so for what the chain tells.
    pub fn on_canonical_update(&self, head: &SealedHeader, committed: &[Arc<BlockWithReceipts>]) {
        let started = Instant::now();
        self.update(head, committed);
        metrics::updated(started.elapsed());
    }

    /// The executable transactions at this moment, in the order in which a block should take
    /// them.
    pub fn best(&self) -> BestTransactions {
        self.best_after(&Progress::default())
    }

    /// Like [`Pool::best`], without what a block and its unstored ancestors have taken already: the
    /// turns go on where they stood, and looking again costs what is new, not what is in the block.
    pub fn best_after(&self, progress: &Progress) -> BestTransactions {
        self.0.waiting.read().best(progress)
    }

    /// A waiting transaction.
    pub fn get(&self, hash: &B256) -> Option<Arc<PooledTransaction>> {
        self.0.waiting.read().get(hash).cloned()
    }

    /// The waiting transaction that has a sender's nonce.
    pub fn get_by_nonce(&self, sender: &Address, nonce: u64) -> Option<Arc<PooledTransaction>> {
        self.0.waiting.read().sender(sender)?.get(nonce).cloned()
    }

    /// The sender of a waiting transaction, which need not be recovered again.
    pub fn sender_of(&self, hash: &B256) -> Option<Address> {
        let waiting = self.0.waiting.read();
        waiting.get(hash).map(|transaction| transaction.sender())
    }

    /// Whether a transaction waits here.
    pub fn contains(&self, hash: &B256) -> bool {
        self.0.waiting.read().get(hash).is_some()
    }

    /// The nonce that follows a sender's executable transactions; `None` if it has none, and its
    /// nonce is the one in the state.
    pub fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        let waiting = self.0.waiting.read();
        let queue = waiting
            .sender(sender)
            .filter(|queue| queue.executable_len() > 0)?;
        Some(queue.next_nonce())
    }

    /// How full the pool is.
    pub fn status(&self) -> PoolStatus {
        let waiting = self.0.waiting.read();
        let pending = waiting.executable_len();
        PoolStatus {
            pending,
            queued: waiting.len() - pending,
            bytes: waiting.bytes(),
        }
    }

    /// Everything that waits.
    pub fn content(&self) -> PoolContent {
        let waiting = self.0.waiting.read();
        let mut content = PoolContent::default();
        for (sender, queue) in waiting.senders() {
            let pending: Vec<_> = queue.executable().cloned().collect();
            let queued: Vec<_> = queue.queued().cloned().collect();
            if !pending.is_empty() {
                content.pending.insert(*sender, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(*sender, queued);
            }
        }
        content
    }

    /// What waits of one sender: what the next block could take, and what waits for a nonce, funds
    /// or permission, each in the order of nonces.
    pub fn content_from(
        &self,
        sender: &Address,
    ) -> (Vec<Arc<PooledTransaction>>, Vec<Arc<PooledTransaction>>) {
        let waiting = self.0.waiting.read();
        waiting
            .sender(sender)
            .map_or_else(Default::default, |queue| {
                (
                    queue.executable().cloned().collect(),
                    queue.queued().cloned().collect(),
                )
            })
    }

    /// The transactions that become executable from now on: what goes into blocks and on to peers.
    /// One that waited in between comes again. A subscriber that is too slow loses the oldest and
    /// is told how many; [`Pool::best`] has all that are executable at the moment.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PooledTransaction>> {
        self.0.executable.subscribe()
    }

    /// Takes note that a builder could not apply a transaction, and why. Not for a nonce that is too
    /// low: the blocks that used it up may come to nothing, and when they are final the pool sees
    /// it by itself.
    ///
    /// The builder may be on another head than the pool, and what does not apply there may well
    /// here. So the sender is checked against the head anew: a transaction that cannot be
    /// executed waits, as any such. One that looks executable is offered again, and thrown out
    /// when it has failed at three different heads. Not for a transaction that is only too large
    /// for the block at hand.
    pub fn remove_invalid(&self, hash: &B256, reason: impl fmt::Display) {
        self.note_invalid(hash, &reason);
    }

    /// Reads the form and the sender of a transaction that is not known yet.
    fn prepare(&self, transaction: TransactionSigned) -> Prepared {
        if self.contains(transaction.tx_hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        if let Some(reason) = &*self.0.suspended.read() {
            return Err(PoolError::Suspended(Arc::clone(reason)));
        }
        let validator = &self.0.validator;
        let transaction = validator.prepare(transaction, self.head_gas_limit())?;
        if transaction.signed().authorization_list().is_none() {
            return Ok(transaction);
        }
        // Each authority costs a recovery, which the sender's own funds and nonce must be worth.
        validator.check_alone(&self.0.storage.state()?, &transaction)?;
        Ok(validator.with_authorities(transaction))
    }

    fn submit(&self, prepared: Vec<Prepared>) -> Vec<Result<B256, PoolError>> {
        let now = (self.0.clock)();
        let prepared = prepared.into_iter().map(|prepared| {
            prepared.map(|transaction| PooledTransaction {
                arrived_at: now,
                ..transaction
            })
        });
        self.0.submissions.submit(prepared.collect(), |prepared| {
            let mut admission = self.0.admission.lock();
            let started = Instant::now();
            let outcomes = self.admit(&mut admission, prepared, Acceptance::First);
            metrics::admitted(started.elapsed());
            outcomes
        })
    }

    fn head_gas_limit(&self) -> u64 {
        self.0.head_gas_limit.load(atomic::Ordering::Relaxed)
    }
}

/// Reads a transaction that a peer passed on.
fn decode(encoded: &[u8]) -> Result<TransactionSigned, PoolError> {
    let (size, limit) = (encoded.len(), MAX_TRANSACTION_BYTES);
    if size > limit {
        return Err(PoolError::Oversized { size, limit });
    }
    TransactionSigned::decode_2718_exact(encoded)
        .map_err(|error| PoolError::Undecodable(error.to_string()))
}

#[cfg(test)]
mod tests;
