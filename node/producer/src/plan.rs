//! Whether, when and with which header fields this signer seals the child of a block.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use wattline_chain::{Chain, MAX_UNSTORED};
use wattline_chainspec::{ChainSpec, SEAL_LENGTH};
use wattline_clique::Snapshot;
use wattline_pool::Progress;
use wattline_primitives::{Millis, SealedHeader};

use crate::{Declined, ProducerConfig, ProducerError, proposals::Proposals};

/// A block's gas limit moves by less than this part of its parent's.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;

/// The next block as far as it is known before its first transaction.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) parent: SealedHeader,
    pub(crate) snapshot: Arc<Snapshot>,
    /// What the blocks between the last final one and this have taken from the pool.
    pub(crate) progress: Progress,
    /// Hashes of the last final block and those: a pool that has seen one of them and none beyond
    /// offers nothing that is taken.
    pub(crate) lineage: Vec<B256>,
    pub(crate) gas_limit: u64,
    pub(crate) difficulty: u64,
    pub(crate) in_turn: bool,
    /// Account and whether it should be a signer.
    pub(crate) vote: Option<(Address, bool)>,
    /// With room for the seal.
    pub(crate) extra_data: Bytes,
    pub(crate) slot: Slot,
}

/// When a block may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Not before this: a period after the parent.
    pub(crate) opens: Duration,
    /// At this even without a transaction: an idle period after the parent.
    pub(crate) ends: Duration,
}

impl Slot {
    fn after(parent: &SealedHeader, spec: &ChainSpec) -> Self {
        let after = |period| Millis::of(parent).saturating_add(period).since_epoch();
        Self {
            opens: after(spec.period()),
            ends: after(spec.idle_period()),
        }
    }
}

impl Plan {
    /// Decides what `signer` does on `parent`.
    ///
    /// # Errors
    ///
    /// [`ProducerError::Declined`] if it does not seal there, [`ProducerError::Chain`] if the parent
    /// is neither the head nor executed or the database cannot be read.
    pub(crate) fn new(
        chain: &Chain,
        parent: SealedHeader,
        signer: Address,
        config: &ProducerConfig,
        proposals: &Proposals,
    ) -> Result<Self, ProducerError> {
        let snapshot = chain.snapshot(parent.hash())?;
        let number = parent.number.saturating_add(1);
        if !snapshot.signers.contains(&signer) {
            return Err(Declined::NotASigner.into());
        }
        if snapshot.signed_recently(number, signer) {
            return Err(Declined::SignedRecently.into());
        }
        let unstored = chain.unstored(parent.hash())?;
        if unstored.len() >= MAX_UNSTORED {
            return Err(Declined::TooDeep(unstored.len()).into());
        }
        let is_checkpoint = number.is_multiple_of(chain.spec().clique().epoch);
        Ok(Self {
            progress: Progress::after(unstored.iter().map(|block| &block.block)),
            lineage: unstored
                .iter()
                .map(|block| block.block.parent_hash)
                .chain([parent.hash()])
                .collect(),
            gas_limit: next_gas_limit(parent.gas_limit, config.gas_limit),
            difficulty: snapshot.difficulty(number, signer),
            in_turn: snapshot.in_turn(number, signer),
            vote: if is_checkpoint {
                None
            } else {
                proposals.pick(&snapshot)
            },
            extra_data: extra_data(config.vanity, is_checkpoint.then_some(&*snapshot)),
            slot: Slot::after(&parent, chain.spec()),
            snapshot,
            parent,
        })
    }
}

