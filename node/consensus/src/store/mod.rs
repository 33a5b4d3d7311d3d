//! Final blocks and their certificates, in the tables of the chain itself.
//!
//! The engine keeps final blocks and certificates by two stores. Here both are one, over the
//! chain's own database, so that a block is on the disk once. A block that was executed before it
//! became final goes whole into the tables, with its certificate, in one commit. Any other one (this
//! node is catching up) waits as it came in the table `AheadBlocks`, until [`crate::deliver`] has
//! executed it.

mod blocks;
mod certificates;
mod index;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::Digested;
use commonware_runtime::{Error as RuntimeError, Handle, Spawner};
use futures::{FutureExt as _, future::BoxFuture, future::Shared};
use parking_lot::Mutex;
use tracing::error;
use wattline_chain::{Chain, ChainError};
use wattline_storage::{StorageError, StorageResult, Writer};

#[cfg(feature = "mutants")]
use crate::rules::Rule;
use crate::{AgreedBlock, BlockError, BlockHash, Finalization};
pub(crate) use blocks::FinalBlocks;
pub(crate) use certificates::{FinalCertificates, decode};
use index::Index;

/// Why final blocks cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The chain does not take the blocks in.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A block in the database cannot be read.
    #[error("stored block {number} is damaged: {source}")]
    Block {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        source: BlockError,
    },
    /// A certificate in the database cannot be read.
    #[error("the stored certificate of block {number} is damaged: {source}")]
    Certificate {
        /// The number of its block.
        number: u64,
        /// What is wrong with it.
        source: commonware_codec::Error,
    },
    /// Writing was interrupted.
    #[error("writing final blocks was interrupted: {0}")]
    Runtime(#[from] RuntimeError),
}

/// The completion of one write, for several to wait for.
type Job = Shared<BoxFuture<'static, Result<(), RuntimeError>>>;

/// What both stores share.
pub(crate) struct Store<E> {
    ctx: E,
    keeper: Arc<Keeper>,
}

/// The state of both stores.
pub(crate) struct Keeper {
    chain: Chain,
    pending: Mutex<Pending>,
    /// Whoever holds this lock decides what follows the head, and stores it.
    commit: Mutex<()>,
}

/// What was accepted and is not known to be durable yet.
struct Pending {
    blocks: BTreeMap<u64, Arc<AgreedBlock>>,
    certificates: BTreeMap<u64, Finalization>,
    /// Those that no write has taken up.
    fresh: Batch,
    /// Which blocks there are, in the tables, ahead of them and here.
    index: Index,
    last: Option<Job>,
}

/// What one write takes with it.
#[derive(Default)]
struct Batch {
    blocks: BTreeMap<u64, Arc<AgreedBlock>>,
    certificates: BTreeMap<u64, (B256, Bytes)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.certificates.is_empty()
    }
}

impl<E: Spawner> Store<E> {
    /// The two stores over the database of `chain`.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub(crate) fn open(ctx: E, chain: Chain) -> Result<(Self, Arc<Keeper>), StoreError> {
        let reader = chain.storage().reader()?;
        let mut index = Index::new(reader.head()?.number);
        for number in reader.ahead_numbers()? {
            let Some((hash, _)) = reader.ahead_block(number)? else {
                continue;
            };
            index.insert(number, hash);
        }
        drop(reader);
        let keeper = Arc::new(Keeper {
            chain,
            pending: Mutex::new(Pending {
                blocks: BTreeMap::new(),
                certificates: BTreeMap::new(),
                fresh: Batch::default(),
                index,
                last: None,
            }),
            commit: Mutex::default(),
        });
        let store = Self {
            ctx,
            keeper: keeper.clone(),
        };
        Ok((store, keeper))
    }

    /// The stores as the engine wants them.
    pub(crate) fn split(self) -> (FinalBlocks<E>, FinalCertificates<E>) {
        let other = Self {
            ctx: self.ctx.child("certificates"),
            keeper: self.keeper.clone(),
        };
        (FinalBlocks::new(self), FinalCertificates::new(other))
    }

    /// Begins to write what was accepted so far. The handle completes when it is durable, and all
    /// that was accepted before it.
    fn start_sync(&self) -> Handle<()> {
        let mut pending = self.keeper.pending.lock();
        if pending.fresh.is_empty() {
            // The other store's write took it along.
            return match &pending.last {
                Some(job) => Handle::from_future(job.clone()),
                None => Handle::ready(Ok(())),
            };
        }
        let batch = std::mem::take(&mut pending.fresh);
        let earlier = pending.last.take();
        let keeper = self.keeper.clone();
        let job = self
            .ctx
            .child("commit")
            .shared(true)
            .spawn(move |_| async move {
                if let Some(earlier) = earlier {
                    earlier.await?;
                }
                keeper.write(&batch).map_err(|error| {
                    error!(%error, "final blocks cannot be stored");
                    RuntimeError::WriteFailed
                })
            });
        let job = async move { job.await? }.boxed().shared();
        pending.last = Some(job.clone());
        Handle::from_future(job)
    }
}

