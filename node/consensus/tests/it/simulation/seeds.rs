//! The same story with many seeds.

use std::time::Duration;

use commonware_runtime::Clock as _;

use super::{Cluster, Load, faults::trouble, simulate};

/// Which seeds to try: `SEEDS` many, or `SEED` alone.
fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    (0..number("SEEDS").unwrap_or(count)).collect()
}

#[test]
fn four_validators_agree_whatever_happens() {
    for seed in seeds(20) {
        simulate(seed, Duration::from_secs(3_600), |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 4, 4).await;
            let mut load = Load::new(&cluster);
            cluster.start_all().await;
            trouble(&mut ctx, &mut cluster, &mut load, 4).await;
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
