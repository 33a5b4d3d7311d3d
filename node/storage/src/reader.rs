//! One consistent view of the database.

use crate::{
    AccountProof, LogBlocks, LogPattern, ProofBudget, StateReader, StorageError, StorageResult,
    TransactionLookup, blocks, proof, prune,
    tables::{BlockBodies, CanonicalHashes, HeaderNumbers, Snapshots},
    tx::RoTx,
    verify,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, BlockNumber};
use std::{
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
};
use wattline_primitives::{BlockWithReceipts, Receipt, RecoveredBlock, SealedHeader};

/// A snapshot of the database: all reads see the same commit, whatever is written meanwhile. Cheap
/// to clone. Do not hold one for long: pages it can see are not reused, so the file grows.
///
/// # Errors
/// All methods fail if the database cannot be read or holds a damaged entry; what is simply not
/// there is None.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) tx: Arc<RoTx>,
    head: OnceLock<BlockNumHash>,
}

#[allow(clippy::missing_errors_doc, reason = "stated once on the type")]
impl Reader {
    pub(crate) fn new(tx: RoTx) -> Self {
        Self {
            tx: Arc::new(tx),
            head: OnceLock::new(),
        }
    }

    /// Number and hash of the head of the canonical chain.
    pub fn head(&self) -> StorageResult<BlockNumHash> {
        if let Some(head) = self.head.get() {
            return Ok(*head);
        }
        let head = blocks::head(&self.tx)?;
        Ok(*self.head.get_or_init(|| head))
    }

    /// Header of a canonical block.
    pub fn header(&self, number: BlockNumber) -> StorageResult<Option<SealedHeader>> {
        blocks::header(&self.tx, number)
    }

    /// Header of the canonical block with this hash.
    pub fn header_by_hash(&self, hash: B256) -> StorageResult<Option<SealedHeader>> {
        match self.block_number(hash)? {
            Some(number) => self.header(number),
            None => Ok(None),
        }
    }

    /// Number of a canonical block.
    pub fn block_number(&self, hash: B256) -> StorageResult<Option<BlockNumber>> {
        self.tx.get::<HeaderNumbers>(&hash)
    }

    /// Hash of a canonical block.
    pub fn block_hash(&self, number: BlockNumber) -> StorageResult<Option<B256>> {
        self.tx.get::<CanonicalHashes>(&number)
    }

    /// A canonical block with the senders of its transactions.
    pub fn block(&self, number: BlockNumber) -> StorageResult<Option<RecoveredBlock>> {
        blocks::block(&self.tx, number)
    }

    /// How many transactions a canonical block has.
    pub fn transaction_count(&self, number: BlockNumber) -> StorageResult<Option<u64>> {
        Ok(self
            .tx
            .get::<BlockBodies>(&number)?
            .map(|index| index.count))
    }

    /// Receipts of a canonical block.
    pub fn receipts(&self, number: BlockNumber) -> StorageResult<Option<Vec<Receipt>>> {
        blocks::receipts(&self.tx, number)
    }

    /// A canonical block with its receipts.
    pub fn block_with_receipts(
        &self,
        number: BlockNumber,
    ) -> StorageResult<Option<BlockWithReceipts>> {
        blocks::block_with_receipts(&self.tx, number)
    }

    /// The canonical blocks of a range that may have logs of a pattern.
    pub fn log_blocks<'a>(
        &'a self,
        pattern: &'a LogPattern,
        range: RangeInclusive<BlockNumber>,
    ) -> StorageResult<LogBlocks<'a>> {
        LogBlocks::new(&self.tx, pattern, self.head()?.number, range)
    }

    /// Hash of the transaction at `index` of a canonical block.
    pub fn transaction_hash(&self, number: BlockNumber, index: u64) -> StorageResult<Option<B256>> {
        blocks::transaction_hash(&self.tx, number, index)
    }

    /// A transaction of the canonical chain.
    pub fn transaction(&self, hash: B256) -> StorageResult<Option<TransactionLookup>> {
        blocks::transaction(&self.tx, hash)
    }

    /// The consensus snapshot after a block.
    pub fn snapshot(&self, hash: B256) -> StorageResult<Option<Vec<u8>>> {
        self.tx.get::<Snapshots>(&hash)
    }

    /// The state after the head.
    pub fn state(&self) -> StorageResult<StateReader> {
        let head = self.head()?.number;
        Ok(StateReader::new(Arc::clone(&self.tx), head, head))
    }

    /// The oldest block whose state can be read: 0 unless older states were pruned.
    pub fn oldest_state(&self) -> StorageResult<BlockNumber> {
        prune::oldest_state(&self.tx)
    }

    /// The state after a canonical block.
    ///
    /// # Errors
    /// - [`StorageError::MissingBlock`] if the chain does not reach that far.
    /// - [`StorageError::StatePruned`] if the state of that block was pruned.
    pub fn state_at(&self, number: BlockNumber) -> StorageResult<StateReader> {
        let head = self.head()?.number;
        if number > head {
            return Err(StorageError::MissingBlock { number, head });
        }
        prune::check(&self.tx, number)?;
        Ok(StateReader::new(Arc::clone(&self.tx), number, head))
    }

    /// Proves what was at `address`, and in `slots` of its storage, after block `number`. The cost
    /// follows the number of changes since that block.
    ///
    /// # Errors
    /// - [`StorageError::MissingBlock`], [`StorageError::StatePruned`] as
    ///   [`state_at`](Self::state_at).
    /// - [`StorageError::ProofTooFar`], [`StorageError::Stopped`] beyond the budget.
    /// - [`StorageError::StateRootMismatch`] if the proof does not lead to the block's state root.
    pub fn proof(
        &self,
        number: BlockNumber,
        address: Address,
        slots: &[B256],
        budget: ProofBudget<'_>,
    ) -> StorageResult<AccountProof> {
        proof::prove(&self.tx, number, address, slots, budget)
    }

    /// The state root computed anew from every account and slot. For checking a database; it takes
    /// time and memory in proportion to the state.
    pub fn recompute_state_root(&self) -> StorageResult<B256> {
        verify::state_root(&self.tx)
    }

    /// Checks that the hashed state, the stored trie nodes and the head's state root are those of
    /// the plain state, by computing them anew. Takes time and memory in proportion to the state.
    ///
    /// # Errors
    /// [`StorageError::Decode`] with the first difference, or
    /// [`StorageError::StateRootMismatch`].
    pub fn verify(&self) -> StorageResult<()> {
        verify::verify(&self.tx)
    }
}
