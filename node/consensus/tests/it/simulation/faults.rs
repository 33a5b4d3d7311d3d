//! What goes wrong in a cluster, and when: chosen by the seed.

use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_runtime::{Clock as _, deterministic::Context};
use commonware_utils::Probability;

use wattline_consensus::Rejoin;

use super::{Cluster, Load, below, changes::Changes, cluster::good_link};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A node ends at once, with the loss of what it did not sync, and starts again later.
    Crash,
    /// All nodes do.
    CrashAll,
    /// The same, and the node's own storage of the agreement is lost.
    LoseAgreement,
    /// The nodes are cut into two groups.
    Partition,
    /// Messages take long, and some are lost.
    Slow,
    /// One direction of one link is cut.
    OneWay,
}

const FAULTS: [Fault; 6] = [
    Fault::Crash,
    Fault::CrashAll,
    Fault::LoseAgreement,
    Fault::Partition,
    Fault::Slow,
    Fault::OneWay,
];

/// Lets things go wrong for a while, under load and while the consortium changes, and then mends
/// everything.
pub(crate) async fn trouble(
    ctx: &mut Context,
    cluster: &mut Cluster,
    load: &mut Load,
    changes: &mut Changes,
    rounds: usize,
) {
    let mut faults = FAULTS.to_vec();
    for _ in 0..rounds {
        if below(ctx, 2) == 0 {
            changes.make(ctx, cluster, load);
        }
        // One of four may be missing: one whose votes are lost is, until the next epoch begins.
        if !changes.may_miss_one() {
            faults.retain(|fault| !matches!(fault, Fault::LoseAgreement));
        }
        let fault = faults[below(ctx, faults.len() as u64) as usize];
        if matches!(fault, Fault::LoseAgreement) {
            changes.one_is_missing();
        }
        inflict(ctx, cluster, fault).await;
        for _ in 0..1 + below(ctx, 5) {
            for index in cluster.honest() {
                if below(ctx, 2) == 0 {
                    load.send(cluster, index);
                }
            }
            let pause = 10 + below(ctx, 790);
            ctx.sleep(Duration::from_millis(pause)).await;
        }
        cluster.check();
        mend(ctx, cluster).await;
        let pause = below(ctx, 2_000);
        ctx.sleep(Duration::from_millis(pause)).await;
        if below(ctx, 2) == 0 {
            changes.follow(cluster, load).await;
        }
    }
    changes.settle(ctx, cluster, load).await;
}

async fn inflict(ctx: &mut Context, cluster: &mut Cluster, fault: Fault) {
    let count = cluster.nodes.len();
    let victim = below(ctx, count as u64) as usize;
    match fault {
        Fault::Crash => cluster.crash(victim).await,
        Fault::CrashAll => {
            for index in 0..count {
                cluster.crash(index).await;
            }
        }
        Fault::LoseAgreement => {
            cluster.crash(victim).await;
            let node = &mut cluster.nodes[victim];
            node.wipe_agreement();
            node.rejoin = Rejoin::Ask;
        }
        Fault::Partition => {
            let groups: Vec<_> = (0..count).map(|_| below(ctx, 2) == 0).collect();
            for from in 0..count {
                for to in 0..count {
                    if groups[from] != groups[to] {
                        cluster.link(from, to, None).await;
                    }
                }
            }
        }
        Fault::Slow => {
            let link = Link {
                latency: Duration::from_millis(20 + below(ctx, 380)),
                jitter: Duration::from_millis(1 + below(ctx, 199)),
                success_rate: Probability::new(60 + below(ctx, 40), 100).expect("below one"),
            };
            for from in 0..count {
                for to in 0..count {
                    cluster.link(from, to, Some(link.clone())).await;
                }
            }
        }
        Fault::OneWay => {
            let other = below(ctx, count as u64) as usize;
            cluster.link(victim, other, None).await;
        }
    }
}

/// Good links everywhere, and all nodes run.
pub(crate) async fn mend(ctx: &mut Context, cluster: &mut Cluster) {
    let count = cluster.nodes.len();
    for from in 0..count {
        for to in 0..count {
            cluster.link(from, to, Some(good_link())).await;
        }
    }
    for index in 0..count {
        if cluster.nodes[index].run.is_none() {
            let pause = below(ctx, 300);
            ctx.sleep(Duration::from_millis(pause)).await;
            cluster.start(index).await;
        }
    }
}
