//! Blocks on the head: what is taken, and what is refused with which error.

use std::sync::Arc;

use alloy_consensus::{Header, proofs::calculate_transaction_root};
use alloy_primitives::{Address, B256, Bytes, Signature, U256};
use tempfile::TempDir;
use tokio::sync::broadcast::error::TryRecvError;
use wattline_chain::{
    Chain, ChainError, Imported,
    test_utils::{Forge, ManualClock, Signers, Template, TestGenesis, transfer},
};
use wattline_clique::{CliqueError, seal_hash};
use wattline_evm::{BodyError, ExecutionError, MAX_BLOCK_SIZE};
use wattline_primitives::{Block, SealedBlock, TransactionSigned};
use wattline_storage::StorageError;

/// Later than any block of these tests, in seconds since the Unix epoch.
const NOW: u64 = 1_000_000;
const RECEIVER: Address = Address::repeat_byte(0x77);

/// A chain under test, and a forge of the same genesis with four signers and two rich accounts.
struct Net {
    chain: Chain,
    forge: Forge,
    accounts: Signers,
    genesis: TestGenesis,
    dir: TempDir,
}

impl Net {
    fn new() -> Self {
        let (signers, accounts) = (Signers::new(4), Signers::named("account", 2));
        let genesis = TestGenesis::new(signers.addresses()).fund(accounts.addresses());
        let dir = tempfile::tempdir().unwrap();
        let chain = genesis.open(&dir, Arc::new(ManualClock::at(NOW)));
        Self {
            chain,
            forge: Forge::new(genesis.clone(), signers),
            accounts,
            genesis,
            dir,
        }
    }

    fn with_transfers(&self) -> Template {
        Template::default().with(vec![
            transfer(self.accounts.key(0), 0, RECEIVER, 5),
            transfer(self.accounts.key(1), 0, RECEIVER, 7),
            transfer(self.accounts.key(0), 1, RECEIVER, 9),
        ])
    }

    /// The block of [`Net::with_transfers`] with a changed header, sealed anew by its signer.
    fn changed(&self, change: impl FnOnce(&mut Header)) -> SealedBlock {
        let mut block = self.forge.build(self.with_transfers()).into_block();
        change(&mut block.header);
        self.forge.reseal(block, 1)
    }

    fn balance(&self, account: Address) -> U256 {
        let state = self.chain.storage().state().unwrap();
        state
            .account(&account)
            .unwrap()
            .map(|account| account.balance)
            .unwrap_or_default()
    }

    /// Imports `block`, which must be refused, and checks that nothing else happened.
    fn refuse(&self, block: SealedBlock) -> ChainError {
        let (head, mut updates) = (self.chain.head(), self.chain.subscribe());
        let error = self.chain.import(block).unwrap_err();
        assert_eq!(self.chain.head().hash(), head.hash());
        assert_eq!(
            self.chain.storage().reader().unwrap().head().unwrap(),
            head.num_hash()
        );
        assert_eq!(updates.try_recv().unwrap_err(), TryRecvError::Empty);
        error
    }
}

#[test]
fn a_block_on_the_head_is_executed_committed_and_announced() {
    let net = Net::new();
    let mut updates = net.chain.subscribe();
    let block = net.forge.extend(net.with_transfers());

    assert_eq!(
        net.chain.import(block.clone()).unwrap(),
        Imported::Canonical
    );

    assert_eq!(net.chain.head().hash(), block.hash());
    assert_eq!(net.balance(RECEIVER), U256::from(5 + 7 + 9));
    let reader = net.chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap(), block.num_hash());
    assert_eq!(reader.recompute_state_root().unwrap(), block.state_root);
    let receipts = reader.receipts(1).unwrap().unwrap();
    let gas: Vec<u64> = receipts
        .iter()
        .map(|receipt| receipt.cumulative_gas_used)
        .collect();
    assert_eq!(gas, [21_000, 42_000, 63_000]);
    // The genesis block's difficulty is 1, an in-turn block's 2.
    assert_eq!(
        reader.total_difficulty(block.hash()).unwrap(),
        Some(U256::from(3))
    );

    let update = updates.try_recv().unwrap();
    assert!(update.reverted.is_empty());
    assert_eq!(update.head().hash(), block.hash());
    let [committed] = &*update.committed else {
        panic!("one block was committed")
    };
    assert_eq!(committed.block.sealed_block(), &block);
    assert_eq!(committed.receipts, receipts);
    let (first, second) = (net.accounts.address(0), net.accounts.address(1));
    assert_eq!(committed.block.senders(), [first, second, first]);
}

