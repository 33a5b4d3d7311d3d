//! How the pool follows the chain, and the order in which it feeds it.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Header;
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{B256, Bytes, TxKind};
use serde_json::json;
use tokio::sync::broadcast::{self, Receiver, error::TryRecvError};
use tokio_util::sync::CancellationToken;
use wattline_pool::{
    Origin, Pool, PoolConfig, PooledTransaction, Progress,
    config::MAX_TRANSACTION_BYTES,
    test_utils::{Draft, ONE_ETHER, TestChain, WRITER, draft, nonces, refusal, wallet},
};
use wattline_primitives::{Block, BlockBody, CanonicalUpdate, RecoveredBlock, TransactionSigned};

/// Sender and nonce of everything that was announced.
fn announced(receiver: &mut Receiver<std::sync::Arc<PooledTransaction>>) -> Vec<u64> {
    std::iter::from_fn(|| receiver.try_recv().ok())
        .map(|transaction| transaction.nonce())
        .collect()
}

fn counts(pool: &Pool) -> (usize, usize) {
    let status = pool.status();
    (status.pending, status.queued)
}

#[test]
fn nonce_gaps_wait_and_executable_transactions_are_announced_once() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let mut receiver = pool.subscribe();
    let sender = wallet(1).address();
    assert_eq!(pool.pending_nonce(&sender), None);
    pool.add(draft(1, 2).sign()).expect("taken");
    pool.add(draft(1, 1).sign()).expect("taken");
    assert_eq!((counts(&pool), pool.pending_nonce(&sender)), ((0, 2), None));
    assert!(announced(&mut receiver).is_empty());
    pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(1, 4).sign()).expect("taken");
    assert_eq!(
        (counts(&pool), pool.pending_nonce(&sender)),
        ((3, 1), Some(3))
    );
    assert_eq!(announced(&mut receiver), [0, 1, 2]);

    let content = pool.content();
    let found = |part: &std::collections::BTreeMap<_, Vec<std::sync::Arc<PooledTransaction>>>| {
        part.get(&sender)
            .map(|all| all.iter().map(|one| one.nonce()).collect::<Vec<_>>())
    };
    assert_eq!(found(&content.pending), Some(vec![0, 1, 2]));
    assert_eq!(found(&content.queued), Some(vec![4]));

    let block = chain.mine(&pool);
    assert_eq!(nonces(&block, 1), [0, 1, 2]);
    assert_eq!((counts(&pool), pool.pending_nonce(&sender)), ((0, 1), None));
    pool.add(draft(1, 3).sign()).expect("taken");
    assert_eq!(announced(&mut receiver), [3, 4]);
}

#[test]
fn a_slow_subscriber_loses_the_oldest() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig {
        subscription_capacity: 2,
        ..PoolConfig::default()
    });
    let mut receiver = pool.subscribe();
    pool.add_many((0..4).map(|nonce| draft(1, nonce).sign()).collect());
    assert_eq!(
        receiver.try_recv().expect_err("lags"),
        TryRecvError::Lagged(2)
    );
    assert_eq!(announced(&mut receiver), [2, 3]);
}

#[test]
fn with_free_gas_one_sender_cannot_crowd_out_the_others() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    pool.add_many((0..50).map(|nonce| draft(1, nonce).sign()).collect());
    pool.add_many((0..2).map(|nonce| draft(2, nonce).sign()).collect());
    pool.add(draft(3, 0).sign()).expect("taken");
    pool.add(draft(4, 0).fees(1, 1).sign()).expect("taken");
    let first: Vec<_> = pool.best().take(6).map(|one| one.sender()).collect();
    let expected = [4, 1, 2, 3, 1, 2].map(|number| wallet(number).address());
    assert_eq!(first, expected);
}

#[test]
fn who_had_a_block_lets_the_others_go_first_in_the_next() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    pool.add_many((0..3).map(|nonce| draft(1, nonce).sign()).collect());
    pool.add(draft(2, 0).sign()).expect("taken");
    // A full block of one transaction of wallet 1.
    let block = chain.append([draft(1, 0).sign()]);
    pool.on_canonical_update(&chain.head(), &[block]);
    let order: Vec<_> = pool.best().map(|one| one.sender()).collect();
    assert_eq!(order, [2, 1, 1].map(|number| wallet(number).address()));
}

/// A block of these transactions that nobody has stored.
fn unstored(number: u64, drafts: &[Draft]) -> RecoveredBlock {
    let senders = drafts.iter().map(|draft| wallet(draft.wallet).address());
    let body = BlockBody {
        transactions: drafts.iter().map(Draft::sign).collect(),
        ..BlockBody::default()
    };
    let header = Header {
        number,
        ..Header::default()
    };
    RecoveredBlock::new_unhashed(Block { header, body }, senders.collect())
}

