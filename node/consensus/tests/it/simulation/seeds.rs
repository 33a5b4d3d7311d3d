//! The same story with many seeds.

use std::time::Duration;

use commonware_runtime::Clock as _;

use super::{
    Cluster, Load, below, byzantine::LIES, changes::Changes, clock::Skew, faults::trouble, simulate,
};

/// Which seeds to try: `SEEDS` many, or `SEED` alone.
fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    (0..number("SEEDS").unwrap_or(count)).collect()
}

/// Four validators and a node that may become the fifth, which the consortium does not even know in
/// one of four stories. In others a validator lies, or its clock is off.
#[test]
fn validators_agree_whatever_happens() {
    for seed in seeds(200) {
        story(seed);
    }
}

/// Plays the story of a seed, and tells in which state it left the runtime.
pub(super) fn story(seed: u64) -> String {
    simulate(seed, Duration::from_secs(3_600), |mut ctx| async move {
        // A node that the consortium takes in within an epoch waits until it knows that it voted in
        // none of its views, which is one fault more: not beside a liar or a wrong clock.
        let may_miss_one = below(&mut ctx, 2) == 0;
        let is_stranger = may_miss_one && below(&mut ctx, 2) == 0;
        let members = if is_stranger { 4 } else { 5 };
        let mut cluster = Cluster::with_stranger(&ctx, 5, 4, members).await;
        let mut load = Load::new(&cluster);
        for node in &mut cluster.nodes {
            node.skew = Skew::of_millis(below(&mut ctx, 200) as i64 - 100);
        }
        let odd = below(&mut ctx, 4) as usize;
        match below(&mut ctx, 2) {
            _ if may_miss_one => {}
            0 => {
                let lie = LIES[below(&mut ctx, LIES.len() as u64) as usize];
                cluster.start_liar(odd, lie).await;
            }
            _ => {
                let hour = 3_600_000;
                let off = below(&mut ctx, 2 * hour) as i64 - hour as i64;
                cluster.nodes[odd].skew = Skew::of_millis(off);
            }
        }
        for index in 0..5 {
            if cluster.nodes[index].run.is_none() {
                cluster.start(index).await;
            }
        }
        // One that crashes before it began to vote may wait, which is one fault more.
        if !may_miss_one {
            cluster.all_vote(4).await;
        }
        let mut changes = Changes::new(&cluster, members, may_miss_one);
        trouble(&mut ctx, &mut cluster, &mut load, &mut changes, 4).await;
        settle(&cluster, &load).await;
        ctx.auditor().state()
    })
}

/// Whatever a seed does, it does again: without that a failure could not be repeated.
#[test]
fn a_seed_is_always_the_same_story() {
    for seed in [1, 2, 3] {
        assert_eq!(story(seed), story(seed), "seed {seed}");
    }
}

/// With everything mended the chain goes on, and holds what was acknowledged.
async fn settle(cluster: &Cluster, load: &Load) {
    let head = cluster
        .honest()
        .into_iter()
        .map(|index| cluster.head(index))
        .max();
    cluster
        .reach(head.unwrap_or_default() + 6, Duration::from_secs(60))
        .await;
    let deadline = cluster.ctx.current() + Duration::from_secs(60);
    for index in cluster.honest() {
        loop {
            let missing = load.missing(cluster, index);
            if missing.is_empty() {
                break;
            }
            assert!(
                cluster.ctx.current() < deadline,
                "acknowledged and not in the chain of node {index}: {missing:?}"
            );
            cluster.ctx.sleep(Duration::from_millis(250)).await;
        }
    }
    cluster.check();
}
