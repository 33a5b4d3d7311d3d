//! Executed blocks that are not final: siblings, how many there may be, and what is left of them.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use revm::DatabaseRef;
use tempfile::TempDir;
use wattline_chain::{
    Chain, ChainError, MAX_UNSTORED,
    test_utils::{Forge, Signers, Template, TestGenesis, import, transfer},
};
use wattline_primitives::SealedBlock;
use wattline_storage::ExecutedBlock;

const RECEIVER: Address = Address::repeat_byte(0x77);

fn accounts() -> Signers {
    Signers::named("account", 2)
}

/// A genesis of one signer, and a forge of it.
fn forge() -> (TestGenesis, Forge) {
    let signers = Signers::new(1);
    let genesis = TestGenesis::new(signers.addresses()).fund(accounts().addresses());
    (genesis.clone(), Forge::new(genesis, signers))
}

/// A block that pays the receiver.
fn paying(nonce: u64, value: u64) -> Template {
    Template::default().with(vec![transfer(accounts().key(0), nonce, RECEIVER, value)])
}

/// The receiver's balance after a block that is the head or executed.
fn paid(chain: &Chain, hash: B256) -> U256 {
    let state = chain.overlay(hash).unwrap();
    let account = state.basic_ref(RECEIVER).unwrap();
    account.map(|account| account.balance).unwrap_or_default()
}

fn execute(chain: &Chain, block: &Arc<ExecutedBlock>) -> Result<(), ChainError> {
    let block = block.block.sealed_block().clone();
    chain.execute(block, &|_| None).map(|_| ())
}

fn open(genesis: &TestGenesis) -> (Chain, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (genesis.open(&dir), dir)
}

#[test]
fn siblings_have_states_and_children_of_their_own() {
    let (genesis, forge) = forge();
    let (chain, _dir) = open(&genesis);
    let [left, right] = [1, 2].map(|value| forge.add(paying(0, value)));
    let left_child = forge.add(paying(1, 10).on(left.block.hash()));
    let right_child = forge.add(paying(1, 20).on(right.block.hash()));

    for block in [&left, &right, &right_child, &left_child] {
        execute(&chain, block).unwrap();
    }

    let paid = |block: &ExecutedBlock| paid(&chain, block.block.hash());
    assert_eq!(paid(&left), U256::from(1));
    assert_eq!(paid(&right), U256::from(2));
    assert_eq!(paid(&left_child), U256::from(11));
    assert_eq!(paid(&right_child), U256::from(22));
    let path: Vec<_> = chain
        .unstored(right_child.block.hash())
        .unwrap()
        .iter()
        .map(|block| block.block.hash())
        .collect();
    assert_eq!(path, [right.block.hash(), right_child.block.hash()]);
    assert_eq!(chain.head().number, 0);

    // One of them becomes final: its child stays, the others are gone.
    chain.finalize(left.block.hash(), &|_| Ok(())).unwrap();
    assert!(chain.executed(&left_child.block.hash()).is_some());
    for gone in [&left, &right, &right_child] {
        assert!(chain.executed(&gone.block.hash()).is_none());
    }
    let unknown = right_child.block.hash();
    for error in [
        chain.overlay(unknown).unwrap_err(),
        chain.unstored(unknown).unwrap_err(),
        chain.finalize(unknown, &|_| Ok(())).unwrap_err(),
    ] {
        assert!(
            matches!(error, ChainError::UnknownBlock(hash) if hash == unknown),
            "{error}"
        );
    }
    let error = execute(&chain, &right).unwrap_err();
    assert!(
        matches!(error, ChainError::Contradiction { number: 1, .. }),
        "{error}"
    );
    let error = execute(&chain, &right_child).unwrap_err();
    assert!(
        matches!(error, ChainError::UnknownParent { number: 2, parent, .. } if parent == right.block.hash()),
        "{error}"
    );
    chain
        .finalize(left_child.block.hash(), &|_| Ok(()))
        .unwrap();
    assert_eq!(paid(&left_child), U256::from(11));
}

