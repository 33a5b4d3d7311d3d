use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{address, transaction};

/// A sender's number, the last block that served it, and the tips of its transactions by nonce.
type Sender = (u8, u64, Vec<u128>);

fn best(senders: Vec<Sender>) -> BestTransactions {
    let mut arrival = 0;
    BestTransactions::new(
        senders
            .into_iter()
            .map(|(sender, served, tips)| {
                let transactions = tips.into_iter().zip(0..).map(|(tip, nonce)| {
                    arrival += 1;
                    Arc::new(transaction(sender, nonce, tip, arrival))
                });
                Candidate {
                    sender: address(sender),
                    last_served: served,
                    taken: 0,
                    transactions: transactions.collect(),
                }
            })
            .collect::<Vec<_>>()
            .into_iter(),
    )
}

fn order(best: BestTransactions) -> Vec<(u8, u64)> {
    best.map(|transaction| (transaction.sender().0[19], transaction.nonce()))
        .collect()
}

#[test]
fn the_highest_tip_goes_first_but_never_before_its_own_predecessor() {
    let order = order(best(vec![
        (1, 0, vec![1, 9]),
        (2, 0, vec![5]),
        (3, 0, vec![0]),
    ]));
    assert_eq!(order, [(2, 0), (1, 0), (1, 1), (3, 0)]);
}

#[test]
fn senders_with_equal_tips_take_turns_in_the_order_of_arrival() {
    let order = order(best(vec![
        (1, 0, vec![0; 4]),
        (2, 0, vec![0; 2]),
        (3, 0, vec![0]),
    ]));
    assert_eq!(
        order,
        [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)]
    );
}

#[test]
fn who_was_in_the_last_block_goes_after_who_was_not() {
    let order = order(best(vec![
        (1, 7, vec![0; 2]),
        (2, 3, vec![0]),
        (3, 0, vec![0]),
    ]));
    assert_eq!(order, [(3, 0), (2, 0), (1, 0), (1, 1)]);
}

#[test]
fn a_skipped_sender_yields_nothing_more() {
    let mut best = best(vec![(1, 0, vec![0; 3]), (2, 0, vec![0; 2])]);
    let first = best.next().map(|transaction| transaction.sender());
    assert_eq!(first, Some(address(1)));
    best.skip_sender(address(1));
    assert_eq!(order(best), [(2, 0), (2, 1)]);
}

fn senders() -> impl Strategy<Value = Vec<Sender>> {
    let tips = prop::collection::vec(0u128..3, 1..12);
    prop::collection::vec((0u64..3, tips), 1..8).prop_map(|senders| {
        (1..)
            .zip(senders)
            .map(|(sender, (served, tips))| (sender, served, tips))
            .collect()
    })
}

proptest! {
    #[test]
    fn every_transaction_comes_once_and_nonces_ascend_without_gaps(senders in senders()) {
        let mut next = HashMap::new();
        for (sender, nonce) in order(best(senders.clone())) {
            let expected = next.entry(sender).or_insert(0);
            prop_assert_eq!(nonce, *expected);
            *expected += 1;
        }
        for (sender, _, tips) in senders {
            prop_assert_eq!(next.get(&sender).copied(), Some(tips.len() as u64));
        }
    }

    #[test]
    fn no_waiting_head_has_a_higher_tip_than_what_is_taken(senders in senders()) {
        let mut tips: HashMap<u8, Vec<u128>> = HashMap::new();
        for (sender, _, of_sender) in &senders {
            tips.insert(*sender, of_sender.iter().rev().copied().collect());
        }
        for (sender, _) in order(best(senders)) {
            let highest = tips.values().filter_map(|rest| rest.last()).max().copied();
            prop_assert_eq!(tips.get_mut(&sender).and_then(Vec::pop), highest);
        }
    }

    #[test]
    fn with_equal_tips_nobody_gets_two_more_than_another_who_still_waits(
        counts in prop::collection::vec((0u64..3, 1usize..30), 2..8)
    ) {
        let senders: Vec<Sender> =
            (1..).zip(&counts).map(|(sender, (served, count))| (sender, *served, vec![0; *count])).collect();
        let mut left: HashMap<u8, usize> =
            senders.iter().map(|(sender, _, tips)| (*sender, tips.len())).collect();
        let mut taken: HashMap<u8, usize> = left.keys().map(|sender| (*sender, 0)).collect();
        for (sender, _) in order(best(senders)) {
            *taken.entry(sender).or_default() += 1;
            *left.entry(sender).or_default() -= 1;
            let most = taken.values().max().copied().unwrap_or_default();
            for (other, waiting) in &left {
                prop_assert!(*waiting == 0 || taken[other] + 1 >= most);
            }
        }
    }
}

#[test]
fn looking_again_goes_on_where_the_block_stands() {
    let first = [
        transaction(1, 0, 0, 1),
        transaction(1, 1, 0, 2),
        transaction(2, 0, 0, 3),
    ];
    let mut progress = Progress::default();
    for transaction in &first {
        progress.took(transaction);
    }
    let taken = [1, 2, 3].map(|sender| {
        let taken = progress.of(&address(sender));
        (taken.next_nonce, taken.count)
    });
    assert_eq!(taken, [(2, 2), (1, 1), (0, 0)]);

    let candidate = |sender: u8, nonce, arrival| Candidate {
        sender: address(sender),
        last_served: 0,
        taken: progress.of(&address(sender)).count,
        transactions: vec![Arc::new(transaction(sender, nonce, 0, arrival))],
    };
    let best = BestTransactions::new(
        [candidate(1, 2, 4), candidate(2, 1, 5), candidate(3, 0, 6)].into_iter(),
    );
    assert_eq!(order(best), [(3, 0), (2, 1), (1, 2)]);
}
