//! One block, from its first transaction to its commit, on a thread of its own.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};
use wattline_chain::{Chain, ChainError};
use wattline_clique::{NONCE_ADD, NONCE_DROP, seal};
use wattline_evm::{BlockBuilder, BuiltBlock, ExecutionError, NextBlock, TransactionError};
use wattline_pool::{Pool, Progress};
use wattline_primitives::{Block, Millis, RecoveredBlock, SealedBlock};
use wattline_storage::{ExecutedBlock, StateReader, StorageError};

use crate::{
    ProducerError, SignerKey,
    filler::{Filled, Filler},
    metrics,
    pace::Pace,
    plan::Plan,
};

/// No block is committed earlier before its slot than this part of the period, the reciprocal.
const LEAD_PART: u32 = 10;
/// The part of a period that a block which starts late may still take for transactions.
const LATE_START_PART: u32 = 8;

/// Everything that building, sealing and committing one block takes.
pub(crate) struct Job {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) key: Arc<SignerKey>,
    pub(crate) plan: Plan,
    pub(crate) pace: Pace,
    pub(crate) cancel: CancellationToken,
    /// The runtime whose timers and events the thread waits on.
    pub(crate) runtime: Handle,
}

/// What became of a block.
pub(crate) enum Outcome {
    /// It is the head. What its making said of the pace.
    Sealed(Pace),
    /// It was given up, because it was cancelled or another block was faster.
    Discarded,
    /// The disk or the database is full.
    NoRoom,
}

/// A block that wants only its end.
struct Executed {
    builder: BlockBuilder<StateReader>,
    /// Time spent executing.
    execute: Duration,
    /// What never applies once this block is in the chain.
    hopeless: Vec<(B256, TransactionError)>,
}

impl Job {
    /// Builds, seals and commits the block. Blocks until that is done or cancelled.
    pub(crate) fn run(mut self) -> Result<Outcome, ProducerError> {
        match self.produce() {
            Ok(Some(())) => Ok(Outcome::Sealed(self.pace)),
            Ok(None) => Ok(Outcome::Discarded),
            Err(error) if is_overtaken(&error) => Ok(Outcome::Discarded),
            Err(ProducerError::Chain(ChainError::Storage(
                refusal @ StorageError::AlreadySealed { .. },
            ))) => {
                error!(%refusal, "nothing is sealed on this head; another block must come first");
                Ok(Outcome::Discarded)
            }
            Err(error) if error.is_out_of_space() => {
                error!(%error, "no block is sealed until there is room for it");
                Ok(Outcome::NoRoom)
            }
            Err(error) => Err(error),
        }
        .inspect(|outcome| {
            if matches!(outcome, Outcome::Discarded) {
                metrics::discarded();
                debug!(number = self.plan.parent.number + 1, "block given up");
            }
        })
    }

    fn produce(&mut self) -> Result<Option<()>, ProducerError> {
        let Some(state) = self.parent_state()? else {
            return Ok(None);
        };
        let Some(Executed {
            builder,
            execute,
            hopeless,
        }) = self.fill(state)?
        else {
            return Ok(None);
        };
        let gas = builder.gas_used();

        let started = Instant::now();
        let block = self.finish(builder)?;
        let finish = started.elapsed();

        if self.wait_for_release(gas) == Filled::Cancelled {
            return Ok(None);
        }
        let started = Instant::now();
        let (number, hash) = (block.block.number, block.block.hash());
        let transactions = block.receipts.len();
        self.chain.import_sealed(block)?;
        let commit = started.elapsed();
        for (hash, reason) in hopeless {
            self.pool.remove_invalid(&hash, reason);
        }

        let late = self
            .chain
            .clock()
            .now()
            .saturating_sub(self.plan.release_at);
        self.pace.execute.learn_rate(gas, execute);
        self.pace.finish.learn(gas, finish);
        self.pace.commit.learn(gas, commit);
        metrics::sealed(&metrics::Sealed {
            in_turn: self.plan.in_turn,
            gas,
            transactions,
            execute,
            finish,
            commit,
            late,
        });
        debug!(
            number,
            %hash,
            transactions,
            gas,
            in_turn = self.plan.in_turn,
            ?execute,
            ?finish,
            ?commit,
            ?late,
            "sealed a block"
        );
        Ok(Some(()))
    }

