//! What happened to other chains, and what must not happen to this one.

use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_runtime::{Clock as _, deterministic::Context};
use wattline_consensus::{AgreementError, EvidenceKind, Rejoin, Role};

use super::{
    Cluster, Load,
    byzantine::{LIES, Lie, double_voter},
    changes::{Change, Changes},
    clock::Skew,
    cluster::good_link,
    faults::mend,
    node::Node,
    simulate,
};

const LIMIT: Duration = Duration::from_secs(20_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How long `count` more blocks take, at the node at `index`.
async fn time_of(ctx: &Context, cluster: &Cluster, index: usize, count: u64) -> Duration {
    let (started, goal) = (ctx.current(), cluster.head(index) + count);
    while cluster.head(index) < goal {
        ctx.sleep(Duration::from_millis(10)).await;
        let took = ctx.current().duration_since(started).expect("time goes on");
        assert!(took < seconds(600), "the chain stands");
    }
    ctx.current().duration_since(started).expect("time goes on")
}

/// Fifty milliseconds between any two nodes, as between the ends of a continent. What the processor
/// does takes no time here.
#[test]
fn a_transaction_is_final_soon_where_nodes_are_far_from_each_other() {
    simulate(8, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 5, 4).await;
        for from in 0..5 {
            for to in 0..5 {
                let far = Link {
                    latency: Duration::from_millis(50),
                    ..good_link()
                };
                cluster.link(from, to, Some(far)).await;
            }
        }
        let mut load = Load::new(&cluster);
        cluster.start_all().await;
        cluster.all_vote(4).await;
        cluster.reach(4, seconds(20)).await;

        let (mut waiting, mut took) = (Vec::new(), Vec::new());
        for step in 0..4_000 {
            if step % 5 == 0 && step < 3_600 {
                let hash = load.send(&cluster, 4).expect("the observer runs");
                waiting.push((hash, ctx.current()));
            }
            ctx.sleep(Duration::from_millis(5)).await;
            let storage = cluster.parts(4).chain.storage();
            let reader = storage.reader().expect("the database reads");
            waiting.retain(|(hash, sent)| {
                let found = reader.transaction(*hash).expect("the database reads");
                if found.is_some() {
                    let passed = ctx.current().duration_since(*sent);
                    took.push(passed.expect("time goes on"));
                }
                found.is_none()
            });
        }
        assert_eq!(waiting, []);
        // The slowest come at the ends of epochs, which are of eight blocks here.
        took.sort_unstable();
        let median = took[took.len() / 2];
        eprintln!("median {median:?}");
        assert!(median < Duration::from_millis(700), "{median:?}");
    });
}

/// Besu 8425: with the second validator the chain stops.
#[test]
fn a_second_validator_is_voted_in_without_a_stop() {
    second_validator(3);
}

pub(super) fn second_validator(seed: u64) {
    simulate(seed, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 2, 1).await;
        cluster.start_all().await;
        cluster.reach(3, seconds(10)).await;
        assert_eq!(cluster.parts(1).agreement.status().role, Role::NotAMember);
        let newcomer = cluster.signer_of(1);
        cluster
            .producer(0)
            .propose(newcomer, true)
            .expect("a stranger");
        // At the latest in the last block of the next epoch, in force from the one after it on.
        cluster.reach(26, seconds(60)).await;
        for index in 0..2 {
            let status = cluster.parts(index).agreement.status();
            assert_eq!(
                (status.committee.validators().len(), status.role),
                (2, Role::Votes)
            );
        }
        let signers = cluster.sealers(0, 17..=24);
        assert_eq!(signers.len(), 2, "both seal: {signers:?}");
        assert!(time_of(&ctx, &cluster, 1, 10).await < seconds(12));
        cluster.check();
    });
}

#[test]
fn a_validator_is_voted_out_without_a_stop_and_then_follows() {
    simulate(4, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 5, 5).await;
        cluster.start_all().await;
        cluster.reach(3, seconds(20)).await;
        let leaver = cluster.signer_of(4);
        for index in 0..4 {
            cluster
                .producer(index)
                .propose(leaver, false)
                .expect("one of several");
        }
        cluster.reach(40, seconds(120)).await;
        let status = cluster.parts(4).agreement.status();
        assert_eq!(
            (status.committee.validators().len(), status.role),
            (4, Role::NotAMember)
        );
        assert!(time_of(&ctx, &cluster, 4, 10).await < seconds(12));
        cluster.check();
    });
}

/// Besu 8307: all restart, one of them with an empty data directory.
#[test]
fn all_restart_and_one_is_empty() {
    simulate(5, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(12, seconds(30)).await;
        for index in 0..4 {
            cluster.crash(index).await;
        }
        cluster.nodes[2].wipe();
        mend(&mut ctx, &mut cluster).await;
        let started = ctx.current();
        cluster.reach(16, seconds(30)).await;
        assert!(ctx.current().duration_since(started).expect("time goes on") < seconds(20));
        cluster.check();
    });
}

