use std::{fs, io, sync::mpsc, thread};

use alloy_eips::Encodable2718 as _;

use super::*;
use crate::{
    test_utils::{CONTRACT, TestChain, authorize, draft, wallet},
    testing::WatchedFile,
};

/// Lets the test see and end the syncs of a pool's journal.
fn watch_disk(pool: &Pool) -> (mpsc::Receiver<u64>, mpsc::Sender<io::Result<()>>) {
    let (begun, begins) = mpsc::channel();
    let (end, outcomes) = mpsc::channel();
    let mut admission = pool.0.admission.lock();
    let journal = admission.journal.as_mut().expect("is there");
    journal.replace_file(|file| WatchedFile::new(file, begun, outcomes, true));
    (begins, end)
}

#[test]
fn acknowledgement_comes_after_the_disk_and_many_wait_for_it_together() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let written = || fs::metadata(chain.journal()).expect("exists").len();
    let mut announced = pool.subscribe();
    let (begins, end) = watch_disk(&pool);
    thread::scope(|scope| {
        let add = |number| {
            let pool = pool.clone();
            scope.spawn(move || pool.add(draft(number, 0).sign()))
        };
        let first = add(1);
        let synced = begins.recv().expect("the disk is asked");
        assert_eq!(synced, written(), "the record is written before");
        // They come while the disk is at work, and wait for its next turn.
        let others: Vec<_> = (2..=7).map(add).collect();
        while pool.0.submissions.waiting() < others.len() {
            thread::yield_now();
        }
        assert!(!first.is_finished() && announced.try_recv().is_err());
        assert_eq!(written(), synced);
        end.send(Ok(())).expect("is awaited");
        first.join().expect("no panic").expect("taken");

        let synced = begins.recv().expect("the disk is asked");
        assert_eq!(synced, written());
        assert!(others.iter().all(|other| !other.is_finished()));
        end.send(Ok(())).expect("is awaited");
        for other in others {
            other.join().expect("no panic").expect("taken");
        }
    });
    assert!(
        begins.try_recv().is_err(),
        "seven were acknowledged, the disk waited for twice"
    );
    assert_eq!(pool.status().pending, 7);
    drop(pool);
    assert_eq!(chain.durable_pool(PoolConfig::default()).1.restored, 7);
}

#[test]
fn nothing_is_accepted_that_the_disk_does_not_have() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let waiting = pool.add(draft(1, 0).sign()).expect("taken");
    let mut announced = pool.subscribe();
    let (content, journal) = (pool.content(), fs::read(chain.journal()).expect("reads"));
    let (_begins, end) = watch_disk(&pool);

    end.send(Err(io::Error::other("the disk is gone")))
        .expect("is awaited");
    let replacing = draft(1, 0).fees(1, 1).sign();
    for outcome in pool.add_many(vec![replacing.clone(), draft(2, 0).sign()]) {
        let error = outcome.expect_err("cannot be synced");
        assert!(matches!(error, PoolError::JournalWrite(_)) && error.is_internal());
        assert_eq!(
            error.to_string(),
            "the transaction was not accepted because the pool's journal could not be written: the disk is gone"
        );
    }
    assert_eq!(pool.content(), content);
    assert_eq!(fs::read(chain.journal()).expect("reads"), journal);
    assert!(announced.try_recv().is_err());

    // With the disk, all goes on.
    end.send(Ok(())).expect("is awaited");
    let replacing = pool.add(replacing).expect("taken");
    assert!(!pool.contains(&waiting));
    drop(pool);
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert_eq!(report.restored, 1);
    assert!(pool.contains(&replacing));
}

#[test]
fn what_peers_pass_on_does_not_wait_for_the_disk() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let (begins, _end) = watch_disk(&pool);
    let encoded = draft(1, 0).sign().encoded_2718().into();
    let outcome = pool.add_remote(&[encoded]).pop().expect("one in, one out");
    let hash = outcome.expect("taken");
    assert!(begins.try_recv().is_err());
    drop(pool);
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert!(report.restored == 1 && pool.contains(&hash));
}

#[test]
fn removals_do_not_wait_for_the_disk() {
    let chain = TestChain::new();
    let config = PoolConfig {
        queued_lifetime: Duration::ZERO,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config);
    pool.add(draft(1, 5).sign()).expect("taken");
    let (begins, _end) = watch_disk(&pool);
    chain.clock.advance(Duration::from_secs(1));
    pool.on_canonical_update(&chain.head(), &[]);
    assert_eq!(pool.status(), PoolStatus::default());
    assert!(begins.try_recv().is_err());
}

/// An authority costs a recovery, and one transaction may name hundreds.
#[test]
fn authorities_are_recovered_only_for_a_sender_that_can_pay() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    let delegation = |number| {
        draft(number, 0)
            .gas(100_000)
            .fees(1, 1)
            .set_code(vec![authorize(3, 0, CONTRACT)])
    };
    let refused = pool
        .prepare(delegation(9))
        .expect_err("wallet 9 has nothing");
    assert_eq!(
        refused.to_string(),
        "insufficient funds for gas * price + value: balance 0, queued cost 0, tx cost 100000"
    );
    let prepared = pool.prepare(delegation(1)).expect("can pay");
    assert_eq!(prepared.authorities, [wallet(3).address()]);
}

#[test]
fn nothing_is_accepted_that_cannot_be_journaled() {
    let chain = TestChain::new();
    let config = PoolConfig {
        max_transactions: 3,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config.clone());
    let queued = pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(2, 0).sign()).expect("taken");
    pool.add(draft(2, 1).sign()).expect("taken");
    let before = pool.content();
    let mut receiver = pool.subscribe();

    pool.0
        .admission
        .lock()
        .journal
        .as_mut()
        .expect("is there")
        .make_read_only();
    let replacing = draft(1, 0).fees(1, 1).sign();
    let evicting = draft(3, 0).fees(1, 1).sign();
    for outcome in pool.add_many(vec![replacing, evicting]) {
        let error = outcome.expect_err("cannot be journaled");
        assert!(error.is_internal());
        assert!(
            error.to_string().starts_with(
                "the transaction was not accepted because the pool's journal could not be written: "
            ),
            "{error}"
        );
    }
    assert_eq!(pool.content(), before);
    assert!(pool.contains(&queued));
    assert!(
        receiver.try_recv().is_err(),
        "nothing is announced that was not accepted"
    );
    drop(pool);
    let (pool, report) = chain.durable_pool(config);
    assert_eq!((pool.content(), report.restored), (before, 3));
}
