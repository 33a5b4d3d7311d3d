//! What a journal brings back, whatever happened to the process or to the file.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use alloy_primitives::B256;
use serde_json::json;
use wattline_pool::{
    Pool, PoolConfig, ReplayReport,
    journal::{Entry, Journal, JournalDamage},
    test_utils::{self, CONTRACT, TestChain, authorize, draft, refusal, wallet},
};

fn counts(pool: &Pool) -> (usize, usize) {
    let status = pool.status();
    (status.pending, status.queued)
}

#[test]
fn a_restart_brings_everything_back_in_order() {
    let chain = TestChain::new();
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert_eq!(report, ReplayReport::default());
    let all = vec![
        draft(2, 0).sign(),
        draft(1, 0)
            .gas(100_000)
            .set_code(vec![authorize(3, 0, CONTRACT)]),
        draft(1, 1).sign(),
        draft(4, 7).sign(),
    ];
    assert!(pool.add_many(all).iter().all(Result::is_ok));
    chain.clock.advance(std::time::Duration::from_secs(60));
    pool.add(draft(2, 1).fees(5, 5).sign()).expect("taken");
    let before = pool.content();
    let order: Vec<_> = pool.best().map(|one| one.hash()).collect();
    drop(pool);

    // Twice, because opening rewrites the journal.
    for _ in 0..2 {
        let (pool, report) = chain.durable_pool(PoolConfig::default());
        assert_eq!(
            report,
            ReplayReport {
                restored: 5,
                ..ReplayReport::default()
            }
        );
        assert_eq!(pool.content(), before);
        assert_eq!(pool.best().map(|one| one.hash()).collect::<Vec<_>>(), order);
    }
}

/// A sender may have more than its limit: it delegated its account after it sent, or the limit is
/// lower now.
#[test]
fn what_was_acknowledged_is_exempt_from_the_limits_of_a_sender() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    for nonce in 1..=9 {
        pool.add(draft(1, nonce).sign()).expect("taken");
    }
    let delegation = draft(2, 0)
        .gas(100_000)
        .set_code(vec![authorize(1, 0, CONTRACT)]);
    let block = chain.append([delegation]);
    pool.on_canonical_update(&chain.head(), &[block]);
    assert_eq!(counts(&pool), (9, 0));
    let before = pool.content();
    drop(pool);

    let (pool, report) = chain.durable_pool(PoolConfig {
        max_sender_transactions: 2,
        max_sender_bytes: 1,
        ..PoolConfig::default()
    });
    assert_eq!((report.restored, report.refused.len()), (9, 0));
    assert_eq!(pool.content(), before);
    drop(pool);
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let sender = wallet(1).address();
    assert_eq!(
        refusal(pool.add(draft(1, 10).sign())),
        format!(
            "in-flight transaction limit reached for delegated accounts: {sender} has 9 transactions waiting, limit 4: wait until some are in a block"
        )
    );
    drop(pool);
    // Where the pool has no room for all, the sender loses the last of them.
    let (pool, _) = chain.durable_pool(PoolConfig {
        max_transactions: 5,
        ..PoolConfig::default()
    });
    assert_eq!(
        (counts(&pool), pool.pending_nonce(&sender)),
        ((5, 0), Some(6))
    );
}

#[test]
fn a_restart_forgets_what_left() {
    let chain = TestChain::new();
    let config = PoolConfig {
        max_transactions: 3,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config.clone());
    let mined = pool.add(draft(1, 0).sign()).expect("taken");
    chain.mine(&pool);
    let replaced = pool.add(draft(1, 1).sign()).expect("taken");
    let replacement = pool.add(draft(1, 1).fees(1, 1).sign()).expect("outbids");
    let evicted = pool.add(draft(2, 9).sign()).expect("taken");
    let invalid = pool.add(draft(3, 0).fees(9, 9).sign()).expect("taken");
    for number in 0..3 {
        pool.remove_invalid(&invalid, "a test says so");
        let sealed = chain.append([draft(5, number).sign()]);
        pool.on_canonical_update(&chain.head(), &[sealed]);
    }
    assert!(!pool.contains(&invalid));
    // The nonce is free again, for less.
    let cheaper = pool.add(draft(3, 0).sign()).expect("taken");
    pool.add(draft(4, 0).sign()).expect("makes room");
    let before = pool.content();
    drop(pool);

    let (pool, report) = chain.durable_pool(config);
    assert_eq!(pool.content().pending.len(), 3);
    assert_eq!(
        pool.content().pending.keys().collect::<Vec<_>>(),
        before.pending.keys().collect::<Vec<_>>()
    );
    for gone in [mined, replaced, evicted, invalid] {
        assert!(!pool.contains(&gone));
    }
    assert!(pool.contains(&replacement) && pool.contains(&cheaper));
    assert_eq!((report.restored, report.used_up), (3, 1));
    assert_eq!(report.damage, JournalDamage::default());
}

