//! Whether, when and with which header fields this signer seals the child of a head.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use rand::Rng;
use wattline_chain::{Chain, ChainError};
use wattline_chainspec::{CliqueConfig, SEAL_LENGTH};
use wattline_clique::{Snapshot, out_of_turn_delay};
use wattline_primitives::SealedHeader;

use crate::{ProducerConfig, proposals::Proposals};

/// A block's gas limit moves by less than this part of its parent's.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;

/// What to do on a head.
#[derive(Debug)]
pub(crate) enum Decision {
    Build(Plan),
    Wait(Reason),
}

/// Why there is nothing to seal on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the account is not among the chain's signers; blocks are sealed once it is voted in")]
    NotASigner,
    #[error("the account sealed one of the latest blocks; others come first")]
    SignedRecently,
    #[error("the account sealed another block on this head, and never seals two on one parent")]
    AlreadySealed,
}

/// The next block as far as it is known before its first transaction.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) parent: Arc<SealedHeader>,
    /// Seconds since the Unix epoch.
    pub(crate) timestamp: u64,
    pub(crate) gas_limit: u64,
    pub(crate) difficulty: u64,
    pub(crate) in_turn: bool,
    /// Account and whether it should be a signer.
    pub(crate) vote: Option<(Address, bool)>,
    /// With room for the seal.
    pub(crate) extra_data: Bytes,
    /// When the block is to go out, since the Unix epoch.
    pub(crate) release_at: Duration,
}

/// Decides what `signer` does on `head`.
pub(crate) fn decide(
    chain: &Chain,
    head: &Arc<SealedHeader>,
    signer: Address,
    config: &ProducerConfig,
    proposals: &Proposals,
) -> Result<Decision, ChainError> {
    let snapshot = chain.snapshot(head.hash())?;
    let number = head.number.saturating_add(1);
    if !snapshot.signers.contains(&signer) {
        return Ok(Decision::Wait(Reason::NotASigner));
    }
    if snapshot.signed_recently(number, signer) {
        return Ok(Decision::Wait(Reason::SignedRecently));
    }
    if chain.storage().reader()?.sealed_on(head.hash())?.is_some() {
        return Ok(Decision::Wait(Reason::AlreadySealed));
    }
    let clique = chain.spec().clique();
    let rng = &mut rand::rng();
    let is_checkpoint = number.is_multiple_of(clique.epoch);
    let in_turn = snapshot.in_turn(number, signer);
    let (timestamp, slot) = slot(head.timestamp, clique, chain.clock().now());
    let release_at = if in_turn {
        slot
    } else {
        let period = Duration::from_secs(clique.period);
        slot + out_of_turn_delay(snapshot.signers.len(), period, rng.random())
    };
    Ok(Decision::Build(Plan {
        parent: head.clone(),
        timestamp,
        gas_limit: next_gas_limit(head.gas_limit, config.gas_limit),
        difficulty: snapshot.difficulty(number, signer),
        in_turn,
        vote: if is_checkpoint {
            None
        } else {
            proposals.pick(&snapshot, rng)
        },
        extra_data: extra_data(config.vanity, is_checkpoint.then_some(&*snapshot)),
        release_at,
    }))
}

