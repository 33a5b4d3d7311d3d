//! Proofs of accounts and slots, verified against the state roots of headers.

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, proof::verify_proof, root::storage_root_unhashed};
use nybbles::Nibbles;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use wattline_storage::{
    AccountProof, ProofBudget, StorageError,
    test_utils::{Holding, Op, TestChain, address, op, slot},
};

const ALL: ProofBudget<'static> = ProofBudget {
    changes: usize::MAX,
    stop: &|| false,
};

fn path(key: impl AsRef<[u8]>) -> Nibbles {
    Nibbles::unpack(keccak256(key))
}

/// The proof is one of `held` in a state with this root.
fn verify(root: B256, who: u16, held: Option<&Holding>, proof: &AccountProof) {
    let empty = Holding::default();
    let slots = &held.unwrap_or(&empty).slots;
    let storage_root = storage_root_unhashed(slots.iter().map(|(slot, value)| (*slot, *value)));
    assert_eq!(proof.account, held.map(Holding::account));
    assert_eq!(proof.storage_root, storage_root);
    let leaf = held.map(|held| alloy_rlp::encode(held.account().into_trie_account(storage_root)));
    verify_proof(root, path(address(who)), leaf, &proof.nodes).unwrap();
    for found in &proof.slots {
        let value = slots.get(&found.slot).copied();
        assert_eq!(found.value, value.unwrap_or_default());
        let leaf = value.map(alloy_rlp::encode);
        verify_proof(storage_root, path(found.slot), leaf, &found.nodes).unwrap();
    }
}

/// Proofs of these accounts and of slots of theirs, present and absent, after every block.
fn assert_proofs(chain: &TestChain, accounts: impl IntoIterator<Item = u16>) {
    let reader = chain.storage.reader().unwrap();
    let accounts: Vec<_> = accounts.into_iter().collect();
    for (number, world) in (0..).zip(&chain.worlds) {
        let root = reader.header(number).unwrap().unwrap().state_root;
        for who in &accounts {
            let held = world.get(&address(*who));
            let slots: Vec<_> = [3, 299, 0, 1, 2, 5, 20, 100, 3].map(slot).to_vec();
            let proof = reader.proof(number, address(*who), &slots, ALL).unwrap();
            assert_eq!(
                proof.slots.iter().map(|s| s.slot).collect::<Vec<_>>(),
                slots
            );
            verify(root, *who, held, &proof);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_proof_verifies_at_every_past_block(
        blocks in prop::collection::vec(prop::collection::vec(op(), 0..40), 1..10)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = TestChain::new(dir.path());
        blocks.iter().for_each(|ops| chain.append(ops));
        assert_proofs(&chain, (0..14).chain([16, 60, 240, 399]));
    }
}

#[test]
fn created_changed_and_destroyed_accounts_are_proven_at_each_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let many = |value: u64| {
        (0..300)
            .map(|n| (n, value + u64::from(n)))
            .collect::<Vec<_>>()
    };
    chain.append(&[Op::Create(40, 1, many(1)), Op::Pay(41, 1)]);
    chain.append(&[
        Op::Set(40, 5, 0),
        Op::Set(40, 299, 7),
        Op::Set(40, 1_000, 7),
    ]);
    chain.append(&[Op::Destroy(40), Op::Destroy(16)]);
    chain.append(&[Op::Create(40, 2, vec![(3, 9)]), Op::Pay(16, 5)]);
    chain.append(&(1..=8).map(|n| Op::Set(8, n, 0)).collect::<Vec<_>>());
    assert_proofs(&chain, [40, 41, 16, 8, 4, 1, 50]);
    let reader = chain.storage.reader().unwrap();
    // Emptied slot by slot.
    let emptied = reader.proof(5, address(8), &[slot(1)], ALL).unwrap();
    assert_eq!(emptied.storage_root, EMPTY_ROOT_HASH);
    assert!(emptied.slots[0].nodes.is_empty());
    // The proof is the whole way: of three hundred slots, some branches and a leaf.
    let deep = reader.proof(1, address(40), &[slot(7)], ALL).unwrap();
    assert!(deep.slots[0].nodes.len() >= 3);
}

#[test]
fn proofs_far_back_keep_to_their_budget() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    for n in 1..=5 {
        chain.append(&[Op::Pay(1, n), Op::Set(4, 1, n + 10)]);
    }
    let reader = chain.storage.reader().unwrap();
    let within = |number, changes| {
        let budget = ProofBudget { changes, ..ALL };
        reader.proof(number, address(1), &[], budget)
    };
    assert_eq!(
        within(3, 4).unwrap().account,
        chain.worlds[3].get(&address(1)).map(Holding::account)
    );
    let error = within(3, 3).unwrap_err();
    assert!(matches!(
        error,
        StorageError::ProofTooFar {
            number: 3,
            limit: 3
        }
    ));
    assert_eq!(
        error.to_string(),
        "more than 3 accounts and slots changed since block 3, which a proof of its state has to \
         undo: prove a later block"
    );
    within(5, 0).unwrap();
    let error = within(6, 0).unwrap_err();
    assert!(matches!(
        error,
        StorageError::MissingBlock { number: 6, head: 5 }
    ));
}

#[test]
fn a_proof_that_nobody_waits_for_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    chain.append(&(0..200).map(|n| Op::Set(16, n, 7)).collect::<Vec<_>>());
    chain.append(&[]);
    let reader = chain.storage.reader().unwrap();
    let asked = AtomicUsize::new(0);
    let mut after = 0;
    let attempt = |count: usize| {
        asked.store(0, Ordering::Relaxed);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= count;
        let budget = ProofBudget {
            changes: usize::MAX,
            stop: &stop,
        };
        reader.proof(0, address(16), &[slot(1)], budget)
    };
    // Wherever it is asked, it stops.
    while let Err(error) = attempt(after) {
        assert!(matches!(error, StorageError::Stopped), "{error}");
        after += 1;
    }
    assert!(after > 10, "asked {after} times");
}