#[test]
fn a_stored_block_is_known() {
    let net = Net::new();
    let block = net.forge.extend(Template::default());
    assert_eq!(
        net.chain.import(block.clone()).unwrap(),
        Imported::Canonical
    );
    assert_eq!(net.chain.import(block).unwrap(), Imported::AlreadyKnown);
}

#[test]
fn a_reopened_chain_goes_on_where_it_stopped() {
    let net = Net::new();
    let blocks = net.forge.extend_in_turn(5);
    for block in &blocks[..3] {
        net.chain.import(block.clone()).unwrap();
    }
    let snapshot = net.chain.snapshot(blocks[2].hash()).unwrap();
    let Net {
        chain,
        genesis,
        dir,
        ..
    } = net;
    drop(chain);

    let chain = genesis.open(&dir, Arc::new(ManualClock::at(NOW)));

    assert_eq!(chain.head().hash(), blocks[2].hash());
    assert_eq!(chain.snapshot(blocks[2].hash()).unwrap(), snapshot);
    assert_eq!(
        chain.import(blocks[1].clone()).unwrap(),
        Imported::AlreadyKnown
    );
    assert_eq!(
        chain.import(blocks[3].clone()).unwrap(),
        Imported::Canonical
    );
    assert_eq!(
        chain.import(blocks[4].clone()).unwrap(),
        Imported::Canonical
    );
}

#[test]
fn a_database_of_another_genesis_is_refused() {
    let net = Net::new();
    let other = TestGenesis::new(Signers::new(3).addresses()).spec();
    let error = Chain::open(
        net.chain.storage().clone(),
        other.clone(),
        Arc::new(ManualClock::at(NOW)),
    )
    .unwrap_err();
    let expected = other.genesis_hash();
    let found = net.chain.spec().genesis_hash();
    assert!(
        matches!(error, ChainError::GenesisMismatch { found: f, expected: e } if f == found && e == expected),
        "{error}"
    );
}

#[test]
fn a_block_without_its_parent_is_an_orphan() {
    let net = Net::new();
    let blocks = net.forge.extend_in_turn(2);
    let error = net.refuse(blocks[1].clone());
    assert!(!error.is_invalid_block());
    let missing = blocks[0].hash();
    assert!(
        matches!(error, ChainError::UnknownParent { number: 2, parent, .. } if parent == missing),
        "{error}"
    );
    // It is taken once its parent is there.
    net.chain.import(blocks[0].clone()).unwrap();
    assert_eq!(
        net.chain.import(blocks[1].clone()).unwrap(),
        Imported::Canonical
    );
}

#[test]
fn a_seal_of_a_stranger_is_refused() {
    let net = Net::new();
    let stranger = Forge::new(net.genesis.clone(), Signers::named("stranger", 1));
    let block = stranger.build(Template::by(0));
    let signer = Signers::named("stranger", 1).address(0);
    let error = net.refuse(block);
    assert!(error.is_invalid_block());
    assert!(
        matches!(
            error,
            ChainError::Header {
                number: 1,
                source: CliqueError::UnauthorizedSigner { signer: s, number: 1 },
                ..
            } if s == signer
        ),
        "{error}"
    );
}

