//! What a lone signer puts into its blocks, and when they go out.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{NOW, Node, RECEIVER, hashes, soon};
use alloy_consensus::{SignableTransaction, TxEip7702};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, U256};
use alloy_signer::SignerSync;
use wattline_chain::{
    Clock,
    test_utils::{Signers, TEST_GAS_LIMIT, TestGenesis, transfer},
};
use wattline_clique::recover_signer;
use wattline_primitives::{RecoveredTransaction, TransactionSigned};
use wattline_producer::ProducerConfig;

fn accounts() -> Signers {
    Signers::named("account", 3)
}

fn genesis() -> TestGenesis {
    TestGenesis::new(Signers::new(1).addresses()).fund(accounts().addresses())
}

fn hash(transaction: &RecoveredTransaction) -> B256 {
    *transaction.tx_hash()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_go_out_on_their_slots() {
    let (signers, accounts) = (Signers::new(1), accounts());
    let mut node = Node::new(&genesis());
    let waiting = transfer(accounts.key(0), 0, RECEIVER, 5);
    node.add([waiting.clone()]);
    node.start(&signers, 0, ProducerConfig::default());

    // The genesis block is long ago, so the first block is due at once, with what waits.
    let first = node.block().await;
    assert_eq!(first.block.timestamp, NOW);
    assert_eq!(hashes(&first), [hash(&waiting)]);
    assert_eq!(
        recover_signer(first.block.header()).unwrap(),
        signers.address(0)
    );
    assert!(first.block.extra_data.starts_with(b"wattline/"));
    assert_eq!(first.block.beneficiary, Address::ZERO);
    assert_eq!(first.block.difficulty, U256::from(2));
    assert_eq!(first.block.gas_limit, TEST_GAS_LIMIT);

    // Two sleeps per block: the builder waits for transactions, then for the slot.
    let second = node.block_at(NOW + 1, 3).await;
    assert_eq!(second.block.timestamp, NOW + 1);
    assert_eq!(second.block.parent_hash, first.block.hash());
    assert!(hashes(&second).is_empty());
    // The pool knows that its transaction is done.
    assert_eq!(node.pool.status().pending, 0);

    // A slot that was missed is not made up for.
    let third = node.block_at(NOW + 60, 5).await;
    assert_eq!(third.block.timestamp, NOW + 2);
    let fourth = node.block().await;
    assert_eq!(fourth.block.timestamp, NOW + 60);
    node.stop().await;
    assert_eq!(node.chain.head().number, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_built_on_a_head_when_the_pool_has_seen_it() {
    let (signers, accounts) = (Signers::new(1), accounts());
    let mut node = Node::new(&genesis());
    node.add([transfer(accounts.key(0), 0, RECEIVER, 5)]);
    node.start_producer(&signers, 0, ProducerConfig::default());
    assert_eq!(node.block().await.receipts.len(), 1);

    // The next block is due, but the pool still offers what is in the first.
    node.clock.set(NOW + 1);
    let early = tokio::time::timeout(Duration::from_millis(200), node.update());
    assert!(early.await.is_err());
    assert_eq!(node.pool.status().pending, 1);
    node.start_upkeep();
    let second = node.block().await;
    assert_eq!((second.block.number, second.receipts.len()), (2, 0));
    assert_eq!(node.pool.status().pending, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_arrive_while_the_period_runs_are_taken() {
    let (signers, accounts) = (Signers::new(1), accounts());
    let mut node = Node::new(&genesis());
    node.start(&signers, 0, ProducerConfig::default());
    node.block().await;

    soon_asleep(&node, 3).await;
    let early = transfer(accounts.key(0), 0, RECEIVER, 1);
    node.add([early.clone()]);
    // Taken as soon as it came: the builder sleeps again.
    soon_asleep(&node, 4).await;
    let late = [transfer(accounts.key(0), 1, RECEIVER, 2)];
    node.add(late.clone());
    let block = node.block_at(NOW + 1, 5).await;
    assert_eq!(hashes(&block), [hash(&early), hash(&late[0])]);
    node.stop().await;
}

async fn soon_asleep(node: &Node, sleeps: u64) {
    soon(node.clock.slept(sleeps)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fails_to_apply_holds_up_nobody() {
    let (signers, accounts) = (Signers::new(1), accounts());
    let mut node = Node::new(&genesis());
    let [first, victim, other] = [0, 1, 2].map(|index| accounts.key(index));
    // Whoever includes this raises the victim's nonce to 1 (EIP-7702).
    let authorization = Authorization {
        chain_id: U256::from(57836),
        address: Address::ZERO,
        nonce: 0,
    };
    let consent = victim
        .sign_hash_sync(&authorization.signature_hash())
        .unwrap();
    let raise = TxEip7702 {
        chain_id: 57836,
        gas_limit: 100_000,
        to: RECEIVER,
        authorization_list: vec![authorization.into_signed(consent)],
        ..TxEip7702::default()
    };
    let signature = first.sign_hash_sync(&raise.signature_hash()).unwrap();
    let raise = RecoveredTransaction::new_unchecked(
        TransactionSigned::from(raise.into_signed(signature)),
        first.address(),
    );
    let stale = transfer(victim, 0, RECEIVER, 1);
    let behind = transfer(victim, 1, RECEIVER, 2);
    let unconcerned = transfer(other, 0, RECEIVER, 4);
    node.add([
        raise.clone(),
        stale.clone(),
        behind.clone(),
        unconcerned.clone(),
    ]);
    node.start(&signers, 0, ProducerConfig::default());

    let block = node.block().await;
    assert_eq!(hashes(&block), [hash(&raise), hash(&unconcerned)]);
    // On the next head the one behind applies; the stale one is gone for good.
    let block = node.block_at(NOW + 1, 3).await;
    assert_eq!(hashes(&block), [hash(&behind)]);
    assert!(!node.pool.contains(&hash(&stale)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_block_leaves_the_rest_for_the_next() {
    let (signers, accounts) = (Signers::new(1), accounts());
    let genesis = genesis().gas_limit(105_000);
    let mut node = Node::new(&genesis);
    let all: Vec<_> = (0..7)
        .map(|nonce| transfer(accounts.key(0), nonce, RECEIVER, nonce))
        .collect();
    node.add(all.clone());
    node.start(&signers, 0, ProducerConfig::default());

    let all: Vec<_> = all.iter().map(hash).collect();
    let block = node.block().await;
    assert_eq!(hashes(&block), all[..5]);
    assert_eq!(block.block.gas_used, 105_000);
    // That one slept once, until its slot, for there was nothing more to wait for.
    let block = node.block_at(NOW + 1, 2).await;
    assert_eq!(hashes(&block), all[5..]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gas_limit_moves_to_its_target() {
    let signers = Signers::new(1);
    let mut node = Node::new(&genesis());
    let config = ProducerConfig {
        gas_limit: Some(TEST_GAS_LIMIT + 40_000),
        ..Default::default()
    };
    node.start(&signers, 0, config);
    let step = TEST_GAS_LIMIT / 1024 - 1;
    assert_eq!(node.block().await.block.gas_limit, TEST_GAS_LIMIT + step);
    assert_eq!(
        node.block_at(NOW + 1, 3).await.block.gas_limit,
        TEST_GAS_LIMIT + 40_000
    );
    assert_eq!(
        node.block_at(NOW + 2, 5).await.block.gas_limit,
        TEST_GAS_LIMIT + 40_000
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_gives_up_the_block_at_hand() {
    let signers = Signers::new(1);
    let mut node = Node::new(&genesis());
    node.start(&signers, 0, ProducerConfig::default());
    let first = node.block().await;
    soon_asleep(&node, 3).await;
    node.stop().await;
    assert_eq!(node.chain.head().hash(), first.block.hash());
    // Nothing was promised either.
    let reader = node.chain.storage().reader().unwrap();
    assert_eq!(reader.sealed_on(first.block.hash()).unwrap(), None);
}

/// A clock that goes on by a millisecond whenever somebody looks at it, and jumps to the end of
/// every sleep.
#[derive(Debug)]
struct BusyClock(AtomicU64);

impl Clock for BusyClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.0.fetch_max(at.as_millis() as u64, Ordering::SeqCst);
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn execution_stops_in_time_for_the_slot() {
    const COUNT: u64 = 1_000;
    let (signers, accounts) = (Signers::new(1), accounts());
    let clock = Arc::new(BusyClock(AtomicU64::new(NOW * 1000)));
    let mut node = Node::with_clock(&genesis(), clock);
    let all: Vec<_> = (0..COUNT)
        .map(|nonce| transfer(accounts.key(0), nonce, RECEIVER, 1))
        .collect();
    node.add(all.clone());
    node.start(&signers, 0, ProducerConfig::default());

    // By this clock every transaction takes a millisecond. The first block starts late and has an
    // eighth of the period; the next has what is left of its period but for the end.
    let mut blocks = vec![node.block().await];
    let first = hashes(&blocks[0]).len();
    assert!((100..=125).contains(&first), "{first} transactions");
    blocks.push(node.block().await);
    let second = hashes(&blocks[1]).len();
    // How much that is depends on how long this machine took to end the first.
    assert!((100..900).contains(&second), "{second} transactions");
    assert_eq!(blocks[1].block.timestamp, NOW + 1);
    while blocks
        .iter()
        .map(|block| hashes(block).len() as u64)
        .sum::<u64>()
        < COUNT
    {
        blocks.push(node.block().await);
    }
    node.stop().await;
    let mined: Vec<_> = blocks.iter().flat_map(|block| hashes(block)).collect();
    assert_eq!(mined, all.iter().map(hash).collect::<Vec<_>>());
}
