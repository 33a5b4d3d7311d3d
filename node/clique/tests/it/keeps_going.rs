//! Votes, absences and the committee of an epoch: with the rule the chain never stops.

use crate::common::*;
use alloy_primitives::Address;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use wattline_chainspec::ChainSpec;
use wattline_clique::{Snapshot, keeps_going};
use wattline_primitives::SealedHeader;

/// Accounts that may be voted on. Those above [`WITH_NODE_KEY`] never are in a committee.
const ACCOUNTS: u8 = 9;
const WITH_NODE_KEY: u8 = 7;

/// What chance decides about a block.
#[derive(Debug, Clone)]
struct Step {
    /// The accounts that are gone come first by it; of the others the last that may seal does.
    order: [u8; ACCOUNTS as usize],
    vote: Ballot,
}

fn ballot() -> impl Strategy<Value = Ballot> {
    (1..=ACCOUNTS, any::<bool>()).prop_map(|(account, authorize)| Ballot { account, authorize })
}

/// Campaigns of eight blocks each, in which most signers vote alike.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stray = prop::option::weighted(0.2, ballot());
    let blocks = vec((any::<[u8; ACCOUNTS as usize]>(), stray), 8);
    let campaign = (ballot(), blocks).prop_map(|(common, blocks)| {
        let step = move |(order, stray): (_, Option<Ballot>)| Step {
            order,
            vote: stray.unwrap_or(common),
        };
        blocks.into_iter().map(step).collect::<Vec<_>>()
    });
    vec(campaign, 20).prop_map(|campaigns| campaigns.concat())
}

type Rule = fn(&BTreeSet<Address>, &Snapshot) -> bool;

fn addresses(accounts: impl IntoIterator<Item = u8>) -> BTreeSet<Address> {
    accounts.into_iter().map(account).collect()
}

fn snapshot(signers: impl IntoIterator<Item = u8>) -> Snapshot {
    Snapshot {
        number: 0,
        hash: Default::default(),
        signers: addresses(signers),
        recents: BTreeMap::new(),
        votes: Vec::new(),
        tally: BTreeMap::new(),
    }
}

#[test]
fn as_many_signers_change_as_the_committee_bears() {
    let holds = |committee: &[u8], signers: &[u8]| {
        keeps_going(
            &addresses(committee.iter().copied()),
            &snapshot(signers.iter().copied()),
        )
    };
    // Alone; a second one only once it is in the committee.
    assert!(holds(&[1], &[1]));
    assert!(!holds(&[1], &[1, 2]));
    assert!(holds(&[1, 2], &[1, 2]));
    // Of four one may be gone: a fifth or a third signer is fine, a sixth, or another pair, not.
    assert!(holds(&[1, 2, 3, 4], &[1, 2, 3, 4]));
    assert!(holds(&[1, 2, 3, 4], &[1, 2, 3, 4, 5]));
    assert!(holds(&[1, 2, 3, 4], &[1, 2, 3]));
    assert!(!holds(&[1, 2, 3, 4], &[1, 2, 3, 4, 5, 6]));
    assert!(!holds(&[1, 2, 3, 4], &[1, 2]));
    // Nobody, and strangers.
    assert!(!holds(&[], &[1]));
    assert!(!holds(&[2, 3], &[1]));
}

/// A chain that its committee carries on.
struct Chain {
    spec: ChainSpec,
    rule: Rule,
    parent: SealedHeader,
    snapshot: Snapshot,
    /// Who decides the next block.
    committee: BTreeSet<Address>,
}

impl Chain {
    fn new(signers: u8, epoch: u64, rule: Rule) -> Self {
        let signers: Vec<u8> = (1..=signers).collect();
        let spec = spec(epoch, &signers);
        Self {
            parent: spec.genesis_header().clone(),
            snapshot: Snapshot::genesis(&spec),
            committee: addresses(signers),
            spec,
            rule,
        }
    }

    /// Who decides the block after that of `snapshot`: after the last of an epoch the signers with
    /// a node, unless the chain could stop with them.
    fn committee_after(&self, snapshot: &Snapshot) -> BTreeSet<Address> {
        if (snapshot.number + 1).is_multiple_of(self.spec.clique().epoch) {
            let with_node = addresses(1..=WITH_NODE_KEY);
            let next = with_node.intersection(&snapshot.signers).copied().collect();
            if (self.rule)(&next, snapshot) {
                return next;
            }
        }
        self.committee.clone()
    }

    /// Appends a block while some of the committee are gone, as many as it bears. Whoever seals it
    /// casts the vote, unless that would break the rule. Returns whether there was anybody.
    fn extend(&mut self, step: &Step) -> bool {
        let number = self.snapshot.number + 1;
        let mut committee: Vec<u8> = (1..=ACCOUNTS)
            .filter(|n| self.committee.contains(&account(*n)))
            .collect();
        committee.sort_by_key(|n| Reverse(step.order[usize::from(*n) - 1]));
        committee.truncate(committee.len() - committee.len().saturating_sub(1) / 3);
        let may_seal = |n: &u8| {
            self.snapshot.signers.contains(&account(*n))
                && !self.snapshot.signed_recently(number, account(*n))
        };
        let Some(signer) = committee.into_iter().find(may_seal) else {
            return false;
        };
        let is_checkpoint = number.is_multiple_of(self.spec.clique().epoch);
        let (mut header, mut snapshot) = self.sealed(signer, (!is_checkpoint).then_some(step.vote));
        if snapshot.signers != self.snapshot.signers
            && !(self.rule)(&self.committee_after(&snapshot), &snapshot)
        {
            (header, snapshot) = self.sealed(signer, None);
        }
        self.committee = self.committee_after(&snapshot);
        (self.parent, self.snapshot) = (header, snapshot);
        true
    }

    fn sealed(&self, signer: u8, vote: Option<Ballot>) -> (SealedHeader, Snapshot) {
        let header = child(&self.spec, &self.parent, &self.snapshot, signer, vote);
        let header = sealed(signer, header);
        let snapshot = self
            .snapshot
            .apply(&header, self.spec.clique().epoch)
            .expect("whoever may sign did");
        (header, snapshot)
    }
}

/// How many blocks come before one that nobody can seal.
fn length(signers: u8, epoch: u64, steps: &[Step], rule: Rule) -> usize {
    let mut chain = Chain::new(signers, epoch, rule);
    steps.iter().take_while(|step| chain.extend(step)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_chain_never_stops(
        signers in 1..=WITH_NODE_KEY,
        epoch in 2_u64..40,
        steps in steps(),
    ) {
        prop_assert_eq!(length(signers, epoch, &steps, keeps_going), steps.len());
    }
}

#[test]
fn without_the_rule_it_stops() {
    let mut runner = TestRunner::deterministic();
    let mut stops = |signers: u8| {
        let steps = steps().new_tree(&mut runner).expect("steps").current();
        length(signers, 30, &steps, |_, _| true) < steps.len()
    };
    for signers in [1, 4, 7] {
        let stopped = (0..16).filter(|_| stops(signers)).count();
        assert!(stopped > 4, "{stopped} of 16 chains of {signers}");
    }
}