#[test]
fn a_seal_that_no_key_made_is_refused() {
    let net = Net::new();
    let mut block = net.forge.build(Template::default()).into_block();
    let mut extra_data = block.header.extra_data.to_vec();
    let seal = extra_data.len() - 65;
    extra_data[seal..seal + 32].fill(0);
    block.header.extra_data = Bytes::from(extra_data);
    let error = net.refuse(SealedBlock::seal_slow(block));
    assert!(
        matches!(
            error,
            ChainError::Header {
                source: CliqueError::InvalidSeal(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_signer_cannot_seal_two_blocks_in_a_row() {
    let net = Net::new();
    let first = net.forge.extend(Template::by(1));
    net.chain.import(first).unwrap();
    let error = net.refuse(net.forge.build(Template::by(1)));
    assert!(
        matches!(
            error,
            ChainError::Header {
                source: CliqueError::RecentlySigned {
                    number: 2,
                    last: 1,
                    ..
                },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_wrong_state_root_makes_a_block_bad_for_good() {
    let net = Net::new();
    let good = net.forge.build(net.with_transfers());
    let block = net.changed(|header| header.state_root = B256::repeat_byte(1));
    let bad = block.hash();

    let error = net.refuse(block.clone());
    assert!(error.is_invalid_block());
    let root = good.state_root;
    assert!(
        matches!(
            error,
            ChainError::StateRoot { number: 1, hash, got, expected }
                if hash == bad && got == root && expected == B256::repeat_byte(1)
        ),
        "{error}"
    );
    assert_eq!(net.balance(RECEIVER), U256::ZERO);

    // It is remembered, and so is that its children are worth nothing.
    let reason = error.to_string();
    let error = net.refuse(block.clone());
    assert!(
        matches!(&error, ChainError::KnownBad { hash, reason: r } if *hash == bad && *r == reason),
        "{error}"
    );
    let child = Header {
        number: 2,
        parent_hash: bad,
        ..block.header().clone()
    };
    let error = net.refuse(SealedBlock::seal_slow(Block::new(
        child,
        block.body().clone(),
    )));
    assert!(
        matches!(error, ChainError::BadAncestor { ancestor, .. } if ancestor == bad),
        "{error}"
    );
    // The chain goes on.
    assert_eq!(net.chain.import(good).unwrap(), Imported::Canonical);
}

#[test]
fn what_execution_shows_must_be_what_the_header_says() {
    let net = Net::new();
    let error = net.refuse(net.changed(|header| header.receipts_root = B256::repeat_byte(2)));
    let ChainError::Execution { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(*source, ExecutionError::ReceiptsRoot { got, .. } if got == B256::repeat_byte(2)),
        "{source}"
    );

    let error = net.refuse(net.changed(|header| header.gas_used = 62_999));
    let ChainError::Execution { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(
            *source,
            ExecutionError::GasUsed {
                got: 62_999,
                expected: 63_000
            }
        ),
        "{source}"
    );
}

#[test]
fn a_transaction_that_does_not_apply_makes_the_block_bad() {
    let net = Net::new();
    let mut block = net.forge.build(net.with_transfers()).into_block();
    // Without the first transaction of its sender the third has a nonce too high.
    block.body.transactions.remove(0);
    block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
    let block = net.forge.reseal(block, 1);
    let hash = block.hash();
    let error = net.refuse(block.clone());
    let ChainError::Execution { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(*source, ExecutionError::Transaction { index: 1, .. }),
        "{source}"
    );
    assert!(matches!(net.refuse(block), ChainError::KnownBad { hash: h, .. } if h == hash));
}

#[test]
fn a_signature_that_recovers_to_nobody_makes_the_block_bad() {
    let net = Net::new();
    let mut block = net.forge.build(net.with_transfers()).into_block();
    let TransactionSigned::Eip1559(signed) = block.body.transactions.remove(0) else {
        panic!("transfers are of type 2")
    };
    let (transaction, _, _) = signed.into_parts();
    let nobody = Signature::new(U256::MAX, U256::from(1), false);
    let forged = alloy_consensus::Signed::new_unhashed(transaction, nobody);
    block.body.transactions.insert(0, forged.into());
    block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
    let block = net.forge.reseal(block, 1);
    let hash = block.hash();
    let error = net.refuse(block.clone());
    assert!(
        matches!(error, ChainError::Signature { hash: h, .. } if h == hash),
        "{error}"
    );
    assert!(matches!(net.refuse(block), ChainError::KnownBad { hash: h, .. } if h == hash));
}

#[test]
fn a_body_that_is_not_the_header_s_says_nothing_of_the_block() {
    let net = Net::new();
    let block = net.forge.build(net.with_transfers());
    let body_error = |change: &dyn Fn(&mut Block)| {
        let mut changed = block.clone_block();
        change(&mut changed);
        let changed = SealedBlock::seal_slow(changed);
        assert_eq!(changed.hash(), block.hash());
        let error = net.refuse(changed);
        assert!(error.is_invalid_block());
        match error {
            ChainError::Body {
                number: 1,
                hash,
                source,
            } if hash == block.hash() => source,
            other => panic!("{other}"),
        }
    };

    let got = block.transactions_root;
    let without_last = &block.body().transactions[..2];
    let expected = calculate_transaction_root(without_last);
    assert_eq!(
        body_error(&|block| {
            block.body.transactions.pop();
        }),
        BodyError::TransactionsRoot { got, expected }
    );
    assert_eq!(
        body_error(&|block| block.body.ommers.push(Header::default())),
        BodyError::Ommers { got: 1 }
    );
    assert_eq!(
        body_error(&|block| block.body.withdrawals = None),
        BodyError::Withdrawals { got: None }
    );
    assert_eq!(
        body_error(&|block| block.body.withdrawals = Some(vec![Default::default(); 2].into())),
        BodyError::Withdrawals { got: Some(2) }
    );
    assert!(matches!(
        body_error(&|block| {
            let key = Signers::named("account", 1);
            let big = wattline_chain::test_utils::call(
                key.key(0),
                0,
                RECEIVER,
                1,
                vec![1; MAX_BLOCK_SIZE],
            );
            block.body.transactions.push(big.into_inner());
        }),
        BodyError::Size { got, limit: MAX_BLOCK_SIZE } if got > MAX_BLOCK_SIZE
    ));

    // The block itself is none the worse for it.
    assert_eq!(net.chain.import(block).unwrap(), Imported::Canonical);
}

#[test]
fn votes_change_who_may_sign() {
    let (all, voter) = (Signers::new(3), Signers::new(3));
    let genesis = TestGenesis::new(all.addresses()[..1].to_vec());
    let forge = Forge::new(genesis.clone(), voter);
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir, Arc::new(ManualClock::at(NOW)));
    let added = all.address(2);

    let vote = forge.extend(Template {
        vote: Some((added, true)),
        ..Template::by(0)
    });
    chain.import(vote.clone()).unwrap();
    let snapshot = chain.snapshot(vote.hash()).unwrap();
    assert!(snapshot.signers.iter().eq([&all.address(0), &added]));

    let next = forge.extend(Template::by(2));
    assert_eq!(chain.import(next).unwrap(), Imported::Canonical);
}

#[test]
fn a_block_sealed_here_is_committed_with_its_journal_entry() {
    let net = Net::new();
    let executed = net.forge.build_executed(net.with_transfers());
    let header = executed.block.clone_sealed_header();
    let mut updates = net.chain.subscribe();

    assert_eq!(
        net.chain.import_sealed(executed.clone()).unwrap(),
        Imported::Canonical
    );

    assert_eq!(net.chain.head().hash(), header.hash());
    assert_eq!(net.balance(RECEIVER), U256::from(5 + 7 + 9));
    assert_eq!(updates.try_recv().unwrap().head().hash(), header.hash());
    let reader = net.chain.storage().reader().unwrap();
    assert_eq!(
        reader.sealed_on(header.parent_hash).unwrap(),
        Some(seal_hash(&header))
    );
    assert_eq!(reader.recompute_state_root().unwrap(), header.state_root);

    // The head has moved on, so it cannot be committed there again, nor can another.
    let error = net.chain.import_sealed(executed).unwrap_err();
    let (genesis, head) = (net.chain.spec().genesis_hash(), header.hash());
    assert!(
        matches!(error, ChainError::NotOnHead { parent, head: h } if parent == genesis && h == head),
        "{error}"
    );
}

#[test]
fn nothing_is_committed_on_a_parent_that_was_sealed_on_before() {
    let net = Net::new();
    let genesis = net.chain.spec().genesis_hash();
    net.chain
        .storage()
        .journal_seal(1, genesis, B256::repeat_byte(3))
        .unwrap();
    let error = net
        .chain
        .import_sealed(net.forge.build_executed(Template::default()))
        .unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::Storage(StorageError::AlreadySealed { parent, sealed, .. })
                if parent == genesis && sealed == B256::repeat_byte(3)
        ),
        "{error}"
    );
    assert_eq!(net.chain.head().number, 0);
}

#[test]
fn a_block_sealed_here_keeps_the_rules_too() {
    let net = Net::new();
    let mut executed = net.forge.build_executed(Template::default());
    let (mut block, senders) = executed.block.split();
    block.header.difficulty = U256::from(1);
    executed.block =
        wattline_primitives::RecoveredBlock::new_sealed(net.forge.reseal(block, 1), senders);
    let error = net.chain.import_sealed(executed).unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::Header {
                source: CliqueError::WrongDifficulty { expected: 2, .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(net.chain.head().number, 0);
    let genesis = net.chain.spec().genesis_hash();
    assert_eq!(
        net.chain
            .storage()
            .reader()
            .unwrap()
            .sealed_on(genesis)
            .unwrap(),
        None
    );
}

#[test]
fn reading_does_not_wait_for_the_one_who_writes() {
    let net = Net::new();
    let block = net.forge.extend(net.with_transfers());
    net.chain.import(block.clone()).unwrap();
    let mut writer = net.chain.storage().writer().unwrap();
    writer.unwind_to(0).unwrap();
    // All of this would hang if it waited, and be empty if it saw what is not committed.
    assert_eq!(net.chain.head().hash(), block.hash());
    assert_eq!(net.chain.snapshot(block.hash()).unwrap().number, 1);
    assert_eq!(net.balance(RECEIVER), U256::from(5 + 7 + 9));
    drop(writer);
    let next = net.forge.extend(Template::default());
    assert_eq!(net.chain.import(next).unwrap(), Imported::Canonical);
}
