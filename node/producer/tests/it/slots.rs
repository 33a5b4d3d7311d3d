//! When blocks go out: after the period, or after the idle period while nothing waits.

use std::time::Duration;

use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _, deterministic::Context};
use wattline_chain::test_utils::{Forge, Signers, Template, TestGenesis, import, transfer};
use wattline_primitives::{Millis, RecoveredTransaction};

use crate::support::{NOW, Node, RECEIVER, assert_just, elapsed, hashes, now, simulate};

fn accounts() -> Signers {
    Signers::named("account", 3)
}

fn pay(nonce: u64) -> RecoveredTransaction {
    transfer(accounts().key(0), nonce, RECEIVER, 1)
}

fn genesis() -> TestGenesis {
    TestGenesis::new(Signers::new(1).addresses()).fund(accounts().addresses())
}

/// A node whose blocks come after a second.
fn steady() -> Node {
    Node::new(&genesis(), &Signers::new(1), 0)
}

/// Blocks come after 250 ms, or a second while nothing waits.
fn quick_genesis() -> TestGenesis {
    genesis().milliseconds(250, 1_000)
}

fn quick() -> Node {
    Node::new(&quick_genesis(), &Signers::new(1), 0)
}

/// Adds transactions after so many milliseconds.
fn add_later(ctx: &Context, node: &Node, arrivals: impl IntoIterator<Item = (u64, u64)>) {
    for (after, nonce) in arrivals {
        let node = node.clone();
        let client = ctx.child("client");
        client.spawn(move |ctx| async move {
            ctx.sleep(Duration::from_millis(after)).await;
            node.add([pay(nonce)]);
        });
    }
}

#[test]
fn blocks_go_out_on_their_slots() {
    simulate(|ctx| async move {
        let node = steady();
        node.add([pay(0)]);
        // The genesis block is long ago, so the first block is due at once, with what waits.
        let first = node.block(&ctx).await;
        assert_eq!(first.block.timestamp, NOW);
        assert_eq!(hashes(&first.block), [*pay(0).tx_hash()]);
        assert_just(elapsed(&ctx), 0);

        let start = Millis::of(first.block.header());
        let second = node.block(&ctx).await;
        let due = start.saturating_add(Duration::from_secs(1));
        assert_eq!(Millis::of(second.block.header()), due);
        assert_just(now(&ctx).get(), due.get());
        assert_eq!(second.block.parent_hash, first.block.hash());
        assert!(hashes(&second.block).is_empty());
        // The pool knows that its transaction is done.
        assert_eq!(node.pool.status().pending, 0);

        // A slot that was missed is not made up for.
        ctx.sleep(Duration::from_secs(60)).await;
        let late = now(&ctx);
        let third = node.block(&ctx).await;
        assert_just(Millis::of(third.block.header()).get(), late.get());
        assert_just(now(&ctx).get(), late.get());
    });
}

#[test]
fn a_block_without_transactions_waits_for_the_idle_period() {
    simulate(|ctx| async move {
        let node = quick();
        let first = node.block(&ctx).await;
        let start = Millis::of(first.block.header());
        let second = node.block(&ctx).await;
        assert!(hashes(&second.block).is_empty());
        let due = start.saturating_add(Duration::from_secs(1));
        assert_eq!(Millis::of(second.block.header()), due);
        assert_just(now(&ctx).get(), due.get());
    });
}

#[test]
fn a_block_with_transactions_comes_after_the_period() {
    simulate(|ctx| async move {
        let node = quick();
        let first = node.block(&ctx).await;
        let start = Millis::of(first.block.header());
        // The one waits, the other comes while the block is being made.
        node.add([pay(0)]);
        add_later(&ctx, &node, [(100, 1)]);
        let second = node.block(&ctx).await;
        assert_eq!(hashes(&second.block), [0, 1].map(|it| *pay(it).tx_hash()));
        let due = start.saturating_add(Duration::from_millis(250));
        assert_eq!(Millis::of(second.block.header()), due);
        assert_just(now(&ctx).get(), due.get());

        // So it is when the first comes in the middle of the period.
        add_later(&ctx, &node, [(100, 2)]);
        let third = node.block(&ctx).await;
        assert_eq!(hashes(&third.block), [*pay(2).tx_hash()]);
        let due = due.saturating_add(Duration::from_millis(250));
        assert_eq!(Millis::of(third.block.header()), due);
        assert_just(now(&ctx).get(), due.get());
    });
}

#[test]
fn a_transaction_ends_the_idle_period() {
    simulate(|ctx| async move {
        let node = quick();
        node.block(&ctx).await;
        let start = now(&ctx);
        // What comes shortly after it is taken as well.
        add_later(&ctx, &node, [(600, 0), (602, 1)]);
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), [0, 1].map(|it| *pay(it).tx_hash()));
        let came = start.get() + 600;
        assert_just(Millis::of(block.block.header()).get(), came);
        assert_just(now(&ctx).get(), came);
    });
}

#[test]
fn transactions_that_arrive_while_the_period_runs_are_taken() {
    simulate(|ctx| async move {
        let node = steady();
        node.block(&ctx).await;
        add_later(&ctx, &node, [(300, 0), (600, 1), (900, 2)]);
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), [0, 1, 2].map(|it| *pay(it).tx_hash()));
    });
}

#[test]
fn a_block_is_not_before_its_time_however_far_ahead_its_parent_is() {
    simulate(|ctx| async move {
        let node = quick();
        // The clock of whoever sealed the parent runs 400 ms ahead.
        let parent = node.block(&ctx).await;
        let ahead = now(&ctx).saturating_add(Duration::from_millis(400));
        let forge = Forge::new(quick_genesis(), Signers::new(1));
        import(forge.chain(), parent.block.sealed_block().clone()).unwrap();
        let fast = forge.extend(Template {
            time: Some(ahead),
            ..Template::default()
        });
        let fast = node.chain.execute(fast, &|_| None).unwrap();
        node.finalize(fast.block.hash());

        node.add([pay(0)]);
        let block = node.block(&ctx).await;
        let due = ahead.saturating_add(Duration::from_millis(250));
        assert_eq!(Millis::of(block.block.header()), due);
        assert_just(now(&ctx).get(), due.get());
    });
}

#[test]
fn the_same_happens_again_in_the_same_simulation() {
    let run = || {
        simulate(|ctx| async move {
            let node = quick();
            add_later(&ctx, &node, [(10, 0), (700, 1), (705, 2), (1_900, 3)]);
            for _ in 0..6 {
                node.block(&ctx).await;
            }
            (node.chain.head().hash(), ctx.auditor().state())
        })
    };
    assert_eq!(run(), run());
}