#[test]
fn a_dropped_branch_leaves_no_trace_on_disk() {
    let (genesis, forge) = forge();
    let (with, _dir) = open(&genesis);
    let (without, _dir_without) = open(&genesis);
    let lost = transfer(accounts().key(1), 0, Address::repeat_byte(0x99), 3);
    let dropped = forge.add(Template::default().with(vec![lost.clone()]));
    let child = forge.add(Template::default().on(dropped.block.hash()));
    let kept = forge.extend(paying(0, 5));
    let next = forge.extend(paying(1, 7));

    for block in [&dropped, &child] {
        execute(&with, block).unwrap();
    }
    for chain in [&with, &without] {
        import(chain, kept.clone()).unwrap();
        import(chain, next.clone()).unwrap();
    }

    let entries = |chain: &Chain| {
        let stats = chain.storage().stats().unwrap();
        let entries: Vec<_> = stats
            .into_iter()
            .map(|table| (table.name, table.entries, table.bytes))
            .collect();
        assert!(entries.len() > 10);
        entries
    };
    assert_eq!(entries(&with), entries(&without));
    let reader = with.storage().reader().unwrap();
    reader.verify().unwrap();
    for gone in [&dropped, &child] {
        let hash = gone.block.hash();
        assert_eq!(reader.header_by_hash(hash).unwrap(), None);
        assert_eq!(reader.block_number(hash).unwrap(), None);
        assert!(!with.is_known(&hash).unwrap());
    }
    assert!(reader.transaction(*lost.tx_hash()).unwrap().is_none());
    let state = reader.state().unwrap();
    assert_eq!(state.account(&Address::repeat_byte(0x99)).unwrap(), None);
}

#[test]
fn a_stall_of_64_blocks_is_kept_and_ends_in_one_commit() {
    let (genesis, forge) = forge();
    let (chain, _dir) = open(&genesis);
    let mut blocks: Vec<Arc<ExecutedBlock>> = Vec::new();
    for nonce in 0..64 {
        let parent = blocks.last().map(|block| block.block.hash());
        blocks.push(forge.add(Template {
            parent,
            ..paying(nonce, 1)
        }));
    }
    assert_eq!(blocks.len(), MAX_UNSTORED);
    let last = blocks[63].block.hash();
    let further: SealedBlock = {
        let mut block = blocks[63].block.clone_block();
        block.header.number = 65;
        block.header.parent_hash = last;
        block.header.timestamp += 1;
        forge.reseal(block, 0)
    };
    for block in &blocks {
        execute(&chain, block).unwrap();
    }
    assert_eq!(paid(&chain, last), U256::from(64));

    let error = chain.execute(further.clone(), &|_| None).unwrap_err();
    assert!(!error.is_invalid_block());
    assert!(
        matches!(error, ChainError::TooDeep { number: 65, limit: 64, hash } if hash == further.hash()),
        "{error}"
    );
    // A sibling of the last is not too deep, and one less makes room for another on top.
    let sibling = forge.add(Template {
        salt: 1,
        ..Template::default().on(blocks[62].block.hash())
    });
    execute(&chain, &sibling).unwrap();
    chain.finalize(blocks[0].block.hash(), &|_| Ok(())).unwrap();
    let error = chain.execute(further, &|_| None).unwrap_err();
    assert!(
        error.is_invalid_block(),
        "it repeats a transaction: {error}"
    );

    let mut updates = chain.subscribe();
    chain.finalize(last, &|_| Ok(())).unwrap();
    let update = updates.try_recv().unwrap();
    assert!(updates.try_recv().is_err());
    let committed: Vec<_> = update
        .committed
        .iter()
        .map(|block| block.block.hash())
        .collect();
    let expected: Vec<_> = blocks[1..].iter().map(|block| block.block.hash()).collect();
    assert_eq!(committed, expected);
    assert_eq!(chain.head().hash(), last);
    assert!(chain.executed(&sibling.block.hash()).is_none());
    let reader = chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap().hash, last);
    reader.verify().unwrap();
    for (number, block) in (1..).zip(&blocks) {
        let stored = reader.block_with_receipts(number).unwrap().unwrap();
        assert_eq!(stored.block, block.block);
        assert_eq!(stored.receipts, block.receipts);
        let state = reader.state_at(number).unwrap();
        let account = state.account(&RECEIVER).unwrap().unwrap();
        assert_eq!(account.balance, U256::from(number));
    }
}

