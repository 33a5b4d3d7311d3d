//! Blocks and their execution: what is taken, and what is refused with which error.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_consensus::{Header, proofs::calculate_transaction_root};
use alloy_primitives::{Address, B256, Bytes, Signature, U256};
use tempfile::TempDir;
use tokio::sync::broadcast::error::TryRecvError;
use wattline_chain::{
    Chain, ChainError,
    test_utils::{Forge, Signers, Template, TestGenesis, import, transfer},
};
use wattline_clique::CliqueError;
use wattline_evm::{BodyError, ExecutionError, MAX_BLOCK_SIZE};
use wattline_primitives::{Block, SealedBlock, TransactionSigned};

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
        let chain = genesis.open(&dir);
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

    /// Executes `block`, which must be refused, and checks that nothing else happened.
    fn refuse(&self, block: SealedBlock) -> ChainError {
        let (head, mut updates) = (self.chain.head(), self.chain.subscribe());
        let hash = block.hash();
        let error = self.chain.execute(block, &|_| None).unwrap_err();
        assert!(!self.chain.is_known(&hash).unwrap());
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

    let executed = net.chain.execute(block.clone(), &|_| None).unwrap();
    assert_eq!(executed.block.sealed_block(), &block);
    assert_eq!(updates.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(net.chain.head().number, 0);
    net.chain.finalize(block.hash(), &|_| Ok(())).unwrap();

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

    let update = updates.try_recv().unwrap();
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
fn a_block_that_is_there_is_not_executed_again() {
    let net = Net::new();
    let block = net.forge.extend(Template::default());
    assert!(!net.chain.is_known(&block.hash()).unwrap());
    let first = net.chain.execute(block.clone(), &|_| None).unwrap();
    assert!(net.chain.is_known(&block.hash()).unwrap());
    let second = net.chain.execute(block.clone(), &|_| None).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));

    net.chain.finalize(block.hash(), &|_| Ok(())).unwrap();
    assert!(net.chain.is_known(&block.hash()).unwrap());
    let hash = block.hash();
    let error = net.chain.execute(block, &|_| None).unwrap_err();
    assert!(!error.is_invalid_block());
    assert!(
        matches!(error, ChainError::AlreadyFinal { number: 1, hash: h } if h == hash),
        "{error}"
    );
}

#[test]
fn a_reopened_chain_goes_on_where_it_stopped() {
    let net = Net::new();
    let blocks = net.forge.extend_in_turn(5);
    for block in &blocks[..3] {
        import(&net.chain, block.clone()).unwrap();
    }
    let snapshot = net.chain.snapshot(blocks[2].hash()).unwrap();
    let Net {
        chain,
        genesis,
        dir,
        ..
    } = net;
    drop(chain);

    let chain = genesis.open(&dir);

    assert_eq!(chain.head().hash(), blocks[2].hash());
    assert_eq!(chain.snapshot(blocks[2].hash()).unwrap(), snapshot);
    assert!(chain.is_known(&blocks[1].hash()).unwrap());
    import(&chain, blocks[3].clone()).unwrap();
    import(&chain, blocks[4].clone()).unwrap();
    assert_eq!(chain.head().hash(), blocks[4].hash());
}

#[test]
fn a_database_of_another_genesis_is_refused() {
    let net = Net::new();
    let other = TestGenesis::new(Signers::new(3).addresses()).spec();
    let error = Chain::open(net.chain.storage().clone(), other.clone()).unwrap_err();
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
    import(&net.chain, blocks[0].clone()).unwrap();
    import(&net.chain, blocks[1].clone()).unwrap();
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
    import(&net.chain, first).unwrap();
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
fn a_block_with_a_wrong_state_root_is_refused_and_kept_to_be_looked_at() {
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
    // It is kept once, however often it comes.
    net.refuse(block.clone());
    let [refused] = &*net.chain.refused_blocks() else {
        panic!("one block was refused")
    };
    assert_eq!(refused.block.hash(), bad);
    assert_eq!(refused.reason, error.to_string());

    // Its children have no parent here.
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
        matches!(error, ChainError::UnknownParent { parent, .. } if parent == bad),
        "{error}"
    );
    // The chain goes on.
    import(&net.chain, good).unwrap();
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
    let error = net.refuse(net.forge.reseal(block, 1));
    assert!(error.is_invalid_block());
    let ChainError::Execution { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(*source, ExecutionError::Transaction { index: 1, .. }),
        "{source}"
    );
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
    let error = net.refuse(block);
    assert!(error.is_invalid_block());
    assert!(
        matches!(error, ChainError::Signature { hash: h, .. } if h == hash),
        "{error}"
    );
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

    // Nor does a transaction that it does not hold, and that does not apply.
    assert!(matches!(
        body_error(&|block| block.body.transactions.swap(0, 2)),
        BodyError::TransactionsRoot { got: g, .. } if g == got
    ));

    // The block itself is none the worse for it.
    import(&net.chain, block).unwrap();
    assert!(net.chain.refused_blocks().is_empty());
}

