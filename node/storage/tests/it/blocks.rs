//! Blocks, transactions and receipts; what the writer refuses; what readers see meanwhile.

use alloy_eips::{BlockNumHash, eip4895::Withdrawal};
use alloy_primitives::B256;
use revm::{DatabaseRef, database::BundleState};
use wattline_primitives::{RecoveredBlock, SealedBlock};
use wattline_storage::{
    ExecutedBlock, StorageError,
    test_utils::{Op, TestChain, address, block, transaction},
};

fn chain_of(blocks: u16) -> (tempfile::TempDir, TestChain) {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    for n in 0..blocks {
        let ops: Vec<_> = (0..=n).map(|i| Op::Pay(i, u64::from(n) + 1)).collect();
        chain.append(&ops);
    }
    (dir, chain)
}

#[test]
fn blocks_transactions_and_receipts_read_back_as_they_were_written() {
    let (_dir, chain) = chain_of(9);
    let reader = chain.storage.reader().unwrap();
    for executed in &chain.blocks {
        let (number, hash) = (executed.block.number, executed.block.hash());
        assert_eq!(
            reader.block(number).unwrap().as_ref(),
            Some(&executed.block)
        );
        assert_eq!(
            reader.receipts(number).unwrap().as_ref(),
            Some(&executed.receipts)
        );
        assert_eq!(reader.block_hash(number).unwrap(), Some(hash));
        assert_eq!(reader.block_number(hash).unwrap(), Some(number));
        let header = reader.header_by_hash(hash).unwrap().unwrap();
        assert_eq!(header.header().hash_slow(), hash, "no header field is lost");
        let transactions = executed.block.transactions_recovered();
        for (index, tx) in (0..).zip(transactions) {
            let found = reader.transaction(*tx.tx_hash()).unwrap().unwrap();
            assert_eq!(found.tx.signer(), tx.signer());
            assert_eq!(&found.tx.into_inner(), *tx.inner());
            assert_eq!((found.block_number, found.block_hash), (number, hash));
            assert_eq!((found.index, found.base_fee_per_gas), (index, Some(0)));
            assert_eq!(found.block_timestamp, header.timestamp);
        }
    }
    assert_eq!(reader.block(10).unwrap(), None);
    assert_eq!(reader.receipts(10).unwrap(), None);
    assert_eq!(reader.transaction(B256::repeat_byte(7)).unwrap(), None);
    assert_eq!(reader.header_by_hash(B256::repeat_byte(7)).unwrap(), None);
}

#[test]
fn genesis_is_block_zero_with_its_state() {
    let (_dir, chain) = chain_of(0);
    let reader = chain.storage.reader().unwrap();
    let block = reader.block_with_receipts(0).unwrap().unwrap();
    assert_eq!(block.block.sealed_block().sealed_header(), &chain.genesis);
    assert!(block.receipts.is_empty());
    assert_eq!(chain.storage.genesis_hash(), chain.genesis.hash());
    assert_eq!(
        chain.storage.chain_config().unwrap(),
        r#"{"chainId":57836}"#
    );
    chain.assert_head();
    chain.assert_history(0..25);
}

#[test]
fn a_reader_sees_its_snapshot_while_blocks_are_appended() {
    let (_dir, mut chain) = chain_of(3);
    let reader = chain.storage.reader().unwrap();
    let state = reader.state().unwrap();
    let before = state.account(&address(1)).unwrap();
    chain.append(&[Op::Pay(1, 1_000_000)]);
    assert_eq!(reader.head().unwrap().number, 3);
    assert_eq!(state.account(&address(1)).unwrap(), before);
    assert_eq!(reader.block(4).unwrap(), None);
    assert_eq!(chain.storage.reader().unwrap().head().unwrap().number, 4);
}

#[test]
fn readers_do_not_wait_for_the_writer() {
    let (_dir, mut chain) = chain_of(3);
    let (executed, _) = chain.next(&[Op::Pay(1, 1_000_000)]);
    let storage = chain.storage.clone();
    let (send, receive) = std::sync::mpsc::channel();
    let mut writer = storage.writer().unwrap();
    writer.append(&executed).unwrap();
    std::thread::spawn(move || {
        let state = chain.storage.state().unwrap();
        let balance = state.account(&address(1)).unwrap().unwrap().balance;
        let head = chain.storage.reader().unwrap().head().unwrap().number;
        send.send((head, balance, chain.worlds[3][&address(1)].balance))
    });
    // The block is written and not yet committed; the reader must answer meanwhile.
    let answer = receive.recv_timeout(std::time::Duration::from_secs(60));
    let (head, balance, expected) = answer.unwrap();
    assert_eq!((head, balance), (3, expected));
    writer.commit().unwrap();
    assert_eq!(storage.reader().unwrap().head().unwrap().number, 4);
}