#[test]
fn a_block_on_unstored_ones_takes_what_they_have_left() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    for number in [1, 2] {
        pool.add_many((0..4).map(|nonce| draft(number, nonce).sign()).collect());
    }
    let offered = |ancestors: &[RecoveredBlock]| -> Vec<_> {
        let best = pool.best_after(&Progress::after(ancestors));
        best.map(|one| (one.sender(), one.nonce())).collect()
    };
    let [one, two] = [1, 2].map(|number| wallet(number).address());
    let ancestors = [
        unstored(1, &[draft(1, 0), draft(2, 0)]),
        unstored(2, &[draft(1, 1), draft(1, 2)]),
    ];
    // Wallet 2 has not had its turn in the last of them.
    assert_eq!(
        offered(&ancestors),
        [(two, 1), (one, 3), (two, 2), (two, 3)]
    );
    assert_eq!(offered(&ancestors[..1]).len(), 6);
    assert_eq!(offered(&[]).len(), 8, "they may come to nothing");

    // What this pool has never had is no gap once it is in a block.
    pool.add(draft(1, 5).sign()).expect("taken");
    pool.add(draft(1, 7).sign()).expect("taken");
    let ahead = [unstored(1, &[draft(1, 4)]), unstored(2, &[draft(2, 3)])];
    assert_eq!(offered(&ahead), [(one, 5)]);
    assert_eq!(counts(&pool), (8, 2));
}

#[test]
fn what_a_peer_passes_on_is_told_apart() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let mut receiver = pool.subscribe();
    let good = draft(1, 0).sign();
    let encoded = |transaction: &TransactionSigned| Bytes::from(transaction.encoded_2718());
    let mut trailing = good.encoded_2718();
    trailing.push(0);
    let batch = [
        encoded(&good),
        encoded(&good),
        trailing.into(),
        Bytes::new(),
        vec![0; MAX_TRANSACTION_BYTES + 1].into(),
        encoded(&draft(1, 0).blob()),
        encoded(&draft(1, 1).legacy(Some(1))),
        encoded(&draft(1, 1).gas(20_999).sign()),
        encoded(&draft(9, 0).value(1).sign()),
    ];
    let outcomes: Vec<_> = pool
        .add_remote(&batch)
        .into_iter()
        .map(|outcome| outcome.map_err(|error| (error.reason(), error.is_never_valid())))
        .collect();
    assert_eq!(
        outcomes,
        [
            Ok(*good.tx_hash()),
            Err(("already_known", false)),
            Err(("undecodable", true)),
            Err(("undecodable", true)),
            Err(("oversized", true)),
            Err(("blob", true)),
            Err(("wrong_chain_id", true)),
            Err(("intrinsic_gas_too_low", true)),
            Err(("insufficient_funds", false)),
        ]
    );
    pool.add(draft(2, 0).sign()).expect("taken");
    let origins: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok())
        .map(|one| (one.sender(), one.origin()))
        .collect();
    let expected = [(1, Origin::Remote), (2, Origin::Local)];
    assert_eq!(
        origins,
        expected.map(|(number, origin)| (wallet(number).address(), origin))
    );
    assert_eq!(pool.sender_of(good.tx_hash()), Some(wallet(1).address()));
    assert_eq!(pool.sender_of(&B256::ZERO), None);
}

#[test]
fn another_version_in_a_block_drops_the_waiting_one() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(1, 1).sign()).expect("taken");
    let block = chain.append([draft(1, 0).value(1).sign()]);
    pool.on_canonical_update(&chain.head(), &[block]);
    assert_eq!(counts(&pool), (1, 0));
    assert_eq!(pool.pending_nonce(&wallet(1).address()), Some(2));
}

#[test]
fn funds_that_others_take_park_what_they_paid_for() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    // Another transaction of the wallet, sent elsewhere, spends the ether that these would need.
    pool.add(draft(1, 1).value(ONE_ETHER / 2).sign())
        .expect("taken");
    pool.add(draft(1, 2).sign()).expect("taken");
    let block = chain.append([draft(1, 0).value(ONE_ETHER).sign()]);
    pool.on_canonical_update(&chain.head(), &[block]);
    assert_eq!(
        counts(&pool),
        (0, 2),
        "nonce 1 cannot be paid, nonce 2 waits behind it"
    );
    let mut receiver = pool.subscribe();
    let mut refund = draft(2, 0).value(ONE_ETHER / 2);
    refund.to = TxKind::Call(wallet(1).address());
    let block = chain.append([refund.sign()]);
    pool.on_canonical_update(&chain.head(), &[block]);
    assert_eq!(counts(&pool), (2, 0));
    assert_eq!(announced(&mut receiver), [1, 2]);
}

