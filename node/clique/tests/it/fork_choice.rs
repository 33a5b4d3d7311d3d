use crate::common::*;
use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use std::cmp::Ordering;
use wattline_clique::{
    Snapshot,
    fork_choice::{Candidate, turn_distance},
};

fn candidate(total_difficulty: u64, number: u64, turn_distance: u64, hash: u8) -> Candidate {
    Candidate {
        total_difficulty: U256::from(total_difficulty),
        number,
        turn_distance,
        hash: B256::repeat_byte(hash),
    }
}

#[test]
fn the_criteria_count_in_their_order() {
    // In each pair the first wins by one criterion, although all later ones favour the second.
    let pairs = [
        (candidate(11, 9, 3, 9), candidate(10, 5, 0, 1)),
        (candidate(10, 5, 3, 9), candidate(10, 6, 0, 1)),
        (candidate(10, 5, 0, 9), candidate(10, 5, 1, 1)),
        (candidate(10, 5, 1, 1), candidate(10, 5, 1, 2)),
    ];
    for (winner, loser) in pairs {
        assert!(winner.is_preferred_to(&loser), "{winner:?} over {loser:?}");
        assert!(!loser.is_preferred_to(&winner));
    }
    let head = candidate(10, 5, 1, 1);
    assert!(
        !head.is_preferred_to(&head),
        "the same head is no reason to switch"
    );
}

#[test]
fn the_distance_counts_blocks_since_the_signers_turn() {
    let snapshot = Snapshot::genesis(&spec(30_000, &[1, 2, 3, 4]));
    for signer in &snapshot.signers {
        for number in 1..20 {
            let back = (0..).find(|back| snapshot.in_turn(number + 4 - back, *signer));
            assert_eq!(Some(turn_distance(number, *signer, &snapshot)), back);
        }
    }
    assert_eq!(
        turn_distance(5, account(9), &snapshot),
        4,
        "a stranger is furthest"
    );
    assert!(turn_distance(u64::MAX, account(1), &snapshot) < 4);
}

#[test]
fn a_snapshot_without_signers_has_no_turn() {
    let mut snapshot = Snapshot::genesis(&spec(30_000, &[1]));
    snapshot.signers.clear();
    assert_eq!(turn_distance(5, account(1), &snapshot), 0);
}

/// Candidates from so few values that ties in every criterion are common.
fn any_candidate() -> impl Strategy<Value = Candidate> {
    (0u64..3, 0u64..3, 0u64..3, 0u8..3)
        .prop_map(|(td, number, turn, hash)| candidate(td, number, turn, hash))
}

proptest! {
    #[test]
    fn the_order_is_total_and_antisymmetric(a in any_candidate(), b in any_candidate()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        prop_assert!(a == b || a.is_preferred_to(&b) != b.is_preferred_to(&a));
    }

    #[test]
    fn the_order_is_transitive(
        a in any_candidate(), b in any_candidate(), c in any_candidate(),
    ) {
        if a.is_preferred_to(&b) && b.is_preferred_to(&c) {
            prop_assert!(a.is_preferred_to(&c));
        }
    }

    /// In whatever order the heads arrive, a node ends on the same one.
    #[test]
    fn the_head_does_not_depend_on_the_order_of_arrival(
        (heads, shuffled) in prop::collection::vec(any_candidate(), 1..8)
            .prop_flat_map(|heads| (Just(heads.clone()), Just(heads).prop_shuffle())),
    ) {
        let settle = |heads: &[Candidate]| {
            heads.iter().copied().reduce(|head, new| if new.is_preferred_to(&head) { new } else { head })
        };
        prop_assert_eq!(settle(&heads), settle(&shuffled));
    }
}
