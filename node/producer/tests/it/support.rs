//! A node that makes blocks in simulated time.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256};
use commonware_runtime::{
    Clock as _, Runner as _,
    deterministic::{Config, Context, Runner},
};
use tempfile::TempDir;
use wattline_chain::{
    CanonicalUpdate, Chain,
    test_utils::{Signers, TestGenesis},
};
use wattline_clique::Snapshot;
use wattline_pool::{Pool, PoolConfig};
use wattline_primitives::{BlockWithReceipts, Millis, RecoveredTransaction, SealedHeader};
use wattline_producer::{Producer, ProducerConfig, ProducerError};
use wattline_storage::ExecutedBlock;

/// When simulations begin, in seconds since the Unix epoch.
pub(crate) const NOW: u64 = 1_000_000;
/// Who gets the money that tests transfer.
pub(crate) const RECEIVER: Address = Address::repeat_byte(0x77);
/// How long anything may take in simulated time before a test fails rather than hang.
const PATIENCE: Duration = Duration::from_secs(600);
/// By how much simulated time goes on while tasks take turns.
const TURNS: u64 = 20;

/// Runs a test in simulated time from [`NOW`] on.
pub(crate) fn simulate<F: Future>(test: impl FnOnce(Context) -> F) -> F::Output {
    let config = Config::new()
        .with_start_time(UNIX_EPOCH + Duration::from_secs(NOW))
        .with_timeout(Some(PATIENCE));
    Runner::new(config).start(test)
}

/// The simulated time.
pub(crate) fn now(ctx: &Context) -> Millis {
    Millis::from_epoch(ctx.current().duration_since(UNIX_EPOCH).unwrap())
}

/// Milliseconds that have passed in the simulation.
pub(crate) fn elapsed(ctx: &Context) -> u64 {
    now(ctx).get() - NOW * 1_000
}

/// Checks that a moment has just come.
#[track_caller]
pub(crate) fn assert_just(got: u64, expected: u64) {
    assert!(
        (expected..expected + TURNS).contains(&got),
        "at {got} ms, not {expected} ms"
    );
}

/// A chain, a pool and a producer.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) producer: Producer,
    _dir: Arc<TempDir>,
}

impl Node {
    /// A node of `genesis` with the key of `signers` at `index`.
    pub(crate) fn new(genesis: &TestGenesis, signers: &Signers, index: usize) -> Self {
        Self::with_config(genesis, signers, index, ProducerConfig::default())
    }

    pub(crate) fn with_config(
        genesis: &TestGenesis,
        signers: &Signers,
        index: usize,
        config: ProducerConfig,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let chain = genesis.open(&dir);
        let pool = Pool::open(
            PoolConfig::default(),
            Some(&dir.path().join("pool.journal")),
            chain.storage().clone(),
            chain.evm().clone(),
        )
        .expect("the pool opens");
        let key = signers.key(index).clone().into();
        let producer = Producer::new(chain.clone(), pool.clone(), key, config);
        Self {
            chain,
            pool,
            producer,
            _dir: Arc::new(dir),
        }
    }

    /// Adds transactions to the pool, which must take them.
    pub(crate) fn add(&self, transactions: impl IntoIterator<Item = RecoveredTransaction>) {
        for transaction in transactions {
            self.pool
                .add(transaction.into_inner())
                .expect("the pool takes the transaction");
        }
    }

    /// Builds a block on `parent`, decided by all signers after it.
    pub(crate) async fn build(
        &self,
        ctx: &Context,
        parent: &SealedHeader,
    ) -> Result<ExecutedBlock, ProducerError> {
        let everyone = |after: &Snapshot| after.signers.iter().copied().collect::<BTreeSet<_>>();
        self.producer.build(ctx, parent, everyone).await
    }

    /// Builds a block on `parent` and keeps it.
    pub(crate) async fn propose(&self, ctx: &Context, parent: &SealedHeader) -> Arc<ExecutedBlock> {
        let block = self.build(ctx, parent).await.expect("a block is built");
        self.chain.adopt(block).expect("the block keeps the rules")
    }

    /// Makes an executed block final and tells the pool.
    pub(crate) fn finalize(&self, hash: B256) -> Arc<CanonicalUpdate> {
        let update = self.store(hash);
        self.pool.follow(&update).expect("the pool follows");
        update
    }

    /// Makes an executed block final, of which the pool does not hear.
    pub(crate) fn store(&self, hash: B256) -> Arc<CanonicalUpdate> {
        let mut updates = self.chain.subscribe();
        self.chain
            .finalize(hash, &|_| Ok(()))
            .expect("the database takes the block");
        updates.try_recv().expect("the chain tells")
    }

    /// Builds the next block and makes it final.
    pub(crate) async fn block(&self, ctx: &Context) -> Arc<BlockWithReceipts> {
        let block = self.propose(ctx, &self.chain.head()).await;
        let update = self.finalize(block.block.hash());
        let [block] = &*update.committed else {
            panic!("one block at a time")
        };
        block.clone()
    }
}

/// Hashes of transactions in a block.
pub(crate) fn hashes(block: &wattline_primitives::RecoveredBlock) -> Vec<B256> {
    let transactions = block.body().transactions.iter();
    transactions.map(|it| *it.tx_hash()).collect()
}