/// Besu 6613: a chain stalls with fewer than a third down.
#[test]
fn a_dead_validator_costs_a_moment_once() {
    simulate(6, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(9, seconds(30)).await;
        cluster.crash(1).await;
        // Its first turn costs the time until the others give up on it.
        let first = time_of(&ctx, &cluster, 0, 4).await;
        assert!(first < seconds(8), "four blocks took {first:?}");
        let later = time_of(&ctx, &cluster, 0, 8).await;
        assert!(later < seconds(10), "eight blocks took {later:?}");
        cluster.check();
    });
}

/// Besu 7642: round timers that double keep a chain waiting after a long outage.
#[test]
fn an_hour_without_a_quorum_is_over_when_it_is_over() {
    simulate(7, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(5, seconds(30)).await;
        cluster.crash(0).await;
        cluster.crash(1).await;
        let head = cluster.head(2);
        ctx.sleep(seconds(3_600)).await;
        assert!(cluster.head(2) <= head + 1, "two of four are no quorum");
        cluster.start(0).await;
        let took = time_of(&ctx, &cluster, 2, 3).await;
        assert!(
            took < seconds(15),
            "three blocks took {took:?} after the outage"
        );
        cluster.check();
    });
}

/// geth 18402: signers that have all signed recently wait for each other.
#[test]
fn signers_do_not_wait_for_each_other() {
    simulate(8, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(2, seconds(30)).await;
        // Again and again another one is gone just when the others sealed last.
        for round in 0..16 {
            let gone = round % 4;
            cluster.crash(gone).await;
            let took = time_of(&ctx, &cluster, (gone + 1) % 4, 2).await;
            assert!(
                took < seconds(15),
                "two blocks without node {gone} took {took:?}"
            );
            cluster.start(gone).await;
        }
        cluster.check();
    });
}

#[test]
fn an_observer_follows_and_catches_up() {
    simulate(9, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 5, 4).await;
        cluster.start_all().await;
        cluster.reach(6, seconds(30)).await;
        assert_eq!(cluster.parts(4).agreement.status().role, Role::NotAMember);
        cluster.crash(4).await;
        // It misses some epochs.
        ctx.sleep(seconds(60)).await;
        let head = cluster.head(0);
        assert!(head > 40);
        cluster.start(4).await;
        cluster.reach(head + 3, seconds(30)).await;
        cluster.check();
    });
}

/// A transaction travels: who took it need not seal.
#[test]
fn what_an_observer_took_is_in_the_chain() {
    simulate(15, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::new(&ctx, 5, 4).await;
        let mut load = Load::new(&cluster);
        cluster.start_all().await;
        cluster.reach(3, seconds(30)).await;
        for _ in 0..20 {
            load.send(&cluster, 4);
            ctx.sleep(Duration::from_millis(50)).await;
        }
        ctx.sleep(seconds(2)).await;
        assert_eq!(load.missing(&cluster, 4), []);
        // Also if it hears nobody just then, or is killed: the pool is on the disk.
        for other in 0..4 {
            cluster.link(4, other, None).await;
            cluster.link(other, 4, None).await;
        }
        for _ in 0..20 {
            load.send(&cluster, 4);
        }
        ctx.sleep(seconds(1)).await;
        cluster.crash(4).await;
        mend(&mut ctx, &mut cluster).await;
        ctx.sleep(seconds(30)).await;
        assert_eq!(load.missing(&cluster, 0), []);
        cluster.check();
    });
}

#[test]
fn a_member_changes_its_key_without_a_stop() {
    simulate(16, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::new(&ctx, 5, 4).await;
        let mut load = Load::new(&cluster);
        cluster.start_all().await;
        cluster.reach(3, seconds(30)).await;
        let before: Vec<_> = cluster.nodes.iter().map(Node::public_key).collect();
        let mut changes = Changes::new(&cluster, 5, true);
        changes.make_this(&mut ctx, &cluster, &mut load, Change::Key);
        // It counts from the next epoch on. The others go on without that node until then.
        cluster.reach(9, seconds(60)).await;
        changes.follow(&mut cluster, &load).await;
        cluster.reach(26, seconds(60)).await;
        let changed: Vec<_> = (0..5)
            .filter(|index| cluster.nodes[*index].public_key() != before[*index])
            .collect();
        let [changed] = changed[..] else {
            panic!("{changed:?}");
        };
        let status = cluster.parts(changed).agreement.status();
        let key = cluster.nodes[changed].public_key();
        assert_eq!(status.role, Role::Votes);
        assert_eq!(
            status.committee.signer_of(&key),
            Some(cluster.signer_of(changed))
        );
        assert_eq!(load.missing(&cluster, changed), []);
        cluster.check();
    });
}