#[test]
fn a_torn_end_is_reported_and_dropped() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let first = pool.add(draft(1, 0).sign()).expect("taken");
    let whole = fs::metadata(chain.journal()).expect("exists").len();
    pool.add(draft(1, 1).sign()).expect("taken");
    drop(pool);
    let bytes = fs::read(chain.journal()).expect("reads");
    for cut in [bytes.len() - 1, whole as usize + 1] {
        fs::write(chain.journal(), &bytes[..cut]).expect("writes");
        let (pool, report) = chain.durable_pool(PoolConfig::default());
        let torn_bytes = cut as u64 - whole;
        assert_eq!(
            report.damage,
            JournalDamage {
                torn_bytes,
                ..JournalDamage::default()
            }
        );
        assert_eq!((report.restored, report.damaged_copy), (1, None));
        assert!(pool.contains(&first));
        // What comes now is not lost behind the torn end.
        pool.add(draft(1, 1).sign()).expect("taken");
        drop(pool);
        assert_eq!(chain.durable_pool(PoolConfig::default()).1.restored, 2);
    }
}

#[test]
fn damage_in_the_middle_costs_what_it_hit_and_a_copy_is_kept() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let mut ends = vec![fs::metadata(chain.journal()).expect("exists").len()];
    for number in 1..=3 {
        pool.add(draft(number, 0).sign()).expect("taken");
        ends.push(fs::metadata(chain.journal()).expect("exists").len());
    }
    drop(pool);
    let mut bytes = fs::read(chain.journal()).expect("reads");
    bytes[ends[1] as usize + 40] ^= 0x10;
    fs::write(chain.journal(), &bytes).expect("writes");

    let (pool, report) = chain.durable_pool(PoolConfig::default());
    let corrupt_bytes = ends[2] - ends[1];
    assert_eq!(
        report.damage,
        JournalDamage {
            corrupt_stretches: 1,
            corrupt_bytes,
            ..JournalDamage::default()
        }
    );
    assert_eq!(report.restored, 2);
    assert!(pool.content().pending.contains_key(&wallet(1).address()));
    assert!(pool.content().pending.contains_key(&wallet(3).address()));
    let copy = report.damaged_copy.expect("a copy is kept");
    assert_eq!(fs::read(copy).expect("reads"), bytes);
}

/// The record of another transaction's removal may stand in a sender's calldata, and come to light
/// when the record around it is torn.
#[test]
fn a_removal_behind_damage_is_not_believed() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let kept = pool.add(draft(1, 0).sign()).expect("taken");
    let whole = fs::read(chain.journal()).expect("reads");
    drop(pool);
    let mut removal = Vec::new();
    wattline_pool::journal::encode_removed(&mut removal, &kept);

    // Without damage it is what it says.
    fs::write(chain.journal(), [&whole[..], &removal].concat()).expect("writes");
    assert_eq!(chain.durable_pool(PoolConfig::default()).1.restored, 0);

    fs::write(chain.journal(), [&whole[..], b"torn", &removal].concat()).expect("writes");
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert_eq!(report.damage.corrupt_stretches, 1);
    assert!(pool.contains(&kept));
}

#[test]
fn a_file_that_is_no_journal_is_reported_and_kept() {
    let chain = TestChain::new();
    fs::write(chain.journal(), "a shopping list").expect("writes");
    let (pool, report) = chain.durable_pool(PoolConfig::default());
    assert_eq!(counts(&pool), (0, 0));
    let expected = JournalDamage {
        corrupt_stretches: 1,
        corrupt_bytes: 15,
        ..JournalDamage::default()
    };
    assert_eq!(report.damage, expected);
    assert_eq!(
        fs::read(report.damaged_copy.expect("a copy is kept")).expect("reads"),
        b"a shopping list"
    );
}

#[test]
fn what_is_no_longer_acceptable_is_counted_by_reason() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(2, 0).fees(3, 3).sign()).expect("taken");
    drop(pool);
    let (pool, report) = chain.durable_pool(PoolConfig {
        min_tip: 1,
        ..PoolConfig::default()
    });
    assert_eq!(counts(&pool), (1, 0));
    assert_eq!(
        report.refused.into_iter().collect::<Vec<_>>(),
        [("underpriced", 1)]
    );
}