#[test]
fn a_dropped_writer_leaves_no_trace() {
    let (_dir, mut chain) = chain_of(2);
    let (executed, _) = chain.next(&[Op::Pay(3, 5), Op::Create(40, 1, vec![(1, 1)])]);
    {
        let mut writer = chain.storage.writer().unwrap();
        writer.append(&executed).unwrap();
        writer
            .put_snapshot(executed.block.hash(), b"snapshot")
            .unwrap();
        assert_eq!(writer.head().unwrap(), executed.block.num_hash());
    }
    chain.assert_head();
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.snapshot(executed.block.hash()).unwrap(), None);
    assert_eq!(reader.state().unwrap().account(&address(40)).unwrap(), None);
}

/// The same block with an ommer in its body.
fn with_ommers(executed: &ExecutedBlock) -> RecoveredBlock {
    let (header, mut body) = executed
        .block
        .clone_sealed_block()
        .split_sealed_header_body();
    body.ommers.push(header.clone_header());
    let senders = executed.block.senders().to_vec();
    RecoveredBlock::new_sealed(SealedBlock::from_sealed_parts(header, body), senders)
}

#[test]
fn blocks_that_do_not_extend_the_head_are_refused() {
    let (_dir, mut chain) = chain_of(2);
    let head = chain.head().num_hash();
    let (executed, _) = chain.next(&[Op::Pay(1, 1)]);
    let refused = |executed: &ExecutedBlock| {
        let mut writer = chain.storage.writer().unwrap();
        writer.append(executed).unwrap_err()
    };

    let (orphan, receipts) = block(&chain.genesis, executed.trie.root(), 1, 5);
    let error = refused(&ExecutedBlock {
        block: orphan,
        receipts,
        ..executed.clone()
    });
    assert!(matches!(
        error,
        StorageError::NotNextBlock { number: 1, parent, head: h }
            if parent == chain.genesis.hash() && h == head
    ));

    let (wrong_root, receipts) = block(&chain.head(), B256::repeat_byte(1), 1, 5);
    let error = refused(&ExecutedBlock {
        block: wrong_root,
        receipts,
        ..executed.clone()
    });
    assert!(matches!(
        error,
        StorageError::StateRootMismatch { number: 3, expected, computed }
            if expected == B256::repeat_byte(1) && computed == executed.trie.root()
    ));

    let error = refused(&ExecutedBlock {
        receipts: Vec::new(),
        ..executed.clone()
    });
    assert!(matches!(
        error,
        StorageError::ReceiptCount {
            number: 3,
            transactions: 1,
            receipts: 0
        }
    ));

    let with_ommers = with_ommers(&executed);
    let error = refused(&ExecutedBlock {
        block: with_ommers,
        ..executed.clone()
    });
    assert!(matches!(
        error,
        StorageError::UnsupportedBody {
            number: 3,
            what: "ommers"
        }
    ));

    let (header, mut body) = executed
        .block
        .clone_sealed_block()
        .split_sealed_header_body();
    body.withdrawals = Some(vec![Withdrawal::default()].into());
    let withdrawing = SealedBlock::from_sealed_parts(header, body);
    let withdrawing = withdrawing.with_senders(executed.block.senders().to_vec());
    let error = refused(&ExecutedBlock {
        block: withdrawing,
        ..executed.clone()
    });
    assert!(matches!(
        error,
        StorageError::UnsupportedBody {
            number: 3,
            what: "withdrawals"
        }
    ));

    // Trie updates of another state.
    chain.append(&[Op::Pay(2, 2)]);
    let (next, receipts) = block(&chain.head(), executed.trie.root(), 1, 5);
    let stale = ExecutedBlock {
        block: next,
        receipts,
        ..executed
    };
    let error = chain.storage.writer().unwrap().append(&stale).unwrap_err();
    assert!(matches!(error, StorageError::NotHead { parent, .. } if parent.hash == head.hash));
    chain.assert_head();
}

#[test]
fn a_writer_with_a_failed_change_refuses_to_commit() {
    let (_dir, mut chain) = chain_of(1);
    let (mut executed, _) = chain.next(&[Op::Pay(1, 1)]);
    let with_ommers = with_ommers(&executed);
    executed.block = with_ommers;
    let mut writer = chain.storage.writer().unwrap();
    writer.append(&executed).unwrap_err();
    writer.put_snapshot(B256::ZERO, b"later").unwrap();
    assert!(matches!(writer.commit(), Err(StorageError::WriterFailed)));
    chain.assert_head();
}

