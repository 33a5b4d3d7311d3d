//! Who decides the blocks of an epoch, and who leads which view.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use commonware_consensus::{
    simplex::elector::{Config, Elector},
    types::{Epoch, Round, View},
};
use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use wattline_clique::Snapshot;
use wattline_consensus::{Committee, CommitteeError, Leaders, Peer, Scheme, Turns};
use wattline_evm::{Member, MemberRole};

fn account(index: u8) -> Address {
    Address::with_last_byte(index)
}

/// The node of the account; its keys are in no order that means anything.
fn node(index: u8) -> Peer {
    Peer {
        key: PrivateKey::from_seed(index.into()).public_key(),
        address: format!("validator-{index}.example:30303"),
    }
}

fn member(index: u8) -> Member {
    let node = node(index);
    Member {
        node_key: B256::from_slice(&node.key),
        signer: account(index),
        role: MemberRole::Validator,
        active: true,
        name: format!("Member {index}"),
        endpoint: node.address,
    }
}

fn observer(index: u8) -> Member {
    Member {
        role: MemberRole::Observer,
        ..member(index)
    }
}

fn without(index: u8) -> Member {
    Member {
        active: false,
        ..member(index)
    }
}

fn snapshot(signers: impl IntoIterator<Item = u8>) -> Snapshot {
    Snapshot {
        number: 7,
        hash: B256::ZERO,
        signers: signers.into_iter().map(account).collect(),
        recents: BTreeMap::new(),
        votes: Vec::new(),
        tally: BTreeMap::new(),
    }
}

fn signers(committee: &Committee) -> BTreeSet<Address> {
    committee
        .validators()
        .iter()
        .map(|member| member.signer)
        .collect()
}

#[test]
fn the_committee_is_the_signers_that_have_a_node() {
    let junk = Member {
        node_key: B256::repeat_byte(2),
        ..member(6)
    };
    let members = [
        observer(9),
        member(3),
        member(1),
        member(2),
        member(5),
        without(4),
        junk,
    ];
    let committee = Committee::derive(None, &snapshot([1, 2, 3, 4]), &members).unwrap();
    // Without a node: 4. Without a seal: 5 and 9, which follow. With a key of nobody: 6.
    assert_eq!(signers(&committee), BTreeSet::from([1, 2, 3].map(account)));
    assert!(
        committee
            .validators()
            .is_sorted_by_key(|member| member.signer)
    );
    assert_eq!(committee.others(), [node(9), node(5)]);
    assert_eq!(committee.signer_of(&node(2).key), Some(account(2)));
    assert_eq!(committee.signer_of(&node(9).key), None);
}

#[test]
fn a_committee_that_could_stand_still_does_not_follow() {
    let former =
        Committee::derive(None, &snapshot([1, 2, 3, 4]), &[1, 2, 3, 4].map(member)).unwrap();
    // Of seven signers three have nodes: each could have signed recently.
    let members = [1, 2, 3].map(member);
    let next = Committee::derive(Some(&former), &snapshot(1..=7), &members).unwrap();
    assert_eq!(next.validators(), former.validators());
    // The nodes that are dialled are those of the contract all the same.
    assert!(next.others().is_empty());
}

#[test]
fn a_chain_without_any_node_has_no_committee() {
    let error = Committee::derive(None, &snapshot([1, 2]), &[observer(1)]).unwrap_err();
    assert!(matches!(error, CommitteeError::Empty { number: 7 }));
}

#[test]
fn a_committee_is_stored_and_read() {
    let members = [observer(9), member(1), member(2)];
    let committee = Committee::derive(None, &snapshot([1, 2]), &members).unwrap();
    assert_eq!(
        Committee::decode(3, &committee.encode()).unwrap(),
        committee
    );
}

#[test]
fn a_damaged_committee_is_an_error() {
    let mut bytes = Committee::derive(None, &snapshot([1]), &[member(1)])
        .unwrap()
        .encode();
    bytes.truncate(bytes.len() - 1);
    let error = Committee::decode(3, &bytes).unwrap_err();
    assert!(matches!(error, CommitteeError::Damaged { epoch: 3, .. }));
}

/// The signers that lead the views from the first on.
fn leaders(committee: &Committee, first: u64, views: u64) -> Vec<Address> {
    let keys = committee.keys();
    let turns: Leaders = <Turns as Config<Scheme>>::build(Turns::new(committee, first), &keys);
    (1..=views)
        .map(|view| {
            let round = Round::new(Epoch::new(5), View::new(view));
            let place = Elector::<Scheme>::elect(&turns, round, ());
            let key = keys.get(place.get() as usize).expect("a member");
            committee.signer_of(key).expect("a member")
        })
        .collect()
}

#[test]
fn leaders_are_in_turn_as_long_as_no_view_fails() {
    let signers = snapshot([1, 2, 3, 4, 5]);
    let committee = Committee::derive(None, &signers, &[1, 2, 3, 4, 5].map(member)).unwrap();
    for first in [1, 8, 40, u64::MAX - 20] {
        for (number, leader) in (first..).zip(leaders(&committee, first, 12)) {
            assert!(
                signers.in_turn(number, leader),
                "block {number} by {leader}"
            );
        }
    }
}

#[test]
fn a_committee_of_one_leads_every_view() {
    let committee = Committee::alone(account(1), node(1).key);
    assert_eq!(leaders(&committee, 1, 3), [account(1); 3]);
}
