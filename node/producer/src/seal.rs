//! The end of a block: roots, the signer's fields, the seal.

use std::{collections::BTreeSet, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::{Address, U256};
use tracing::info;
use wattline_clique::{NONCE_ADD, NONCE_DROP, Snapshot, keeps_going, seal};
use wattline_evm::BuiltBlock;
use wattline_primitives::{Block, RecoveredBlock, SealedBlock, SealedHeader};
use wattline_storage::ExecutedBlock;

use crate::{
    ProducerError,
    fill::{Begun, Work},
    metrics,
    pace::Pace,
};

/// A block that wants only its time.
pub(crate) struct Sealed {
    pub(crate) block: ExecutedBlock,
    pub(crate) release_at: Duration,
    pub(crate) in_turn: bool,
    pub(crate) execute: Duration,
    pub(crate) finish: Duration,
    /// What its making said of the pace.
    pub(crate) pace: Pace,
}

impl Work {
    /// Ends and seals the block; `now` tells the time since the Unix epoch, and `committee` who
    /// decides the block after this one.
    pub(crate) fn finish(
        mut self,
        now: &dyn Fn() -> Duration,
        committee: &impl Fn(&Snapshot) -> BTreeSet<Address>,
    ) -> Result<Sealed, ProducerError> {
        for (hash, reason) in self.hopeless.drain(..) {
            self.pool.remove_invalid(&hash, reason);
        }
        let started = now();
        let Begun {
            builder,
            state,
            release_at,
            ..
        } = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin(self.plan.slot.ends, started)?,
        };
        let gas = builder.gas_used();
        let (built, root) = builder.finish_beside(|changes| {
            let started = std::time::Instant::now();
            let root = state.state_root(changes);
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
        let header = Header {
            state_root,
            extra_data: self.plan.extra_data.clone(),
            difficulty: U256::from(self.plan.difficulty),
            ..header
        };
        let header = self.seal(header, committee)?;
        let block = SealedBlock::seal_slow(Block { header, body });
        let finish = now().saturating_sub(started);
        self.pace.execute.learn_rate(gas, self.executing);
        self.pace.finish.learn(gas, finish);
        Ok(Sealed {
            block: ExecutedBlock {
                block: RecoveredBlock::new_sealed(block, senders),
                receipts: output.receipts,
                state: output.state,
                trie,
            },
            release_at,
            in_turn: self.plan.in_turn,
            execute: self.executing,
            finish,
            pace: self.pace,
        })
    }

    /// Seals the header with this signer's vote, or without one that could stop the chain: where too
    /// few of those who decide the next block could also seal one.
    fn seal(
        &self,
        header: Header,
        committee: &impl Fn(&Snapshot) -> BTreeSet<Address>,
    ) -> Result<Header, ProducerError> {
        let sealed = |header: Header, vote| {
            let (beneficiary, nonce) = match vote {
                Some((account, true)) => (account, NONCE_ADD),
                Some((account, false)) => (account, NONCE_DROP),
                None => (Address::ZERO, NONCE_DROP),
            };
            let header = Header {
                beneficiary,
                nonce,
                ..header
            };
            seal(header, |hash| self.key.seal(hash))
        };
        let Some(vote) = self.plan.vote else {
            return Ok(sealed(header, None)?);
        };
        let voted = sealed(header.clone(), Some(vote))?;
        let before = &self.plan.snapshot;
        let epoch = self.chain.spec().clique().epoch;
        let after = before.apply(&SealedHeader::seal_slow(voted.clone()), epoch)?;
        if after.signers == before.signers || keeps_going(&committee(&after), &after) {
            return Ok(voted);
        }
        let (account, authorize) = vote;
        info!(%account, authorize, "a vote waits: the chain could stand still after it");
        Ok(sealed(header, None)?)
    }
}