#[test]
fn reading_beyond_the_head_is_refused() {
    let (_dir, chain) = chain_of(2);
    assert!(matches!(
        chain.storage.state_at(3).unwrap_err(),
        StorageError::MissingBlock { number: 3, head: 2 }
    ));
}

#[test]
fn a_state_root_on_another_block_than_the_head_is_refused() {
    let (_dir, chain) = chain_of(2);
    let parent = chain.genesis.num_hash();
    let error = chain
        .storage
        .state_root(parent, &BundleState::default())
        .unwrap_err();
    assert!(matches!(
        error,
        StorageError::NotHead { parent: p, head } if p == parent && head == chain.head().num_hash()
    ));
}

#[test]
fn an_empty_block_keeps_the_state_root() {
    let (_dir, chain) = chain_of(2);
    let head: BlockNumHash = chain.head().num_hash();
    let (root, _) = chain
        .storage
        .state_root(head, &BundleState::default())
        .unwrap();
    assert_eq!(root, chain.head().state_root);
}

#[test]
fn blockhash_sees_the_chain_up_to_its_own_block() {
    let (_dir, chain) = chain_of(4);
    let state = chain.storage.state_at(2).unwrap();
    assert_eq!(state.block(), 2);
    assert_eq!(state.block_hash_ref(0).unwrap(), chain.genesis.hash());
    assert_eq!(
        state.block_hash_ref(2).unwrap(),
        chain.blocks[1].block.hash()
    );
    assert_eq!(state.block_hash_ref(3).unwrap(), B256::ZERO);
}

#[test]
fn unknown_code_is_an_error_and_empty_code_is_not() {
    let (_dir, chain) = chain_of(1);
    let state = chain.storage.state().unwrap();
    assert!(
        state
            .code_by_hash_ref(alloy_primitives::KECCAK256_EMPTY)
            .unwrap()
            .is_empty()
    );
    let error = state.code_by_hash_ref(B256::repeat_byte(9)).unwrap_err();
    assert!(matches!(
        error,
        StorageError::MissingEntry {
            table: "Bytecodes",
            ..
        }
    ));
}

#[test]
fn a_large_transaction_survives_compression() {
    let (_dir, mut chain) = chain_of(1);
    let (mut executed, world) = chain.next(&[Op::Pay(1, 1)]);
    let (header, mut body) = executed
        .block
        .clone_sealed_block()
        .split_sealed_header_body();
    body.transactions = vec![
        transaction(1, 0),
        transaction(2, 31),
        transaction(3, 120_000),
    ];
    let block = SealedBlock::from_sealed_parts(header, body);
    executed.block = block.with_senders(vec![address(1); 3]);
    executed.receipts = vec![executed.receipts[0].clone(); 3];
    let mut writer = chain.storage.writer().unwrap();
    writer.append(&executed).unwrap();
    writer.commit().unwrap();
    let stored = chain.storage.reader().unwrap().block(2).unwrap();
    assert_eq!(stored.as_ref(), Some(&executed.block));
    chain.blocks.push(executed);
    chain.worlds.push(world);
    chain.assert_head();
}

#[test]
fn statistics_count_every_table() {
    let (_dir, chain) = chain_of(4);
    let stats = chain.storage.stats().unwrap();
    let entries = |name: &str| {
        stats
            .iter()
            .find(|table| table.name == name)
            .unwrap()
            .entries
    };
    assert_eq!(entries("Headers"), 5);
    assert_eq!(entries("PlainAccounts"), chain.worlds[4].len() as u64);
    let transactions: u64 = chain
        .blocks
        .iter()
        .map(|b| b.block.body().transactions.len() as u64)
        .sum();
    assert_eq!(entries("Transactions"), transactions);
    assert_eq!(stats.len(), 29);
    assert!(
        stats
            .iter()
            .all(|table| (table.entries == 0) == (table.bytes == 0))
    );
}

#[test]
fn writers_take_turns_across_threads() {
    let (_dir, chain) = chain_of(0);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let storage = chain.storage.clone();
            scope.spawn(move || {
                for n in 0..25u8 {
                    let mut writer = storage.writer().unwrap();
                    writer.put_evidence(&[thread, n]).unwrap();
                    writer.commit().unwrap();
                }
            });
        }
    });
    let evidence = chain.storage.reader().unwrap().evidence(0, 200).unwrap();
    assert!(evidence.iter().map(|(number, _)| *number).eq(0..100));
}
