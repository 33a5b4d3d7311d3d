//! Blocks from the future: they wait for a clock that the test moves.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wattline_chain::{
    Chain, ChainError, Imported,
    test_utils::{Forge, ManualClock, Signers, Template, TestGenesis},
};
use wattline_clique::CliqueError;
use wattline_primitives::SealedBlock;

/// What the clock shows at first, in seconds since the Unix epoch.
const NOW: u64 = 1_000;

struct Net {
    chain: Chain,
    clock: Arc<ManualClock>,
    forge: Forge,
    _dir: TempDir,
}

impl Net {
    fn new() -> Self {
        let signers = Signers::new(3);
        let genesis = TestGenesis::new(signers.addresses());
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let chain = genesis.open(&dir, clock.clone());
        Self {
            chain,
            clock,
            forge: Forge::new(genesis, signers),
            _dir: dir,
        }
    }

    fn block_at(&self, timestamp: u64) -> SealedBlock {
        self.forge.extend(Template {
            timestamp: Some(timestamp),
            ..Template::default()
        })
    }
}

const fn waiting(until: u64) -> Imported {
    Imported::Waiting {
        until: Duration::from_secs(until),
    }
}

#[test]
fn a_block_of_this_second_does_not_wait() {
    let net = Net::new();
    assert_eq!(
        net.chain.import(net.block_at(NOW)).unwrap(),
        Imported::Canonical
    );
}

#[tokio::test]
async fn blocks_of_the_future_are_imported_at_their_time() {
    let net = Net::new();
    let (first, second) = (net.block_at(NOW + 3), net.block_at(NOW + 5));
    assert_eq!(net.chain.import(first.clone()).unwrap(), waiting(NOW + 3));
    assert_eq!(net.chain.import(first.clone()).unwrap(), waiting(NOW + 3));
    // A child of a block that waits has a parent, and waits too.
    assert_eq!(net.chain.import(second.clone()).unwrap(), waiting(NOW + 5));
    assert_eq!(net.chain.head().number, 0);

    let mut updates = net.chain.subscribe();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(net.chain.clone().import_waiting(shutdown.clone()));

    net.clock.set(NOW + 3);
    assert_eq!(updates.recv().await.unwrap().head().hash(), first.hash());
    assert_eq!(net.chain.head().hash(), first.hash());
    net.clock.set(NOW + 5);
    assert_eq!(updates.recv().await.unwrap().head().hash(), second.hash());

    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_earlier_block_wakes_the_task_that_awaits_a_later_one() {
    let net = Net::new();
    let fork = net.forge.fork();
    let late = net.block_at(NOW + 9);
    let early = fork.extend(Template {
        timestamp: Some(NOW + 2),
        ..Template::by(2)
    });
    assert_eq!(net.chain.import(late).unwrap(), waiting(NOW + 9));

    let mut updates = net.chain.subscribe();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(net.chain.clone().import_waiting(shutdown.clone()));
    // The task waits for the later block before the earlier one comes.
    net.clock.slept(1).await;
    assert_eq!(net.chain.import(early.clone()).unwrap(), waiting(NOW + 2));
    net.clock.set(NOW + 2);
    assert_eq!(updates.recv().await.unwrap().head().hash(), early.hash());

    shutdown.cancel();
    task.await.unwrap();
}

#[test]
fn blocks_that_are_due_are_imported_before_any_other() {
    let net = Net::new();
    let (first, second) = (net.block_at(NOW + 1), net.block_at(NOW + 2));
    assert_eq!(net.chain.import(first).unwrap(), waiting(NOW + 1));
    net.clock.set(NOW + 2);
    assert_eq!(
        net.chain.import(second.clone()).unwrap(),
        Imported::Canonical
    );
    assert_eq!(net.chain.head().hash(), second.hash());
    assert!(net.chain.import_due().is_empty());
}

#[test]
fn a_block_too_far_in_the_future_is_refused() {
    let net = Net::new();
    let fork = net.forge.fork();
    assert_eq!(
        net.chain.import(net.block_at(NOW + 15)).unwrap(),
        waiting(NOW + 15)
    );
    let block = fork.extend(Template {
        timestamp: Some(NOW + 16),
        ..Template::default()
    });
    let error = net.chain.import(block.clone()).unwrap_err();
    assert!(!error.is_invalid_block());
    assert!(
        matches!(
            error,
            ChainError::FutureBlock {
                number: 1,
                source: CliqueError::FutureBlock { timestamp, latest },
                ..
            } if timestamp == NOW + 16 && latest == NOW + 15
        ),
        "{error}"
    );
    // A second later it may wait: nothing is held against it.
    net.clock.set(NOW + 1);
    assert_eq!(net.chain.import(block).unwrap(), waiting(NOW + 16));
}

#[test]
fn only_so_many_blocks_wait() {
    let net = Net::new();
    let at = |salt| {
        net.forge.build(Template {
            timestamp: Some(NOW + 1),
            salt,
            ..Template::default()
        })
    };
    for salt in 0..64 {
        assert_eq!(net.chain.import(at(salt)).unwrap(), waiting(NOW + 1));
    }
    let error = net.chain.import(at(64)).unwrap_err();
    assert!(!error.is_invalid_block());
    assert!(
        matches!(error, ChainError::WaitingFull { limit: 64, .. }),
        "{error}"
    );
    // They make room when their time comes; one of them is the head then.
    net.clock.set(NOW + 1);
    let outcomes = net.chain.import_due();
    assert_eq!(outcomes.len(), 64);
    assert!(
        outcomes.iter().all(|(_, outcome)| {
            matches!(outcome, Ok(Imported::Canonical | Imported::SideChain))
        })
    );
    let lowest = outcomes.iter().map(|(hash, _)| *hash).min().unwrap();
    assert_eq!(net.chain.head().hash(), lowest);
}
