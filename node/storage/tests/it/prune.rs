//! Pruning removes the states before a boundary, and nothing else.

use proptest::prelude::*;
use std::{collections::BTreeSet, fs, ops::ControlFlow, path::Path};
use wattline_storage::{
    Reader, Storage, StorageConfig, StorageError,
    test_utils::{self, ANY_COST, Op, TestChain, address, genesis_world, op, slot},
};

const fn keeping(history: u64) -> StorageConfig {
    StorageConfig {
        max_size: None,
        growth_step: None,
        history: Some(history),
    }
}

/// Every state from the boundary on is the twin's, and older ones are refused.
fn assert_same_above_boundary(pruned: &Reader, whole: &Reader) {
    let head = whole.head().unwrap();
    assert_eq!(pruned.head().unwrap(), head);
    let oldest = pruned.oldest_state().unwrap();
    assert_eq!(whole.oldest_state().unwrap(), 0);
    for number in 0..=head.number {
        assert_eq!(pruned.block(number).unwrap(), whole.block(number).unwrap());
        assert_eq!(
            pruned.receipts(number).unwrap(),
            whole.receipts(number).unwrap()
        );
        if number < oldest {
            assert_pruned(pruned, number, oldest);
            continue;
        }
        let (state, expected) = (
            pruned.state_at(number).unwrap(),
            whole.state_at(number).unwrap(),
        );
        for who in (0..24).map(address) {
            assert_eq!(
                state.account(&who).unwrap(),
                expected.account(&who).unwrap()
            );
            let mut slots = BTreeSet::new();
            for reader in [&state, &expected] {
                let collect = |slot| {
                    slots.insert(slot);
                    ControlFlow::Continue(())
                };
                reader.visit_slots(&who, collect).unwrap();
            }
            for slot in slots {
                assert_eq!(
                    state.storage_at(&who, slot).unwrap(),
                    expected.storage_at(&who, slot).unwrap(),
                    "slot {slot} of {who} at {number}"
                );
            }
        }
        let (who, slots) = (address(16), [slot(1), slot(300)]);
        assert_eq!(
            pruned.proof(number, who, &slots, ANY_COST).unwrap(),
            whole.proof(number, who, &slots, ANY_COST).unwrap()
        );
    }
}

fn assert_pruned(reader: &Reader, number: u64, oldest: u64) {
    let error = reader.state_at(number).unwrap_err();
    assert!(matches!(
        error,
        StorageError::StatePruned { number: n, oldest: o } if n == number && o == oldest
    ));
    assert_eq!(
        error.to_string(),
        format!(
            "missing trie node: the state of block {number} was pruned, the oldest state that this \
             node keeps is that of block {oldest}"
        )
    );
    let proof = reader.proof(number, address(1), &[], ANY_COST);
    assert!(matches!(proof, Err(StorageError::StatePruned { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn states_from_the_boundary_on_read_as_without_pruning(
        keep in 0u64..6,
        blocks in prop::collection::vec(prop::collection::vec(op(), 0..30), 1..16),
    ) {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut pruned = TestChain::new_with(dirs[0].path(), &keeping(keep));
        let mut whole = TestChain::new(dirs[1].path());
        for (ops, head) in blocks.iter().zip(1u64..) {
            pruned.append(ops);
            whole.append(ops);
            let oldest = pruned.storage.reader().unwrap().oldest_state().unwrap();
            prop_assert_eq!(oldest, head.saturating_sub(keep));
            pruned.assert_head();
        }
        assert_same_above_boundary(
            &pruned.storage.reader().unwrap(),
            &whole.storage.reader().unwrap(),
        );
    }
}

/// Changes `slots` slots of one contract.
fn fill(round: u64, slots: u16) -> Vec<Op> {
    (0..slots)
        .map(|n| Op::Set(16, n, round * 7 + u64::from(n) + 1))
        .collect()
}

#[test]
fn switched_on_late_it_catches_up_in_bounded_steps() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    for round in 0..30 {
        // Some blocks change much, some nothing.
        chain.append(&fill(round, if round < 10 { 1_500 } else { 0 }));
    }
    let TestChain { storage, .. } = &chain;
    assert_eq!(storage.reader().unwrap().oldest_state().unwrap(), 0);

    chain.storage = reopened(chain.storage, dir.path(), &keeping(5));
    let mut boundaries = Vec::new();
    for round in 0..6 {
        chain.append(&[Op::Pay(1, round)]);
        boundaries.push(chain.storage.reader().unwrap().oldest_state().unwrap());
    }
    // Two blocks with many changes at a time; the others at once.
    assert_eq!(boundaries, [2, 4, 6, 8, 10, 31]);
    chain.assert_head();

    // The boundary stays when the option is dropped, and moves no further.
    chain.storage = reopened(chain.storage, dir.path(), &StorageConfig::default());
    for round in 0..3 {
        chain.append(&[Op::Pay(2, round)]);
    }
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.oldest_state().unwrap(), 31);
    assert_pruned(&reader, 30, 31);
    reader.state_at(31).unwrap();
    drop(reader);

    // Keeping more brings nothing back.
    chain.storage = reopened(chain.storage, dir.path(), &keeping(1_000));
    chain.append(&[]);
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.oldest_state().unwrap(), 31);
}

fn reopened(storage: Storage, dir: &Path, config: &StorageConfig) -> Storage {
    drop(storage);
    test_utils::open_with(dir, &genesis_world(), config).unwrap()
}

#[test]
fn the_file_stops_growing_when_old_states_are_pruned() {
    let growth = |history| {
        let dir = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            growth_step: Some(1 << 20),
            history,
            ..StorageConfig::default()
        };
        let mut chain = TestChain::new_with(dir.path(), &config);
        let size = || fs::metadata(dir.path().join("db/mdbx.dat")).unwrap().len();
        for round in 0..40 {
            chain.append(&fill(round, 400));
        }
        let (before, used_before) = (size(), chain.storage.space().unwrap().used);
        for round in 40..160 {
            chain.append(&fill(round, 400));
        }
        let used = chain.storage.space().unwrap().used;
        (size() - before, used.saturating_sub(used_before))
    };
    let (file, used) = growth(None);
    assert!(file >= 6 << 20, "without pruning: {file} bytes");
    assert!(used >= 5 << 20, "without pruning: {used} bytes in use");
    // Blocks and receipts stay, so a little is needed.
    let (file, used) = growth(Some(10));
    assert!(file <= 1 << 20, "with pruning: {file} bytes");
    assert!(used <= 1 << 20, "with pruning: {used} bytes in use");
}