#[test]
fn of_too_many_siblings_the_oldest_go_but_not_what_counts() {
    let (_genesis, forge) = forge();
    let chain = forge.chain();
    let block = |salt: usize, parent: Option<B256>| {
        forge.add(Template {
            salt: u8::try_from(salt).unwrap(),
            parent,
            ..Template::default()
        })
    };
    let pending = block(255, None);
    let agreed = block(0, Some(pending.block.hash()));
    chain.set_pending(agreed.block.hash());
    let parent = block(254, None);
    let siblings: Vec<_> = (0..2 * MAX_UNSTORED - 3)
        .map(|salt| block(salt, None))
        .collect();
    let is_there = |block: &ExecutedBlock| chain.executed(&block.block.hash()).is_some();
    assert!(siblings.iter().all(|block| is_there(block)));

    // There are 128 now. The next let the oldest go, but for those that something stands on.
    let child = block(0, Some(parent.block.hash()));
    let grandchild = block(0, Some(child.block.hash()));
    for kept in [&pending, &agreed, &parent, &child, &grandchild] {
        assert!(is_there(kept));
    }
    assert_eq!(siblings.iter().filter(|block| !is_there(block)).count(), 2);
    assert!(!is_there(&siblings[0]) && !is_there(&siblings[1]));
    // What was let go is executed again if need be.
    execute(chain, &siblings[0]).unwrap();
    chain
        .finalize(siblings[0].block.hash(), &|_| Ok(()))
        .unwrap();
    assert_eq!(chain.head().hash(), siblings[0].block.hash());
}

#[test]
fn pending_is_what_was_named_for_as_long_as_it_may_become_final() {
    let (genesis, forge) = forge();
    let (chain, _dir) = open(&genesis);
    assert_eq!(chain.pending().hash(), chain.head().hash());
    let first = forge.add(paying(0, 1));
    let second = forge.add(paying(1, 2).on(first.block.hash()));
    let rival = forge.add(Template::default());

    // Nobody can build on what is not executed.
    chain.set_pending(first.block.hash());
    assert_eq!(chain.pending().number, 0);
    for block in [&first, &second, &rival] {
        execute(&chain, block).unwrap();
    }
    chain.set_pending(second.block.hash());
    assert_eq!(chain.pending().hash(), second.block.hash());
    chain.set_pending(B256::repeat_byte(1));
    assert_eq!(chain.pending().hash(), second.block.hash());

    chain.finalize(first.block.hash(), &|_| Ok(())).unwrap();
    assert_eq!(chain.pending().hash(), second.block.hash());
    chain.finalize(second.block.hash(), &|_| Ok(())).unwrap();
    assert_eq!(chain.pending().hash(), second.block.hash());

    // Elsewhere another child of the first becomes final.
    let chain = forge.chain();
    chain.finalize(first.block.hash(), &|_| Ok(())).unwrap();
    chain.set_pending(second.block.hash());
    let other = forge.add(Template {
        salt: 1,
        ..Template::default()
    });
    chain.finalize(other.block.hash(), &|_| Ok(())).unwrap();
    assert_eq!(chain.pending().hash(), other.block.hash());
}

#[test]
fn what_was_not_final_is_gone_after_a_restart_and_comes_again() {
    let (genesis, forge) = forge();
    let (chain, dir) = open(&genesis);
    let first = forge.extend(paying(0, 1));
    let second = forge.extend(paying(1, 2));
    import(&chain, first.clone()).unwrap();
    chain.execute(second.clone(), &|_| None).unwrap();
    drop(chain);

    let chain = genesis.open(&dir);
    assert_eq!(chain.head().hash(), first.hash());
    assert_eq!(chain.pending().hash(), first.hash());
    assert!(chain.executed(&second.hash()).is_none());
    import(&chain, second.clone()).unwrap();
    assert_eq!(paid(&chain, second.hash()), U256::from(3));
}