/// The timestamp of the child of a block of `parent`'s time, and when it is due in turn: a period
/// after the parent, or now if that is past.
fn slot(parent: u64, clique: CliqueConfig, now: Duration) -> (u64, Duration) {
    let timestamp = parent.saturating_add(clique.period).max(now.as_secs());
    (timestamp, Duration::from_secs(timestamp).max(now))
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

    const CLIQUE: CliqueConfig = CliqueConfig {
        period: 2,
        epoch: 100,
    };

    #[test]
    fn a_block_is_due_a_period_after_its_parent_or_now() {
        let ms = Duration::from_millis;
        assert_eq!(slot(100, CLIQUE, ms(100_300)), (102, ms(102_000)));
        assert_eq!(slot(100, CLIQUE, ms(102_000)), (102, ms(102_000)));
        assert_eq!(slot(100, CLIQUE, ms(102_400)), (102, ms(102_400)));
        assert_eq!(slot(100, CLIQUE, ms(900_400)), (900, ms(900_400)));
    }

    #[test]
    fn the_gas_limit_moves_by_less_than_a_1024th() {
        assert_eq!(next_gas_limit(1_024_000, None), 1_024_000);
        assert_eq!(next_gas_limit(1_024_000, Some(2_000_000)), 1_024_999);
        assert_eq!(next_gas_limit(1_024_000, Some(5_000)), 1_023_001);
        assert_eq!(next_gas_limit(1_024_000, Some(1_024_500)), 1_024_500);
        assert_eq!(next_gas_limit(500, Some(9_000)), 500);
    }

    /// What the signer at `index` does on the head of `forge`.
    fn decide_on(forge: &Forge, signers: &Signers, index: usize) -> Decision {
        let config = ProducerConfig::default();
        let chain = forge.chain();
        let proposals = Proposals::default();
        proposals.propose(Address::repeat_byte(9), true);
        decide(
            chain,
            &chain.head(),
            signers.address(index),
            &config,
            &proposals,
        )
        .unwrap()
    }

    fn plan(decision: Decision) -> Plan {
        match decision {
            Decision::Build(plan) => plan,
            Decision::Wait(reason) => panic!("{reason}"),
        }
    }

    fn reason(decision: Decision) -> Reason {
        match decision {
            Decision::Build(plan) => panic!("{plan:?}"),
            Decision::Wait(reason) => reason,
        }
    }

    #[test]
    fn a_signer_seals_in_turn_at_once_and_out_of_turn_later() {
        let signers = Signers::new(4);
        let forge = Forge::new(
            TestGenesis::new(signers.addresses()).epoch(2),
            signers.clone(),
        );
        let now = forge.chain().clock().now();

        let in_turn = plan(decide_on(&forge, &signers, 1));
        assert!(in_turn.in_turn);
        assert_eq!((in_turn.difficulty, in_turn.release_at), (2, now));
        assert_eq!(in_turn.timestamp, now.as_secs());
        assert_eq!(in_turn.vote, Some((Address::repeat_byte(9), true)));
        let extra_data = ExtraData::parse(&in_turn.extra_data).unwrap();
        assert!(extra_data.signers.is_empty());

        let out_of_turn = plan(decide_on(&forge, &signers, 2));
        assert!(!out_of_turn.in_turn);
        assert_eq!(out_of_turn.difficulty, 1);
        let delay = out_of_turn.release_at - now;
        let ms = Duration::from_millis;
        assert!((ms(100)..=ms(400)).contains(&delay), "{delay:?}");

        // The next is a checkpoint: it lists the signers and carries no vote.
        forge.extend(Template::by(1));
        let checkpoint = plan(decide_on(&forge, &signers, 2));
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
            let decision = decide(chain, &chain.head(), signer, &config, &proposals).unwrap();
            let expected = vote.map(|authorize| (signer, authorize));
            assert_eq!(plan(decision).vote, expected);
        }
    }

    #[test]
    fn who_may_not_seal_waits_and_knows_why() {
        let signers = Signers::new(5);
        let genesis = TestGenesis::new(signers.addresses()[..4].to_vec());
        let forge = Forge::new(genesis, signers.clone());
        assert_eq!(reason(decide_on(&forge, &signers, 4)), Reason::NotASigner);

        let block = forge.extend(Template::by(1));
        assert_eq!(block.difficulty, U256::from(2));
        assert_eq!(
            reason(decide_on(&forge, &signers, 1)),
            Reason::SignedRecently
        );

        let storage = forge.chain().storage();
        storage
            .journal_seal(2, block.hash(), B256::repeat_byte(1))
            .unwrap();
        assert_eq!(
            reason(decide_on(&forge, &signers, 2)),
            Reason::AlreadySealed
        );
    }
}
