//! A node that produces blocks, by a clock that the test moves.

use std::{future::Future, sync::Arc, time::Duration};

use alloy_primitives::Address;
use tempfile::TempDir;
use tokio::{sync::broadcast::Receiver, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use wattline_chain::{
    CanonicalUpdate, Chain, Clock,
    test_utils::{ManualClock, Signers, TestGenesis},
};
use wattline_pool::{Pool, PoolConfig};
use wattline_primitives::{BlockWithReceipts, RecoveredTransaction};
use wattline_producer::{Producer, ProducerConfig, ProducerError, ProducerHandle};

/// What clocks show at first, in seconds since the Unix epoch.
pub(crate) const NOW: u64 = 1_000_000;
/// Who gets the money that tests transfer.
pub(crate) const RECEIVER: Address = Address::repeat_byte(0x77);
/// How long anything may take before a test fails rather than hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `event` completes with, which must be soon.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event)
        .await
        .expect("nothing happened for a minute")
}

/// A chain, a pool and, once started, a producer.
pub(crate) struct Node<C = ManualClock> {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) clock: Arc<C>,
    updates: Receiver<Arc<CanonicalUpdate>>,
    running: Option<Running>,
    _dir: TempDir,
}

struct Running {
    task: JoinHandle<Result<(), ProducerError>>,
    shutdown: CancellationToken,
}

impl Node {
    /// A node of `genesis` whose clock shows [`NOW`].
    pub(crate) fn new(genesis: &TestGenesis) -> Self {
        Self::with_clock(genesis, Arc::new(ManualClock::at(NOW)))
    }

    /// The next block, once the builder has taken what the pool holds and the clock is moved to
    /// `seconds` since the Unix epoch. `sleeps` sleeps must have begun before.
    pub(crate) async fn block_at(&mut self, seconds: u64, sleeps: u64) -> Arc<BlockWithReceipts> {
        soon(self.clock.slept(sleeps)).await;
        self.clock.set(seconds);
        self.block().await
    }
}

impl<C: Clock> Node<C> {
    /// A node of `genesis` that goes by `clock`.
    pub(crate) fn with_clock(genesis: &TestGenesis, clock: Arc<C>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let chain = genesis.open(&dir, clock.clone());
        let pool = Pool::open(
            PoolConfig::default(),
            Some(&dir.path().join("pool.journal")),
            chain.storage().clone(),
            chain.evm().clone(),
        )
        .expect("the pool opens");
        let updates = chain.subscribe();
        Self {
            chain,
            pool,
            clock,
            updates,
            running: None,
            _dir: dir,
        }
    }

    /// Starts a producer with the key of `signers` at `index`, and the upkeep of the pool.
    pub(crate) fn start(
        &mut self,
        signers: &Signers,
        index: usize,
        config: ProducerConfig,
    ) -> ProducerHandle {
        let handle = self.start_producer(signers, index, config);
        self.start_upkeep();
        handle
    }

    /// Starts a producer on a pool that hears of no head until its upkeep is started.
    pub(crate) fn start_producer(
        &mut self,
        signers: &Signers,
        index: usize,
        config: ProducerConfig,
    ) -> ProducerHandle {
        let key = signers.key(index).clone().into();
        let producer = Producer::new(self.chain.clone(), self.pool.clone(), key, config);
        let handle = producer.handle();
        let shutdown = CancellationToken::new();
        tokio::spawn(self.chain.clone().import_waiting(shutdown.clone()));
        let task = tokio::spawn(producer.run(shutdown.clone()));
        self.running = Some(Running { task, shutdown });
        handle
    }

    /// Keeps the pool at the chain's head for as long as the producer runs.
    pub(crate) fn start_upkeep(&self) {
        let running = self.running.as_ref().expect("the producer was started");
        let (updates, shutdown) = (self.chain.subscribe(), running.shutdown.clone());
        tokio::spawn(self.pool.clone().maintain(updates, shutdown));
    }

    /// Adds transactions to the pool, which must take them.
    pub(crate) fn add(&self, transactions: impl IntoIterator<Item = RecoveredTransaction>) {
        for transaction in transactions {
            self.pool
                .add(transaction.into_inner())
                .expect("the pool takes the transaction");
        }
    }

    /// The next change of the chain.
    pub(crate) async fn update(&mut self) -> Arc<CanonicalUpdate> {
        soon(self.updates.recv()).await.expect("the chain lives")
    }

    /// The next block, which must be the only change of the chain.
    pub(crate) async fn block(&mut self) -> Arc<BlockWithReceipts> {
        let update = self.update().await;
        assert!(update.reverted.is_empty());
        let [block] = &*update.committed else {
            panic!("one block at a time")
        };
        block.clone()
    }

    /// Stops the producer, which must not have failed.
    pub(crate) async fn stop(&mut self) {
        let Running { task, shutdown } = self.running.take().expect("the producer was started");
        shutdown.cancel();
        soon(task)
            .await
            .expect("the producer does not panic")
            .expect("the producer did not fail");
    }
}

/// Hashes of the transactions in a block.
pub(crate) fn hashes(block: &BlockWithReceipts) -> Vec<alloy_primitives::B256> {
    block
        .block
        .body()
        .transactions
        .iter()
        .map(|transaction| *transaction.tx_hash())
        .collect()
}