#[test]
fn a_journal_that_cannot_be_opened_is_an_error_that_names_it() {
    let chain = TestChain::new();
    fs::create_dir(chain.journal()).expect("creates");
    let error = Pool::open(
        PoolConfig::default(),
        Some(&chain.journal()),
        chain.storage.clone(),
        chain.evm.clone(),
    )
    .expect_err("a directory is no journal");
    let path = chain.journal().display().to_string();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot open the pool's journal {path}: "))
    );
}

#[test]
fn the_journal_does_not_outgrow_what_waits() {
    let chain = TestChain::new();
    let config = PoolConfig {
        journal_slack_bytes: 10_000,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config.clone());
    let waiting = pool.add(draft(2, 3).sign()).expect("taken");
    let mut largest = 0;
    for nonce in 0..400 {
        pool.add(draft(1, nonce).sign()).expect("taken");
        chain.mine(&pool);
        largest = largest.max(fs::metadata(chain.journal()).expect("exists").len());
    }
    // Two waiting transactions, twice, the slack, and the one that went beyond it.
    assert!(largest < 12_000, "{largest}");
    drop(pool);
    let (pool, report) = chain.durable_pool(config);
    assert_eq!(report.restored, 1);
    assert!(pool.contains(&waiting));
}

#[test]
fn the_record_is_there_when_add_returns() {
    let chain = TestChain::new();
    let (pool, _) = chain.durable_pool(PoolConfig::default());
    let hash = pool.add(draft(1, 0).sign()).expect("taken");
    // Read while the pool is open, as if the process had died here.
    let mut reader = Journal::open(&chain.journal(), false)
        .expect("opens")
        .reader()
        .expect("opens");
    let entry = reader.next_entry().expect("reads").expect("there is one");
    let Entry::Added { transaction, .. } = entry else {
        panic!("not an addition: {entry:?}")
    };
    assert_eq!(*transaction.tx_hash(), hash);
    assert!(reader.next_entry().expect("reads").is_none());
}

/// Room for whatever the child manages to add.
fn roomy() -> PoolConfig {
    PoolConfig {
        max_transactions: 100_000,
        max_sender_transactions: 100_000,
        max_sender_bytes: 100_000_000,
        ..PoolConfig::default()
    }
}

/// The child of the test below: adds transactions for as long as it lives and prints the hash of
/// each one that was accepted.
#[test]
fn child_that_adds_until_it_is_killed() {
    let Some(directory) = std::env::var_os("WATTLINE_POOL_CHILD") else {
        return;
    };
    let (storage, evm) = test_utils::open(directory.as_ref(), &json!({}));
    let journal = std::path::Path::new(&directory).join("pool.journal");
    let pool = Pool::open(roomy(), Some(&journal), storage, evm).expect("opens");
    let first = pool.pending_nonce(&wallet(1).address()).unwrap_or(0);
    for nonce in first.. {
        let hash = pool.add(draft(1, nonce).sign()).expect("taken");
        println!("accepted {hash}");
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed_at_any_moment() {
    let TestChain {
        directory,
        storage,
        evm,
        ..
    } = TestChain::new();
    drop((storage, evm));
    let mut accepted = Vec::new();
    for round in 0u64..8 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "durability::child_that_adds_until_it_is_killed",
                "--nocapture",
            ])
            .env("WATTLINE_POOL_CHILD", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let output = BufReader::new(child.stdout.take().expect("is piped"));
        // Killed in the middle of its work, each time after another number of acceptances.
        let mut lines = output.lines().map_while(Result::ok);
        let hashes = |lines: &mut dyn Iterator<Item = String>| -> Vec<B256> {
            lines
                .filter_map(|line| line.split_once("accepted ")?.1.trim().parse().ok())
                .collect()
        };
        let wanted = 1 + 7 * round as usize;
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().expect("the child goes on until it is killed");
            let found = hashes(&mut std::iter::once(line));
            seen += found.len();
            accepted.extend(found);
        }
        child.kill().expect("is killed");
        child.wait().expect("ends");
        accepted.extend(hashes(&mut lines));

        let (storage, evm) = test_utils::open(directory.path(), &json!({}));
        let journal = directory.path().join("pool.journal");
        let pool = Pool::open(roomy(), Some(&journal), storage, evm).expect("opens");
        let lost: Vec<_> = accepted
            .iter()
            .filter(|hash| !pool.contains(hash))
            .collect();
        assert!(
            lost.is_empty(),
            "lost {} of {}: {lost:?}",
            lost.len(),
            accepted.len()
        );
    }
    assert!(accepted.len() >= 204);
}
