//! The same story with many seeds.

use std::time::Duration;

use commonware_runtime::Clock as _;

use super::{Cluster, Load, below, byzantine::LIES, faults::trouble, simulate};

/// Which seeds to try: `SEEDS` many, or `SEED` alone.
fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    (0..number("SEEDS").unwrap_or(count)).collect()
}

/// Four validators and a node that may become the fifth. In one of four stories a validator lies.
#[test]
fn validators_agree_whatever_happens() {
    for seed in seeds(200) {
        simulate(seed, Duration::from_secs(3_600), |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 5, 4).await;
            let mut load = Load::new(&cluster);
            let liar = (below(&mut ctx, 4) == 0).then(|| below(&mut ctx, 4) as usize);
            for index in 0..5 {
                if liar == Some(index) {
                    let lie = LIES[below(&mut ctx, LIES.len() as u64) as usize];
                    cluster.start_liar(index, lie).await;
                } else {
                    cluster.start(index).await;
                }
            }
            if liar.is_some() {
                // One that crashes before it began to vote may wait, which is one fault more.
                cluster.all_vote(4).await;
            }
            trouble(&mut ctx, &mut cluster, &mut load, liar, 4).await;
            settle(&cluster, &load).await;
        });
    }
}

/// With everything mended the chain goes on, and holds what was acknowledged.
async fn settle(cluster: &Cluster, load: &Load) {
    let head = cluster
        .running()
        .into_iter()
        .map(|index| cluster.head(index))
        .max();
    cluster
        .reach(head.unwrap_or_default() + 6, Duration::from_secs(60))
        .await;
    let deadline = cluster.ctx.current() + Duration::from_secs(60);
    for index in cluster.running() {
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