/// Tells a pool of a block with these transactions.
fn follow(chain: &TestChain, pool: &Pool, transaction: TransactionSigned) {
    let block = chain.append([transaction]);
    pool.on_canonical_update(&chain.head(), &[block]);
}

#[test]
fn a_revoked_permission_parks_what_it_permitted_until_it_is_back() {
    let chain = TestChain::with(&json!({ "permissions": WRITER }));
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let slot = |number| wattline_evm::permission_slot(wallet(number).address());
    let creation = pool
        .add(draft(1, 3).create(100_000, vec![0]).sign())
        .expect("taken");
    let calls = [0, 1].map(|nonce| pool.add(draft(2, nonce).sign()).expect("taken"));
    assert_eq!(counts(&pool), (2, 1));
    // Wallet 1 takes its own right to deploy and wallet 2's right to transact.
    follow(&chain, &pool, draft(1, 0).write(slot(1), 1).sign());
    follow(&chain, &pool, draft(1, 1).write(slot(2), 0).sign());
    let queued = pool.content().queued;
    let queued: Vec<_> = queued.values().flatten().map(|one| one.hash()).collect();
    assert_eq!(queued.len(), 3);
    assert!(
        [creation, calls[0], calls[1]]
            .iter()
            .all(|hash| queued.contains(hash))
    );
    assert_eq!((counts(&pool), pool.best().count()), ((0, 3), 0));
    let two = wallet(2).address();
    assert_eq!(pool.pending_nonce(&two), None);
    let refused = format!(
        "account {two} may not send transactions on this chain: ask a permission operator to grant it"
    );
    assert_eq!(refusal(pool.add(draft(2, 2).sign())), refused);
    drop(pool);

    // A restart knows nothing better.
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert_eq!((report.restored, counts(&pool)), (3, (0, 3)));
    let mut receiver = pool.subscribe();
    follow(&chain, &pool, draft(1, 2).write(slot(2), 1).sign());
    assert_eq!(announced(&mut receiver), [0, 1]);
    assert_eq!(counts(&pool), (2, 1), "the right to deploy is not back");
    follow(&chain, &pool, draft(2, 0).write(slot(1), 3).sign());
    assert_eq!(announced(&mut receiver), [3]);
    assert!(pool.contains(&creation) && pool.contains(&calls[1]));
    let block = chain.mine(&pool);
    assert_eq!((nonces(&block, 1), nonces(&block, 2)), (vec![3], vec![1]));
    assert!(block.receipts.iter().all(|receipt| receipt.success));
}

#[test]
fn what_waits_too_long_for_a_permission_is_dropped() {
    let chain = TestChain::with(&json!({ "permissions": WRITER }));
    let lifetime = Duration::from_secs(100);
    let config = PoolConfig {
        queued_lifetime: lifetime,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config.clone());
    let parked = pool.add(draft(2, 0).sign()).expect("taken");
    // However long it has waited as executable: its time begins when the permission is lost.
    chain.clock.advance(10 * lifetime);
    let slot = wattline_evm::permission_slot(wallet(2).address());
    follow(&chain, &pool, draft(1, 0).write(slot, 0).sign());
    chain.clock.advance(lifetime);
    pool.on_canonical_update(&chain.head(), &[]);
    assert!(pool.contains(&parked));
    drop(pool);
    // Or with a restart, which does not know when that was.
    let (pool, _) = chain.durable_pool(config.clone());
    chain.clock.advance(lifetime);
    pool.on_canonical_update(&chain.head(), &[]);
    assert!(pool.contains(&parked));

    chain.clock.advance(Duration::from_secs(1));
    pool.on_canonical_update(&chain.head(), &[]);
    assert!(!pool.contains(&parked));
    drop(pool);
    let (pool, report) = chain.durable_pool(config);
    assert_eq!(
        (report.restored, report.removed, counts(&pool)),
        (0, 1, (0, 0))
    );
}

