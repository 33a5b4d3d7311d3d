//! States and roots over blocks that are not stored yet.

use alloy_primitives::{B256, KECCAK256_EMPTY, keccak256};
use proptest::prelude::*;
use revm::DatabaseRef;
use std::sync::Arc;
use wattline_primitives::SealedHeader;
use wattline_storage::{
    ExecutedBlock, Overlay, Storage, StorageError,
    test_utils::{Holding, Op, TestChain, World, address, op, slot},
};

/// Blocks one after another, of which the database may hold some.
struct Branch {
    blocks: Vec<Arc<ExecutedBlock>>,
    world: World,
    genesis: SealedHeader,
}

impl Branch {
    fn new(chain: &TestChain) -> Self {
        Self {
            blocks: Vec::new(),
            world: chain.worlds[0].clone(),
            genesis: chain.genesis.clone(),
        }
    }

    fn tip(&self) -> SealedHeader {
        let tip = self.blocks.last();
        tip.map_or_else(
            || self.genesis.clone(),
            |executed| executed.block.clone_sealed_header(),
        )
    }

    fn overlay(&self, storage: &Storage) -> Result<Overlay, StorageError> {
        storage.overlay(self.tip().hash(), &self.blocks)
    }

    /// Executes the next block.
    fn grow(&mut self, chain: &mut TestChain, ops: &[Op]) -> Arc<ExecutedBlock> {
        let overlay = self.overlay(&chain.storage).unwrap();
        let executed = chain.next_on(&self.tip(), &overlay, &mut self.world, ops);
        let executed = Arc::new(executed);
        self.blocks.push(Arc::clone(&executed));
        executed
    }
}

/// Stores blocks in one commit.
fn store(storage: &Storage, blocks: &[Arc<ExecutedBlock>]) {
    let mut writer = storage.writer().unwrap();
    for executed in blocks {
        writer.append(executed).unwrap();
    }
    writer.commit().unwrap();
}

fn assert_state(state: &Overlay, world: &World) {
    for address in (0..30).chain([60, 120, 240, 399]).map(address) {
        let held = world.get(&address).cloned();
        let account = state.account(&address).unwrap();
        assert_eq!(account, held.as_ref().map(Holding::account), "{address}");
        let held = held.unwrap_or_default();
        if let Some(hash) = account.and_then(|account| account.bytecode_hash) {
            assert_eq!(
                state.code_by_hash_ref(hash).unwrap().original_bytes(),
                held.code
            );
        }
        let some = (0..9).chain([20, 100, 299]).map(slot);
        for slot in some.chain(held.slots.keys().copied()) {
            let expected = held.slots.get(&slot).copied().unwrap_or_default();
            assert_eq!(state.storage_at(&address, slot).unwrap(), expected);
        }
    }
}

