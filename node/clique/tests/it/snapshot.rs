use crate::common::*;
use alloy_consensus::Header;
use alloy_primitives::{B64, B256};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use wattline_clique::{CliqueError, Snapshot, Tally, Vote};
use wattline_primitives::SealedHeader;

const EPOCH: u64 = 16;

#[test]
fn the_genesis_snapshot_has_the_genesis_signers() {
    let spec = spec(EPOCH, &[1, 2, 3]);
    let snapshot = Snapshot::genesis(&spec);
    assert_eq!((snapshot.number, snapshot.hash), (0, spec.genesis_hash()));
    assert_eq!(snapshot.signers, [1, 2, 3].map(account).into());
    assert!(snapshot.recents.is_empty() && snapshot.votes.is_empty() && snapshot.tally.is_empty());
    assert_eq!(snapshot.signer_limit(), 2);
}

#[test]
fn turns_follow_the_sorted_signers() {
    let snapshot = Snapshot::genesis(&spec(EPOCH, &[1, 2, 3]));
    for (index, signer) in snapshot.signers.iter().enumerate() {
        assert_eq!(snapshot.index_of(*signer), Some(index));
        for number in 1..10 {
            let in_turn = number % 3 == index as u64;
            assert_eq!(snapshot.in_turn(number, *signer), in_turn);
            assert_eq!(
                snapshot.difficulty(number, *signer),
                if in_turn { 2 } else { 1 }
            );
        }
    }
    assert_eq!(snapshot.index_of(account(9)), None);
    assert!(!snapshot.in_turn(0, account(9)));
    assert_eq!(snapshot.difficulty(0, account(9)), 1);
}

#[test]
fn only_votes_that_change_something_are_valid() {
    let snapshot = Snapshot::genesis(&spec(EPOCH, &[1]));
    assert!(snapshot.is_valid_vote(account(2), true));
    assert!(!snapshot.is_valid_vote(account(2), false));
    assert!(snapshot.is_valid_vote(account(1), false));
    assert!(!snapshot.is_valid_vote(account(1), true));
}

#[test]
fn only_a_child_is_applied() {
    let spec = spec(EPOCH, &[1, 2]);
    let snapshot = Snapshot::genesis(&spec);
    let valid = child(&spec, spec.genesis_header(), &snapshot, 1, None);
    let apply = |header: Header| snapshot.apply(&sealed(1, header), EPOCH);

    let skipped = Header {
        number: 2,
        ..valid.clone()
    };
    assert_eq!(
        apply(skipped),
        Err(CliqueError::Number {
            got: 2,
            expected: 1
        })
    );
    let stranger = Header {
        parent_hash: B256::ZERO,
        ..valid.clone()
    };
    let expected = CliqueError::ParentHash {
        got: B256::ZERO,
        expected: snapshot.hash,
    };
    assert_eq!(apply(stranger), Err(expected));
    let got = B64::with_last_byte(7);
    let no_vote = Header {
        nonce: got,
        ..valid
    };
    assert_eq!(apply(no_vote), Err(CliqueError::InvalidVote { got }));
}

#[test]
fn a_chain_without_signers_stands_still_without_panicking() {
    let spec = spec(EPOCH, &[1]);
    let parent = spec.genesis_header().clone();
    let snapshot = Snapshot::genesis(&spec);
    let leaves = Ballot {
        account: 1,
        authorize: false,
    };
    let header = sealed(1, child(&spec, &parent, &snapshot, 1, Some(leaves)));
    let empty = snapshot
        .apply(&header, EPOCH)
        .expect("the last signer drops itself");
    assert!(empty.signers.is_empty());
    assert!(!empty.in_turn(2, account(1)));
    let next = sealed(1, child(&spec, &header, &empty, 1, None));
    let expected = CliqueError::UnauthorizedSigner {
        signer: account(1),
        number: 2,
    };
    assert_eq!(empty.apply(&next, EPOCH), Err(expected));
}

