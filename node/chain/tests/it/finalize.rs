//! What becomes final: one commit, one message, and nobody waits for it who only reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use alloy_primitives::{Address, B256, U256};
use revm::DatabaseRef;
use tokio::sync::broadcast::error::TryRecvError;
use wattline_chain::{
    Chain, ChainError,
    test_utils::{Forge, Signers, Template, TestGenesis, transfer},
};
use wattline_storage::{ExecutedBlock, StorageError};

const RECEIVER: Address = Address::repeat_byte(0x77);

/// A forge, and so many blocks one after another that each pay the receiver 1.
fn forged(count: u64) -> (TestGenesis, Vec<Arc<ExecutedBlock>>) {
    let (signers, accounts) = (Signers::new(1), Signers::named("account", 1));
    let genesis = TestGenesis::new(signers.addresses()).fund(accounts.addresses());
    let forge = Forge::new(genesis.clone(), signers);
    let mut blocks: Vec<Arc<ExecutedBlock>> = Vec::new();
    for nonce in 0..count {
        let parent = blocks.last().map(|block| block.block.hash());
        let pay = transfer(accounts.key(0), nonce, RECEIVER, 1);
        blocks.push(forge.add(Template {
            parent,
            ..Template::default().with(vec![pay])
        }));
    }
    (genesis, blocks)
}

fn execute(chain: &Chain, block: &ExecutedBlock) {
    let block = block.block.sealed_block().clone();
    chain.execute(block, &|_| None).unwrap();
}

fn hash(block: &ExecutedBlock) -> B256 {
    block.block.hash()
}

fn paid(chain: &Chain, at: B256) -> U256 {
    let state = chain.overlay(at).unwrap();
    let account = state.basic_ref(RECEIVER).unwrap();
    account.map(|account| account.balance).unwrap_or_default()
}

#[test]
fn what_is_written_beside_the_blocks_is_in_their_commit_or_nowhere() {
    let (genesis, blocks) = forged(2);
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir);
    for block in &blocks {
        execute(&chain, block);
    }
    let mut updates = chain.subscribe();
    let tip = hash(&blocks[1]);

    // Half of it written, then a failure.
    let error = chain
        .finalize(tip, &|writer| {
            writer.put_snapshot(tip, b"beside")?;
            Err(StorageError::WriterFailed)
        })
        .unwrap_err();
    assert!(
        matches!(error, ChainError::Storage(StorageError::WriterFailed)),
        "{error}"
    );
    let reader = chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap().number, 0);
    assert_eq!(reader.snapshot(tip).unwrap(), None);
    assert_eq!(chain.head().number, 0);
    assert_eq!(updates.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(chain.executed(&tip).is_some());

    let beside = |writer: &mut wattline_storage::Writer| writer.put_snapshot(tip, b"beside");
    chain.finalize(tip, &beside).unwrap();
    let reader = chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap().hash, tip);
    assert_eq!(
        reader.snapshot(tip).unwrap().as_deref(),
        Some(&b"beside"[..])
    );
    let update = updates.try_recv().unwrap();
    assert_eq!(update.committed.len(), 2);
    for (told, block) in update.committed.iter().zip(&blocks) {
        assert_eq!(told.block, block.block);
        assert_eq!(told.receipts, block.receipts);
    }
    assert_eq!(update.head().hash(), tip);

    // For a block that is final already only that is written, and nothing is told.
    let first = hash(&blocks[0]);
    for known in [first, tip] {
        chain
            .finalize(known, &|writer| writer.put_snapshot(first, b"later"))
            .unwrap();
    }
    let reader = chain.storage().reader().unwrap();
    assert_eq!(
        reader.snapshot(first).unwrap().as_deref(),
        Some(&b"later"[..])
    );
    assert_eq!(reader.head().unwrap().hash, tip);
    assert_eq!(updates.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn reads_and_execution_do_not_wait_for_a_commit() {
    let (genesis, blocks) = forged(3);
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir);
    for block in &blocks[..2] {
        execute(&chain, block);
    }
    let (tip, next) = (hash(&blocks[1]), hash(&blocks[2]));
    // Within the transaction, from other threads: all of this would hang if it waited, and be
    // otherwise if it saw what is not committed.
    chain
        .finalize(tip, &|_| {
            thread::scope(|scope| {
                let reading = scope.spawn(|| {
                    assert_eq!(chain.head().number, 0);
                    let reader = chain.storage().reader().unwrap();
                    assert_eq!(reader.head().unwrap().number, 0);
                    assert_eq!(chain.snapshot(tip).unwrap().number, 2);
                    assert_eq!(paid(&chain, tip), U256::from(2));
                    assert!(chain.is_known(&tip).unwrap());
                    chain.set_pending(tip);
                    assert_eq!(chain.pending().number, 2);
                });
                let executing = scope.spawn(|| execute(&chain, &blocks[2]));
                reading.join().unwrap();
                executing.join().unwrap();
            });
            Ok(())
        })
        .unwrap();

    assert_eq!(chain.head().hash(), tip);
    assert_eq!(paid(&chain, next), U256::from(3));
    chain.finalize(next, &|_| Ok(())).unwrap();
    let reader = chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap().hash, next);
    reader.verify().unwrap();
}

#[test]
fn blocks_are_executed_stored_and_read_side_by_side() {
    const COUNT: usize = 40;
    let (genesis, blocks) = forged(COUNT as u64);
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for block in &blocks {
                execute(&chain, block);
                chain.set_pending(hash(block));
            }
        });
        scope.spawn(|| {
            for block in &blocks {
                while chain.executed(&hash(block)).is_none() {
                    thread::yield_now();
                }
                chain.finalize(hash(block), &|_| Ok(())).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let head = chain.head();
                assert!(head.number >= last);
                last = head.number;
                let reader = chain.storage().reader().unwrap();
                assert!(reader.block_number(head.hash()).unwrap().is_some());
                assert!(chain.is_known(&head.hash()).unwrap());
                assert_eq!(chain.snapshot(head.hash()).unwrap().number, head.number);
                // The chain may have moved on since; then the block is said to be unknown.
                let pending = chain.pending();
                match chain.overlay(pending.hash()) {
                    Ok(state) => {
                        let account = state.basic_ref(RECEIVER).unwrap();
                        let balance = account.map(|account| account.balance).unwrap_or_default();
                        assert_eq!(balance, U256::from(pending.number));
                    }
                    Err(ChainError::UnknownBlock(hash)) => assert_eq!(hash, pending.hash()),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    });
    assert_eq!(chain.head().number, COUNT as u64);
    chain.storage().reader().unwrap().verify().unwrap();
}