/// Changes hundreds of slots in several contracts, so that roots are computed on several threads.
fn many(value: u64) -> Vec<Op> {
    (0..600)
        .map(|n| Op::Set(n % 5 * 4, n, value + u64::from(n)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn states_and_roots_are_the_same_however_many_blocks_are_stored(
        blocks in prop::collection::vec((prop::collection::vec(op(), 0..40), 0usize..4), 1..14)
    ) {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut one_by_one = TestChain::new(dirs[0].path());
        let mut chain = TestChain::new(dirs[1].path());
        let mut branch = Branch::new(&chain);
        let mut stored = 0;
        for (ops, count) in &blocks {
            one_by_one.append(ops);
            let executed = branch.grow(&mut chain, ops);
            let expected = one_by_one.blocks.last().unwrap();
            prop_assert_eq!(&executed.block, &expected.block);
            prop_assert_eq!(&executed.trie, &expected.trie);
            assert_state(&branch.overlay(&chain.storage).unwrap(), &branch.world);

            let end = branch.blocks.len().min(stored + count);
            store(&chain.storage, &branch.blocks[stored..end]);
            stored = end;
            assert_state(&branch.overlay(&chain.storage).unwrap(), &branch.world);
        }
        store(&chain.storage, &branch.blocks[stored..]);
        one_by_one.storage = chain.storage;
        one_by_one.assert_head();
        one_by_one.assert_history((0..30).chain([60, 120, 240, 399]));
    }
}

#[test]
fn commits_between_opening_and_reading_do_no_harm() {
    for stored in 0..=3 {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = TestChain::new(dir.path());
        let mut branch = Branch::new(&chain);
        branch.grow(&mut chain, &[Op::Create(9, 1, vec![(1, 1)]), Op::Pay(3, 7)]);
        branch.grow(&mut chain, &many(1));
        let overlay = branch.overlay(&chain.storage).unwrap();
        let (tip, world) = (branch.tip(), branch.world.clone());
        // The third is one that the overlay does not stand on.
        branch.grow(&mut chain, &[Op::Destroy(9), Op::Pay(3, 9)]);
        let (storage, blocks) = (chain.storage.clone(), branch.blocks.clone());
        std::thread::spawn(move || store(&storage, &blocks[..stored]))
            .join()
            .unwrap();

        assert_eq!((overlay.block(), overlay.block_hash()), (2, tip.hash()));
        assert_state(&overlay, &world);
        // Checks the root against a recomputation.
        chain.next_on(&tip, &overlay, &mut world.clone(), &many(2));
        chain.next_on(&tip, &overlay, &mut world.clone(), &[Op::Destroy(16)]);
    }
}

#[test]
fn an_overlay_outlives_the_commit_of_another_branch() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let (mut lost, mut stored) = (Branch::new(&chain), Branch::new(&chain));
    lost.grow(&mut chain, &many(1));
    stored.grow(&mut chain, &many(5));
    let overlay = lost.overlay(&chain.storage).unwrap();
    store(&chain.storage, &stored.blocks);
    assert_state(&overlay, &lost.world);
    chain.next_on(&lost.tip(), &overlay, &mut lost.world.clone(), &many(2));

    let error = lost.overlay(&chain.storage).unwrap_err();
    assert!(matches!(
        error,
        StorageError::NotConnected { parent, head }
            if parent == lost.tip().hash() && head == stored.tip().num_hash()
    ));
}

#[test]
fn layers_that_do_not_lead_to_the_block_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let mut branch = Branch::new(&chain);
    for n in 0..4 {
        branch.grow(&mut chain, &[Op::Pay(n, 1)]);
    }
    store(&chain.storage, &branch.blocks[..2]);
    let head = branch.blocks[1].block.num_hash();
    let hash = |index: usize| branch.blocks[index].block.hash();
    let refused = |parent, layers: &[Arc<ExecutedBlock>]| {
        let error = chain.storage.overlay(parent, layers).unwrap_err();
        assert!(
            matches!(error, StorageError::NotConnected { parent: p, head: h } if p == parent && h == head),
            "{error}"
        );
    };
    refused(hash(3), &branch.blocks[..3]);
    refused(hash(3), &branch.blocks[3..]);
    refused(hash(3), &[]);
    refused(hash(2), &branch.blocks);
    refused(hash(0), &branch.blocks[..1]);
    refused(B256::repeat_byte(1), &[]);
    for (parent, layers) in [
        (hash(1), &branch.blocks[..0]),
        (hash(1), &branch.blocks[..2]),
        (hash(2), &branch.blocks[2..3]),
        (hash(3), &branch.blocks[1..]),
    ] {
        let overlay = chain.storage.overlay(parent, layers).unwrap();
        assert_eq!(overlay.block_hash(), parent);
    }
}

#[test]
fn code_and_block_hashes_come_from_the_layers_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let mut branch = Branch::new(&chain);
    branch.grow(&mut chain, &[Op::Pay(1, 1)]);
    store(&chain.storage, &branch.blocks);
    let before = chain.storage.stats().unwrap();
    branch.grow(&mut chain, &[Op::Create(70, 5, vec![])]);
    branch.grow(&mut chain, &[Op::Create(71, 6, vec![])]);
    let overlay = branch.overlay(&chain.storage).unwrap();

    for who in [70, 71] {
        let code = &branch.world[&address(who)].code;
        let found = overlay.code_by_hash_ref(keccak256(code)).unwrap();
        assert_eq!(&found.original_bytes(), code);
        assert_eq!(
            overlay.basic_ref(address(who)).unwrap().unwrap().code_hash,
            keccak256(code)
        );
    }
    assert!(
        overlay
            .code_by_hash_ref(KECCAK256_EMPTY)
            .unwrap()
            .is_empty()
    );
    assert!(matches!(
        overlay.code_by_hash_ref(B256::repeat_byte(9)),
        Err(StorageError::MissingEntry {
            table: "Bytecodes",
            ..
        })
    ));
    assert_eq!(overlay.block_hash_ref(0).unwrap(), chain.genesis.hash());
    for executed in &branch.blocks {
        let number = executed.block.number;
        assert_eq!(
            overlay.block_hash_ref(number).unwrap(),
            executed.block.hash()
        );
    }
    assert_eq!(overlay.block_hash_ref(4).unwrap(), B256::ZERO);

    // Nothing of it is in the database, and code of a layer not in its cache.
    drop(overlay);
    assert_eq!(chain.storage.stats().unwrap(), before);
    let code = &branch.world[&address(70)].code;
    let state = chain.storage.state().unwrap();
    assert_eq!(state.bytecode(&keccak256(code)).unwrap(), None);
}