#[test]
fn votes_change_who_may_sign() {
    let (all, voter) = (Signers::new(3), Signers::new(3));
    let genesis = TestGenesis::new(all.addresses()[..1].to_vec());
    let forge = Forge::new(genesis.clone(), voter);
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir);
    let added = all.address(2);

    let vote = forge.extend(Template {
        vote: Some((added, true)),
        ..Template::by(0)
    });
    import(&chain, vote.clone()).unwrap();
    let snapshot = chain.snapshot(vote.hash()).unwrap();
    assert!(snapshot.signers.iter().eq([&all.address(0), &added]));

    let next = forge.extend(Template::by(2));
    import(&chain, next).unwrap();
}

#[test]
fn a_block_sealed_here_is_taken_as_it_was_executed() {
    let net = Net::new();
    let executed = net.forge.build_executed(net.with_transfers());
    let header = executed.block.clone_sealed_header();
    let mut updates = net.chain.subscribe();

    net.chain.adopt(executed.clone()).unwrap();
    assert!(net.chain.executed(&header.hash()).is_some());
    net.chain.finalize(header.hash(), &|_| Ok(())).unwrap();

    assert_eq!(net.chain.head().hash(), header.hash());
    assert_eq!(net.balance(RECEIVER), U256::from(5 + 7 + 9));
    assert_eq!(updates.try_recv().unwrap().head().hash(), header.hash());
    let reader = net.chain.storage().reader().unwrap();
    assert_eq!(reader.recompute_state_root().unwrap(), header.state_root);

    let error = net.chain.adopt(executed).unwrap_err();
    assert!(
        matches!(error, ChainError::AlreadyFinal { number: 1, .. }),
        "{error}"
    );
    let rival = Template {
        salt: 1,
        ..Template::default()
    };
    let rival = net.forge.build_executed(rival);
    let error = net.chain.adopt(rival).unwrap_err();
    let genesis = net.chain.spec().genesis_hash();
    assert!(error.is_invalid_block());
    assert!(
        matches!(error, ChainError::Contradiction { number: 1, parent, .. } if parent == genesis),
        "{error}"
    );
}

#[test]
fn a_block_sealed_here_keeps_the_rules_too() {
    let net = Net::new();
    let mut executed = net.forge.build_executed(Template::default());
    let (mut block, senders) = executed.block.split();
    block.header.difficulty = U256::from(1);
    executed.block =
        wattline_primitives::RecoveredBlock::new_sealed(net.forge.reseal(block, 1), senders);
    let hash = executed.block.hash();
    let error = net.chain.adopt(executed).unwrap_err();
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
    assert!(net.chain.executed(&hash).is_none());
    assert_eq!(net.chain.head().number, 0);
}

#[test]
fn senders_that_are_known_are_not_recovered() {
    let net = Net::new();
    let block = net.forge.build(net.with_transfers());
    let (first, second) = (net.accounts.address(0), net.accounts.address(1));
    let transactions = &block.body().transactions;
    let hash = |index: usize| *transactions[index].tx_hash();
    // Signatures do not decide any more: with the accounts mixed up the nonces are wrong.
    let mixed_up = HashMap::from([(hash(0), second), (hash(1), first), (hash(2), second)]);
    let asked = AtomicUsize::new(0);
    let error = net
        .chain
        .execute(block.clone(), &|hash| {
            asked.fetch_add(1, Ordering::SeqCst);
            mixed_up.get(hash).copied()
        })
        .unwrap_err();
    assert!(matches!(error, ChainError::StateRoot { .. }), "{error}");
    assert_eq!(asked.into_inner(), 3);

    // Those that nobody knows are recovered beside.
    let known = HashMap::from([(hash(1), second)]);
    let executed = net
        .chain
        .execute(block.clone(), &|hash| known.get(hash).copied())
        .unwrap();
    assert_eq!(executed.block.senders(), [first, second, first]);
}