    /// The state after the parent, if that is still the head.
    fn parent_state(&self) -> Result<Option<StateReader>, ProducerError> {
        let reader = self.chain.storage().reader()?;
        if reader.head()?.hash != self.plan.parent.hash() {
            return Ok(None);
        }
        Ok(Some(reader.state()?))
    }

    /// Executes transactions until the block has to be finished; none if it was cancelled.
    fn fill(&self, state: StateReader) -> Result<Option<Executed>, ProducerError> {
        let next = NextBlock {
            time: Millis::from_secs(self.plan.timestamp),
            gas_limit: self.plan.gas_limit,
            signer: self.key.address(),
        };
        let mut builder = self.chain.evm().builder(state, &self.plan.parent, next)?;
        let clock = self.chain.clock();
        let period = Duration::from_secs(self.chain.spec().clique().period);
        let mut filler = Filler {
            pool: &self.pool,
            clock: &**clock,
            runtime: &self.runtime,
            cancel: &self.cancel,
            pace: self.pace,
            release_at: self.plan.release_at,
            at_least_until: clock.now() + period / LATE_START_PART,
            progress: Progress::default(),
            refused: HashSet::new(),
            hopeless: Vec::new(),
            executing: Duration::ZERO,
        };
        let filled = filler.fill(&mut builder).map_err(ExecutionError::from)?;
        let Filler {
            executing: execute,
            hopeless,
            ..
        } = filler;
        Ok((filled == Filled::InTime).then_some(Executed {
            builder,
            execute,
            hopeless,
        }))
    }

    /// Ends the block: roots, the signer's fields, the seal.
    fn finish(&self, builder: BlockBuilder<StateReader>) -> Result<ExecutedBlock, ProducerError> {
        let parent = self.plan.parent.num_hash();
        let (built, root) = builder.finish_beside(|state| {
            let started = Instant::now();
            let root = self.chain.storage().state_root(parent, state);
            metrics::state_root(started.elapsed());
            root
        })?;
        let (state_root, trie) = root?;
        let BuiltBlock {
            header,
            body,
            senders,
            output,
        } = built;
        let (beneficiary, nonce) = match self.plan.vote {
            Some((account, true)) => (account, NONCE_ADD),
            Some((account, false)) => (account, NONCE_DROP),
            None => (Address::ZERO, NONCE_DROP),
        };
        let header = Header {
            state_root,
            extra_data: self.plan.extra_data.clone(),
            difficulty: U256::from(self.plan.difficulty),
            beneficiary,
            nonce,
            ..header
        };
        let header = seal(header, |hash| self.key.seal(hash))?;
        let block = SealedBlock::seal_slow(Block { header, body });
        Ok(ExecutedBlock {
            block: RecoveredBlock::new_sealed(block, senders),
            receipts: output.receipts,
            state: output.state,
            trie,
        })
    }

    /// Waits until a block of `gas` that is committed now goes out on its slot.
    fn wait_for_release(&self, gas: u64) -> Filled {
        // However long commits have taken: a block must not run ahead of its own time, or peers
        // would refuse it and gates would close early.
        let most = Duration::from_secs(self.chain.spec().clique().period) / LEAD_PART;
        let lead = self.pace.commit.expect(gas).min(most);
        let commit_at = self.plan.release_at.saturating_sub(lead);
        let released = async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Filled::Cancelled,
                () = self.chain.clock().sleep_until(commit_at) => Filled::InTime,
            }
        };
        self.runtime.block_on(released)
    }
}

/// Whether another block became the head while this one was made.
const fn is_overtaken(error: &ProducerError) -> bool {
    matches!(
        error,
        ProducerError::Chain(ChainError::NotOnHead { .. })
            | ProducerError::Storage(StorageError::NotHead { .. })
    )
}
