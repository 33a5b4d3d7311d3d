//! A chain of one signer: the same engine, with a quorum of one.

use std::time::Duration;

use commonware_runtime::{Clock as _, deterministic::Context};
use wattline_consensus::Role;

use crate::simulation::{Cluster, Load, below, simulate};

const LIMIT: Duration = Duration::from_secs(600);

async fn lone(ctx: &Context) -> (Cluster, Load) {
    let mut cluster = Cluster::new(ctx, 1, 1).await;
    let load = Load::new(&cluster);
    cluster.start(0).await;
    (cluster, load)
}

#[test]
fn it_makes_blocks_over_epochs() {
    simulate(1, LIMIT, |ctx| async move {
        let (cluster, _) = lone(&ctx).await;
        // Epochs of 8: the fourth has begun.
        cluster.reach(26, Duration::from_secs(40)).await;
        cluster.check();
        let status = cluster.parts(0).agreement.status();
        assert_eq!((status.epoch, status.role), (3, Role::Votes));
        for number in 1..=26 {
            let proof = cluster
                .parts(0)
                .agreement
                .finalization(number)
                .unwrap()
                .unwrap();
            assert_eq!(proof.number, number);
            assert_eq!(proof.epoch, number / 8);
            let [signature] = proof.signatures.as_slice() else {
                panic!("{:?}", proof.signatures);
            };
            assert_eq!(signature.signer, cluster.accounts.address(0));
        }
    });
}

#[test]
fn it_waits_for_work_and_not_for_longer() {
    simulate(2, LIMIT, |ctx| async move {
        let (cluster, mut load) = lone(&ctx).await;
        cluster.reach(2, Duration::from_secs(5)).await;
        let (time, head) = (ctx.current(), cluster.head(0));
        ctx.sleep(Duration::from_secs(10)).await;
        let idle = cluster.head(0) - head;
        assert!(
            (9..=11).contains(&idle),
            "{idle} blocks in 10 s without work"
        );
        let head = cluster.head(0);
        for _ in 0..100 {
            load.send(&cluster, 0);
            ctx.sleep(Duration::from_millis(100)).await;
        }
        let busy = cluster.head(0) - head;
        assert!((35..=41).contains(&busy), "{busy} blocks in 10 s of work");
        assert!(ctx.current().duration_since(time).unwrap() < Duration::from_secs(25));
    });
}

#[test]
fn it_goes_on_after_crashes_at_any_await() {
    for seed in 0..8 {
        simulate(seed, LIMIT, |mut ctx| async move {
            let (mut cluster, mut load) = lone(&ctx).await;
            for _ in 0..12 {
                load.send(&cluster, 0);
                let pause = below(&mut ctx, 700);
                ctx.sleep(Duration::from_millis(pause)).await;
                cluster.crash(0).await;
                cluster.start(0).await;
                cluster.check();
            }
            let head = cluster.head(0);
            cluster.reach(head + 10, Duration::from_secs(30)).await;
            assert_eq!(load.missing(&cluster, 0), []);
            cluster.check();
        });
    }
}