/// The gas limit on the way from `parent`'s to `target`.
fn next_gas_limit(parent: u64, target: Option<u64>) -> u64 {
    let step = (parent / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    let target = target.unwrap_or(parent);
    target.clamp(parent.saturating_sub(step), parent.saturating_add(step))
}

/// Vanity, the signers on a checkpoint, and zeros where the seal goes.
fn extra_data(vanity: B256, checkpoint: Option<&Snapshot>) -> Bytes {
    let signers = checkpoint
        .into_iter()
        .flat_map(|snapshot| &snapshot.signers);
    let mut data = vanity.to_vec();
    data.extend(signers.flat_map(|signer| signer.into_array()));
    data.extend([0; SEAL_LENGTH]);
    data.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_primitives::U256;
    use wattline_chain::test_utils::{Forge, Signers, Template, TestGenesis};
    use wattline_clique::ExtraData;

    use super::*;

    #[test]
    fn a_block_may_go_out_a_period_after_its_parent_and_does_after_an_idle_one() {
        let signers = Signers::new(1);
        let genesis = TestGenesis::new(signers.addresses());
        let slot = |genesis: &TestGenesis| {
            let spec = genesis.spec();
            let parent = spec.genesis_header();
            Slot::after(parent, &spec)
        };
        let ms = Duration::from_millis;
        assert_eq!(
            slot(&genesis.clone().milliseconds(250, 1_000)),
            Slot {
                opens: ms(250),
                ends: ms(1_000),
            }
        );
        assert_eq!(
            slot(&genesis.period(2)),
            Slot {
                opens: ms(2_000),
                ends: ms(2_000),
            }
        );
    }

    #[test]
    fn the_gas_limit_moves_by_less_than_a_1024th() {
        assert_eq!(next_gas_limit(1_024_000, None), 1_024_000);
        assert_eq!(next_gas_limit(1_024_000, Some(2_000_000)), 1_024_999);
        assert_eq!(next_gas_limit(1_024_000, Some(5_000)), 1_023_001);
        assert_eq!(next_gas_limit(1_024_000, Some(1_024_500)), 1_024_500);
        assert_eq!(next_gas_limit(500, Some(9_000)), 500);
    }

    /// What the signer at `index` does on `parent`.
    fn plan_on(
        forge: &Forge,
        parent: SealedHeader,
        signer: Address,
    ) -> Result<Plan, ProducerError> {
        let proposals = Proposals::default();
        proposals.propose(Address::repeat_byte(9), true);
        Plan::new(
            forge.chain(),
            parent,
            signer,
            &ProducerConfig::default(),
            &proposals,
        )
    }

    fn plan_on_head(forge: &Forge, signer: Address) -> Result<Plan, ProducerError> {
        plan_on(forge, (*forge.chain().head()).clone(), signer)
    }

    fn declined(plan: Result<Plan, ProducerError>) -> Declined {
        match plan {
            Err(ProducerError::Declined(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_signer_seals_in_turn_and_out_of_turn() {
        let signers = Signers::new(4);
        let forge = Forge::new(
            TestGenesis::new(signers.addresses()).epoch(2),
            signers.clone(),
        );

        let in_turn = plan_on_head(&forge, signers.address(1)).unwrap();
        assert!(in_turn.in_turn);
        assert_eq!(in_turn.difficulty, 2);
        assert_eq!(in_turn.vote, Some((Address::repeat_byte(9), true)));
        let extra_data = ExtraData::parse(&in_turn.extra_data).unwrap();
        assert!(extra_data.signers.is_empty());

        let out_of_turn = plan_on_head(&forge, signers.address(2)).unwrap();
        assert!(!out_of_turn.in_turn);
        assert_eq!(out_of_turn.difficulty, 1);

        // The next is a checkpoint: it lists the signers and carries no vote.
        forge.extend(Template::by(1));
        let checkpoint = plan_on_head(&forge, signers.address(2)).unwrap();
        assert_eq!(checkpoint.vote, None);
        let extra_data = ExtraData::parse(&checkpoint.extra_data).unwrap();
        assert_eq!(
            extra_data.checkpoint_signers().unwrap(),
            signers.addresses()
        );
    }

    #[test]
    fn a_proposal_that_would_leave_no_signer_is_not_cast() {
        for (count, vote) in [(1, None), (2, Some(false))] {
            let signers = Signers::new(count);
            let forge = Forge::new(TestGenesis::new(signers.addresses()), signers.clone());
            let index = 1 % count;
            let signer = signers.address(index);
            // As it was proposed while there were others.
            let proposals = Proposals::default();
            proposals.propose(signer, false);
            let (chain, config) = (forge.chain(), ProducerConfig::default());
            let head = (*chain.head()).clone();
            let plan = Plan::new(chain, head, signer, &config, &proposals).unwrap();
            assert_eq!(plan.vote, vote.map(|authorize| (signer, authorize)));
        }
    }

    #[test]
    fn proposals_are_carried_forward_side_by_side() {
        let signers = Signers::new(1);
        let forge = Forge::new(TestGenesis::new(signers.addresses()), signers);
        let proposals = Proposals::default();
        let accounts = [7, 8, 9].map(Address::repeat_byte);
        for account in accounts {
            proposals.propose(account, true);
        }
        let mut cast = std::collections::BTreeSet::new();
        for _ in 0..32 {
            forge.extend(Template::default());
            let snapshot = forge.chain().snapshot(forge.chain().head().hash()).unwrap();
            // The same on every node that asks, and each in its turn.
            let picked = proposals.pick(&snapshot);
            assert_eq!(picked, proposals.pick(&snapshot));
            cast.extend(picked);
        }
        assert!(cast.into_iter().eq(accounts.map(|account| (account, true))));
    }

    #[test]
    fn who_may_not_seal_declines_and_knows_why() {
        let signers = Signers::new(5);
        let genesis = TestGenesis::new(signers.addresses()[..4].to_vec());
        let forge = Forge::new(genesis, signers.clone());
        assert_eq!(
            declined(plan_on_head(&forge, signers.address(4))),
            Declined::NotASigner
        );

        let block = forge.extend(Template::by(1));
        assert_eq!(block.difficulty, U256::from(2));
        assert_eq!(
            declined(plan_on_head(&forge, signers.address(1))),
            Declined::SignedRecently
        );
    }

    #[test]
    fn nothing_is_sealed_on_too_many_blocks_that_are_not_final() {
        let signers = Signers::new(1);
        let forge = Forge::new(TestGenesis::new(signers.addresses()), signers.clone());
        let mut parent = (*forge.chain().head()).clone();
        for _ in 0..MAX_UNSTORED {
            plan_on(&forge, parent.clone(), signers.address(0)).unwrap();
            let block = forge.add(Template::default().on(parent.hash()));
            parent = block.block.clone_sealed_header();
        }
        let too_deep = declined(plan_on(&forge, parent.clone(), signers.address(0)));
        assert_eq!(too_deep, Declined::TooDeep(64));

        forge.chain().finalize(parent.hash(), &|_| Ok(())).unwrap();
        plan_on(&forge, parent, signers.address(0)).unwrap();
    }
}
