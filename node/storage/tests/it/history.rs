//! After random blocks the state root equals a full recomputation and every past state reads back.

use proptest::prelude::*;
use wattline_storage::test_utils::{self, Op, TestChain, op};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn roots_and_past_states_hold_through_random_blocks(
        blocks in prop::collection::vec(prop::collection::vec(op(), 0..40), 1..14)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = TestChain::new(dir.path());
        for ops in &blocks {
            chain.append(ops);
            chain.assert_head();
        }
        chain.assert_history((0..30).chain([60, 120, 240, 399]));
    }
}

#[test]
fn every_account_and_slot_of_every_past_block_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    for round in 0..30u16 {
        let ops: Vec<_> = (0..40)
            .flat_map(|n| {
                let who = (n * 7 + round * 13) % 60;
                [
                    Op::Pay(who, u64::from(round) * 100 + u64::from(n)),
                    Op::Create(who, round as u8, vec![(n % 9, 5), (20, u64::from(n))]),
                    Op::Set((who + 3) % 60, n % 9, u64::from(round % 3) * u64::from(n)),
                    if n % 11 == 0 {
                        Op::Destroy((who + 5) % 60)
                    } else {
                        Op::Touch(who)
                    },
                ]
            })
            .collect();
        chain.append(&ops);
    }
    chain.assert_head();
    chain.assert_history(0..64);
}

#[test]
fn a_contract_wiped_and_created_again_in_one_block_has_only_its_new_storage() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    // Account 16 holds sixteen slots at genesis.
    chain.append(&[
        Op::Destroy(16),
        Op::Pay(16, 3),
        Op::Create(16, 9, vec![(2, 77), (40, 1)]),
    ]);
    chain.assert_head();
    let state = chain.storage.state().unwrap();
    let value = |n| {
        state
            .storage_at(&test_utils::address(16), test_utils::slot(n))
            .unwrap()
    };
    assert_eq!(value(2).to::<u64>(), 77);
    assert_eq!(value(40).to::<u64>(), 1);
    assert_eq!(value(3).to::<u64>(), 0);
    chain.assert_history(0..20);
}

#[test]
fn storage_emptied_slot_by_slot_has_the_empty_root() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let clear: Vec<_> = (1..=16).map(|n| Op::Set(16, n, 0)).collect();
    chain.append(&clear);
    chain.assert_head();
    chain.append(&[Op::Set(16, 5, 6)]);
    chain.assert_head();
}

#[test]
fn thousands_of_slots_in_several_contracts_get_the_same_root_in_parallel() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let fill: Vec<_> = (0..2_000u16)
        .map(|n| Op::Set(n % 5 * 4, n, u64::from(n) + 1))
        .collect();
    chain.append(&fill);
    chain.assert_head();
    let change: Vec<_> = (0..2_000u16)
        .step_by(3)
        .map(|n| Op::Set(n % 5 * 4, n, u64::from(n % 2) * 9))
        .collect();
    chain.append(&change);
    chain.assert_head();
}