#[tokio::test]
async fn a_maintained_pool_follows_the_heads_and_makes_up_for_those_it_missed() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    pool.add_many((0..7).map(|nonce| draft(1, nonce).sign()).collect());
    let (updates, receiver) = broadcast::channel(2);
    let shutdown = CancellationToken::new();
    let mut head = pool.subscribe_head();
    assert_eq!(*head.borrow(), chain.head().hash());
    // Before anybody could tell.
    chain.append([draft(1, 0).sign()]);
    let hash = chain.head().hash();
    let maintained = tokio::spawn(pool.clone().maintain(receiver, shutdown.clone()));
    head.wait_for(|seen| *seen == hash).await.expect("lives");
    assert_eq!(counts(&pool), (6, 0));
    let append = |nonce| {
        let block = chain.append([draft(1, nonce).sign()]);
        let update = CanonicalUpdate::new(vec![block], chain.head());
        (chain.head().hash(), Arc::new(update))
    };

    let (hash, update) = append(1);
    updates.send(update).expect("is followed");
    head.wait_for(|seen| *seen == hash).await.expect("lives");
    assert_eq!(counts(&pool), (5, 0));

    // Nobody tells of the first of these, and the next come faster than they are taken.
    let [_, one, two, (hash, three)] = [2, 3, 4, 5].map(append);
    for update in [one.1, two.1, three] {
        updates.send(update).expect("is followed");
    }
    head.wait_for(|seen| *seen == hash).await.expect("lives");
    assert_eq!(counts(&pool), (1, 0));
    let (hash, update) = append(6);
    updates.send(update).expect("is followed");
    head.wait_for(|seen| *seen == hash).await.expect("lives");
    assert_eq!(counts(&pool), (0, 0));

    shutdown.cancel();
    maintained
        .await
        .expect("does not panic")
        .expect("did not fail");
    // So it ends when there is nothing to follow.
    let (updates, receiver) = broadcast::channel(1);
    drop(updates);
    let ended = pool.maintain(receiver, CancellationToken::new()).await;
    ended.expect("did not fail");
}

#[test]
fn a_smaller_block_drops_what_no_longer_fits() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let large = pool.add(draft(1, 0).gas(30_000_000).sign()).expect("taken");
    let small = pool.add(draft(2, 0).sign()).expect("taken");
    let mut head = chain.head().unseal();
    head.gas_limit -= 1;
    pool.on_canonical_update(&wattline_primitives::SealedHeader::seal_slow(head), &[]);
    assert!(!pool.contains(&large) && pool.contains(&small));
}

#[test]
fn what_cannot_be_executed_expires() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let gapped = pool.add(draft(1, 5).sign()).expect("taken");
    let executable = pool.add(draft(2, 0).sign()).expect("taken");
    chain.clock.advance(Duration::from_secs(3 * 60 * 60));
    pool.on_canonical_update(&chain.head(), &[]);
    assert!(pool.contains(&gapped));
    chain.clock.advance(Duration::from_secs(1));
    pool.on_canonical_update(&chain.head(), &[]);
    assert!(!pool.contains(&gapped) && pool.contains(&executable));
}

#[test]
fn what_fails_to_apply_at_three_heads_is_thrown_out() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let first = pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(1, 1).sign()).expect("taken");
    for number in 0..3 {
        // Again on the same head does not count.
        pool.remove_invalid(&first, "it does not apply");
        assert_eq!(pool.contains(&first), number < 2);
        pool.remove_invalid(&first, "it does not apply");
        assert_eq!(pool.contains(&first), number < 2);
        let block = chain.append([draft(2, number).sign()]);
        pool.on_canonical_update(&chain.head(), &[block]);
    }
    assert_eq!((pool.get(&first), counts(&pool)), (None, (0, 1)));
    pool.add(draft(1, 0).value(1).sign()).expect("taken");
    assert_eq!(counts(&pool), (2, 0));
}

#[test]
fn a_builder_on_an_older_head_cannot_throw_out_what_is_valid() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let [zero, one, two] = [0, 1, 2].map(|nonce| pool.add(draft(1, nonce).sign()).expect("taken"));
    // The chain moves on before the pool hears of it: nonce 0 is used up, the others are valid.
    chain.append([draft(1, 0).sign()]);
    for hash in [zero, one] {
        pool.remove_invalid(&hash, "the nonce does not fit");
    }
    assert!(!pool.contains(&zero) && pool.contains(&one) && pool.contains(&two));
    assert_eq!(counts(&pool), (2, 0));
}

#[test]
fn many_senders_add_at_once_while_blocks_are_built() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let transactions: Vec<Vec<_>> = (1..=4)
        .map(|number| (0..50).map(|nonce| draft(number, nonce).sign()).collect())
        .collect();
    let mut mined = 0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = transactions
            .into_iter()
            .map(|transactions| {
                let pool = pool.clone();
                scope.spawn(move || {
                    for transaction in transactions {
                        pool.add(transaction).expect("taken");
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            mined += chain.mine(&pool).receipts.len();
        }
    });
    mined += chain.mine(&pool).receipts.len();
    assert_eq!((mined, counts(&pool)), (200, (0, 0)));
    for number in 1..=4 {
        let account = chain
            .storage
            .state()
            .expect("reads")
            .account(&wallet(number).address());
        assert_eq!(
            account.expect("reads").map(|account| account.nonce),
            Some(50)
        );
    }
}