#[test]
fn the_json_form_is_that_of_geth() {
    let (a, b) = (account(1), account(2));
    let hash = B256::repeat_byte(0xab);
    let snapshot = Snapshot {
        number: 7,
        hash,
        signers: BTreeSet::from([a]),
        recents: BTreeMap::from([(7, a)]),
        votes: vec![Vote {
            signer: a,
            block: 6,
            address: b,
            authorize: true,
        }],
        tally: BTreeMap::from([(
            b,
            Tally {
                authorize: true,
                votes: 1,
            },
        )]),
    };
    let lower = |address| format!("{address:#x}");
    let expected = json!({
        "number": 7,
        "hash": hash,
        "signers": { lower(a): {} },
        "recents": { "7": lower(a) },
        "votes": [{ "signer": lower(a), "block": 6, "address": lower(b), "authorize": true }],
        "tally": { lower(b): { "authorize": true, "votes": 1 } },
    });
    assert_eq!(
        serde_json::to_value(&snapshot).expect("plain data"),
        expected
    );
    let mut without_votes = expected;
    without_votes["votes"] = json!(null);
    let read: Snapshot = serde_json::from_value(without_votes).expect("as Go writes it");
    assert_eq!(
        read,
        Snapshot {
            votes: vec![],
            ..snapshot
        }
    );
}

/// One block: which of those who may sign does, and what it votes.
fn arbitrary_block() -> impl Strategy<Value = (usize, Option<Ballot>)> {
    let ballot =
        (1u8..7, any::<bool>()).prop_map(|(account, authorize)| Ballot { account, authorize });
    (any::<usize>(), prop::option::of(ballot))
}

/// Checks what holds in every snapshot.
fn check_invariants(snapshot: &Snapshot) {
    let mut counted = BTreeMap::new();
    for vote in &snapshot.votes {
        assert!(
            snapshot.signers.contains(&vote.signer),
            "only signers' votes stand"
        );
        assert!(
            snapshot.is_valid_vote(vote.address, vote.authorize),
            "a vote changes something"
        );
        let tally = counted.entry(vote.address).or_insert(Tally {
            authorize: vote.authorize,
            votes: 0,
        });
        tally.votes += 1;
    }
    assert_eq!(counted, snapshot.tally, "the tally counts the votes");
    let majority = snapshot.signers.len() as u64 / 2;
    // The threshold falls when a signer leaves, and the votes on others are then not counted
    // anew until somebody votes on them: so a tally may exceed it, but never all of the signers.
    assert!(
        snapshot
            .tally
            .values()
            .all(|tally| tally.votes <= majority.max(1) * 2)
    );
    let ballots: BTreeSet<_> = snapshot
        .votes
        .iter()
        .map(|v| (v.signer, v.address))
        .collect();
    assert_eq!(
        ballots.len(),
        snapshot.votes.len(),
        "a signer has one vote on an account"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_chains_keep_the_rules(blocks in prop::collection::vec(arbitrary_block(), 1..40)) {
        let spec = spec(EPOCH, &[1, 2, 3]);
        let mut parent: SealedHeader = spec.genesis_header().clone();
        let mut snapshot = Snapshot::genesis(&spec);
        let mut sealers = Vec::new();
        for (choice, ballot) in blocks {
            let number = parent.number + 1;
            let able: Vec<u8> = (1..7)
                .filter(|n| snapshot.signers.contains(&account(*n)))
                .filter(|n| !snapshot.signed_recently(number, account(*n)))
                .collect();
            let Some(n) = able.get(choice % able.len().max(1)).copied() else { break };
            let ballot = ballot.filter(|_| !number.is_multiple_of(EPOCH));
            let header = sealed(n, child(&spec, &parent, &snapshot, n, ballot));
            let signer = wattline_clique::validate_header(&spec, &header, &parent, &snapshot);
            prop_assert_eq!(signer, Ok(account(n)));

            let limit = snapshot.signer_limit() as usize;
            let recent = sealers.iter().rev().take(limit - 1);
            prop_assert!(!recent.collect::<Vec<_>>().contains(&&n), "once in {limit} blocks");
            sealers.push(n);

            let next = snapshot.apply(&header, EPOCH).expect("a valid block");
            prop_assert_eq!(&snapshot.apply(&header, EPOCH).expect("again"), &next);
            let text = serde_json::to_string(&snapshot).expect("plain data");
            let read: Snapshot = serde_json::from_str(&text).expect("what was written");
            prop_assert_eq!(&read, &snapshot);
            prop_assert_eq!(&read.apply(&header, EPOCH).expect("as before"), &next);
            if number.is_multiple_of(EPOCH) {
                prop_assert!(next.votes.is_empty() && next.tally.is_empty());
            }
            check_invariants(&next);
            parent = header;
            snapshot = next;
        }
    }
}