impl Keeper {
    /// Takes up a final block.
    fn accept_block(&self, number: u64, block: &Arc<AgreedBlock>) {
        let mut pending = self.pending.lock();
        let is_new =
            number > self.chain.head().number && pending.index.insert(number, block.block().hash());
        if is_new {
            pending.blocks.insert(number, block.clone());
            pending.fresh.blocks.insert(number, block.clone());
            #[cfg(feature = "mutants")]
            if !Rule::CommitBeforeShowing.holds() {
                self.chain.show_early(block.block().hash());
            }
        }
    }

    /// Takes up a certificate.
    fn accept_certificate(
        &self,
        number: u64,
        hash: B256,
        finalization: &Finalization,
    ) -> StorageResult<()> {
        if self
            .chain
            .storage()
            .reader()?
            .certificate(number)?
            .is_some()
        {
            return Ok(());
        }
        let mut pending = self.pending.lock();
        if pending.certificates.contains_key(&number) {
            return Ok(());
        }
        let encoded = (hash, finalization.encode());
        pending.fresh.certificates.insert(number, encoded);
        pending.certificates.insert(number, finalization.clone());
        Ok(())
    }

    /// Stores a batch in one commit. Blocking.
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let _commit = self.commit.lock();
        let (head, hash) = self.executed_tip(&batch.blocks);
        self.chain.finalize(hash, &|writer: &mut Writer| {
            for (number, (hash, certificate)) in &batch.certificates {
                writer.put_certificate(*number, *hash, certificate)?;
            }
            for (number, block) in batch.blocks.range(head + 1..) {
                writer.put_ahead_block(*number, block.block().hash(), block.rlp())?;
            }
            Ok(())
        })?;
        let mut pending = self.pending.lock();
        for number in batch.blocks.keys() {
            pending.blocks.remove(number);
        }
        for number in batch.certificates.keys() {
            pending.certificates.remove(number);
        }
        pending.index.advance(head);
        Ok(())
    }

    /// The last of those blocks that follow the head without a gap and were executed, else the
    /// head.
    fn executed_tip(&self, blocks: &BTreeMap<u64, Arc<AgreedBlock>>) -> (u64, B256) {
        let head = self.chain.head();
        let mut tip = (head.number, head.hash());
        for (number, block) in blocks.range(head.number + 1..) {
            let hash = block.block().hash();
            let follows = *number == tip.0 + 1 && block.block().parent_hash == tip.1;
            if !follows || self.chain.executed(&hash).is_none() {
                break;
            }
            tip = (*number, hash);
        }
        tip
    }

    /// Stores the executed blocks up to number `number`, of hash `hash`, which waited ahead of the
    /// tables. Blocking.
    pub(crate) fn take_in(&self, number: u64, hash: B256) -> Result<(), StoreError> {
        let _commit = self.commit.lock();
        let head = self.chain.head().number;
        if number <= head {
            return Ok(());
        }
        self.chain.finalize(hash, &|writer: &mut Writer| {
            for number in head + 1..=number {
                writer.remove_ahead_block(number)?;
            }
            Ok(())
        })?;
        self.pending.lock().index.advance(number);
        Ok(())
    }

    /// The genesis block.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub(crate) fn genesis(&self) -> Result<Digested<AgreedBlock>, StoreError> {
        let hash = self.chain.spec().genesis_hash();
        let block = self.block(0)?.ok_or(ChainError::UnknownBlock(hash))?;
        Ok(Digested::precomputed(block, BlockHash(hash)))
    }

    fn block(&self, number: u64) -> Result<Option<Arc<AgreedBlock>>, StoreError> {
        if let Some(block) = self.pending.lock().blocks.get(&number) {
            return Ok(Some(block.clone()));
        }
        let reader = self.chain.storage().reader()?;
        if let Some(block) = reader.block(number)? {
            return Ok(Some(Arc::new(AgreedBlock::new(block.into_sealed_block()))));
        }
        let Some((_, rlp)) = reader.ahead_block(number)? else {
            return Ok(None);
        };
        let block = AgreedBlock::from_rlp(rlp.into())
            .map_err(|source| StoreError::Block { number, source })?;
        Ok(Some(Arc::new(block)))
    }

    /// The number of a final block.
    fn number(&self, hash: B256) -> StorageResult<Option<u64>> {
        if let Some(number) = self.pending.lock().index.number(&hash) {
            return Ok(Some(number));
        }
        self.chain.storage().reader()?.block_number(hash)
    }
}