#[test]
fn a_member_is_added_and_removed_without_a_stop() {
    simulate(17, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::with_stranger(&ctx, 5, 4, 4).await;
        let mut load = Load::new(&cluster);
        cluster.start_all().await;
        ctx.sleep(seconds(10)).await;
        assert_eq!(cluster.head(4), 0, "nobody speaks with a stranger");
        let mut changes = Changes::new(&cluster, 4, true);
        changes.make_this(&mut ctx, &cluster, &mut load, Change::Member);
        let head = cluster.head(0);
        cluster.reach(head + 18, seconds(60)).await;
        // Its signer is voted in, so it is of the committee.
        changes.make_this(&mut ctx, &cluster, &mut load, Change::Vote);
        cluster.reach(head + 36, seconds(60)).await;
        assert_eq!(cluster.parts(4).agreement.status().role, Role::Votes);
        // Removed, it is out of it although it is a signer still.
        changes.make_this(&mut ctx, &cluster, &mut load, Change::Member);
        cluster.reach(head + 54, seconds(60)).await;
        let status = cluster.parts(0).agreement.status();
        assert_eq!(status.committee.validators().len(), 4);
        assert!(time_of(&ctx, &cluster, 0, 10).await < seconds(12));
        assert_eq!(load.missing(&cluster, 0), []);
        cluster.check();
    });
}

#[test]
fn a_clock_that_is_an_hour_off_stops_nobody_else() {
    for skew in [Skew::Ahead(seconds(3_600)), Skew::Behind(seconds(3_600))] {
        simulate(10, LIMIT, |ctx| async move {
            let mut cluster = Cluster::new(&ctx, 4, 4).await;
            cluster.nodes[3].skew = skew;
            cluster.start_all().await;
            ctx.sleep(seconds(60)).await;
            let took = time_of(&ctx, &cluster, 0, 10).await;
            assert!(took < seconds(30), "ten blocks took {took:?} with {skew:?}");
            cluster.check();
        });
    }
}

#[test]
fn a_liar_among_four_stops_nobody() {
    for lie in LIES {
        liar(11, lie);
    }
}

pub(super) fn liar(seed: u64, lie: Lie) {
    simulate(seed, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        let mut load = Load::new(&cluster);
        for index in 0..3 {
            cluster.start(index).await;
        }
        cluster.start_liar(3, lie).await;
        for _ in 0..20 {
            for index in 0..3 {
                load.send(&cluster, index);
            }
            ctx.sleep(Duration::from_millis(500)).await;
        }
        let took = time_of(&ctx, &cluster, 0, 10).await;
        assert!(took < seconds(40), "ten blocks took {took:?} with {lie:?}");
        ctx.sleep(seconds(10)).await;
        assert_eq!(load.missing(&cluster, 0), [], "with {lie:?}");
        cluster.check();
    });
}

#[test]
fn who_votes_twice_is_left_and_leaves_evidence() {
    simulate(12, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        for index in 0..3 {
            cluster.start(index).await;
        }
        double_voter(&ctx, &cluster, 3).await;
        cluster.reach(8, seconds(60)).await;
        let found = (0..3).flat_map(|index| {
            let evidence = cluster.parts(index).agreement.evidence(0, 10);
            evidence.expect("the database reads")
        });
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty());
        for evidence in found {
            assert_eq!(evidence.kind, EvidenceKind::ConflictingNotarize);
            assert_eq!(evidence.key, cluster.nodes[3].public_key());
        }
        cluster.check();
    });
}

#[test]
fn lost_votes_keep_a_node_from_voting_until_the_operator_confirms() {
    simulate(13, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(10, seconds(30)).await;
        cluster.crash(2).await;
        cluster.nodes[2].wipe_agreement();
        cluster.start(2).await;
        // It follows, over epochs and restarts.
        cluster.reach(20, seconds(60)).await;
        assert_eq!(cluster.parts(2).agreement.status().role, Role::VotesLost);
        cluster.crash(2).await;
        cluster.start(2).await;
        cluster.reach(26, seconds(60)).await;
        assert_eq!(cluster.parts(2).agreement.status().role, Role::VotesLost);
        cluster.crash(2).await;
        cluster.nodes[2].rejoin = Rejoin::Ask;
        cluster.start(2).await;
        assert_eq!(cluster.parts(2).agreement.status().role, Role::Asks);
        ctx.sleep(seconds(10)).await;
        assert_eq!(cluster.parts(2).agreement.status().role, Role::Votes);
        cluster.check();
    });
}

/// A database that was restored without the agreement's own storage is of another time.
#[test]
fn a_database_that_is_older_than_the_agreement_is_an_error() {
    simulate(14, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 1, 1).await;
        cluster.start(0).await;
        cluster.reach(5, seconds(30)).await;
        cluster.crash(0).await;
        cluster.nodes[0].restore_empty();
        let error = cluster.try_start(0).await.expect_err("it does not start");
        let AgreementError::OlderDatabase { processed, head: 0 } = error else {
            panic!("{error}");
        };
        assert!(processed >= 4);
    });
}
