//! Validators that come back without their votes, and nodes that follow by what peers say.

use std::time::Duration;

use commonware_runtime::{Clock as _, deterministic::Context};
use wattline_consensus::{Rejoin, Role};

use super::{Cluster, below, faults::mend, simulate};

const LIMIT: Duration = Duration::from_secs(20_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn role(cluster: &Cluster, index: usize) -> Role {
    cluster.parts(index).agreement.status().role
}

/// How long it takes the node at `index` to vote.
async fn time_to_vote(ctx: &Context, cluster: &Cluster, index: usize) -> Duration {
    let started = ctx.current();
    loop {
        let took = ctx.current().duration_since(started).expect("time goes on");
        if role(cluster, index) == Role::Votes {
            return took;
        }
        assert!(
            took < seconds(120),
            "node {index} does not vote: {}",
            role(cluster, index)
        );
        ctx.sleep(Duration::from_millis(20)).await;
    }
}

/// Nobody has proof that one that is no liar contradicted itself.
fn no_evidence(cluster: &Cluster) {
    for index in cluster.running() {
        let evidence = cluster.parts(index).agreement.evidence(0, 10);
        let evidence = evidence.expect("the database reads");
        assert!(evidence.is_empty(), "node {index} has {evidence:?}");
    }
}

/// A validator with an empty data directory contradicts none of its lost votes, and yet votes again
/// in the same epoch.
#[test]
fn a_wiped_validator_votes_again_within_the_epoch() {
    for seed in 0..10 {
        wiped_validator(seed);
    }
}

pub(super) fn wiped_validator(seed: u64) {
    simulate(seed, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::with_epoch(&ctx, 4, 4, 1_000).await;
        cluster.start_all().await;
        cluster.reach(5, seconds(30)).await;
        for _ in 0..3 {
            let pause = below(&mut ctx, 1_500);
            ctx.sleep(Duration::from_millis(pause)).await;
            let index = below(&mut ctx, 4) as usize;
            cluster.crash(index).await;
            cluster.nodes[index].wipe();
            cluster.start(index).await;
            let took = time_to_vote(&ctx, &cluster, index).await;
            assert!(took < seconds(15), "it took {took:?}");
            let head = cluster.head((index + 1) % 4);
            cluster.reach(head + 4, seconds(30)).await;
            no_evidence(&cluster);
            cluster.check();
        }
        // It seals, too.
        let head = cluster.head(0);
        cluster.reach(head + 8, seconds(30)).await;
        assert_eq!(cluster.sealers(0, head + 1..=head + 8).len(), 4);
    });
}

/// Besu 8307, within one epoch: all restart, one of them empty.
#[test]
fn all_restart_in_the_epoch_and_one_is_empty() {
    for seed in 20..26 {
        simulate(seed, LIMIT, |mut ctx| async move {
            let mut cluster = Cluster::with_epoch(&ctx, 4, 4, 1_000).await;
            cluster.start_all().await;
            cluster.reach(12, seconds(30)).await;
            for index in 0..4 {
                cluster.crash(index).await;
            }
            cluster.nodes[2].wipe();
            mend(&mut ctx, &mut cluster).await;
            let took = time_to_vote(&ctx, &cluster, 2).await;
            assert!(took < seconds(20), "it took {took:?}");
            let head = cluster.head(0);
            cluster.reach(head + 5, seconds(30)).await;
            no_evidence(&cluster);
            cluster.check();
        });
    }
}

/// A restored backup of the database votes again within the epoch when the operator has confirmed.
#[test]
fn a_confirmed_node_asks_the_committee() {
    simulate(30, LIMIT, |ctx| async move {
        let mut cluster = Cluster::with_epoch(&ctx, 4, 4, 1_000).await;
        cluster.start_all().await;
        cluster.reach(6, seconds(30)).await;
        cluster.crash(1).await;
        cluster.nodes[1].wipe_agreement();
        cluster.start(1).await;
        ctx.sleep(seconds(10)).await;
        assert_eq!(role(&cluster, 1), Role::VotesLost);
        cluster.crash(1).await;
        cluster.nodes[1].rejoin = Rejoin::Ask;
        cluster.start(1).await;
        let took = time_to_vote(&ctx, &cluster, 1).await;
        assert!(took < seconds(15), "it took {took:?}");
        // From now on without the operator.
        cluster.crash(1).await;
        cluster.nodes[1].rejoin = Rejoin::No;
        cluster.start(1).await;
        assert_eq!(role(&cluster, 1), Role::Votes);
        let head = cluster.head(0);
        cluster.reach(head + 5, seconds(30)).await;
        no_evidence(&cluster);
        cluster.check();
    });
}

/// A chain begins with three of its four validators, however long they take to come, and goes on
/// when the fourth comes.
#[test]
fn a_chain_begins_when_three_of_four_are_there() {
    for seed in 40..50 {
        simulate(seed, LIMIT, |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 4, 4).await;
            let last = below(&mut ctx, 4) as usize;
            let others: Vec<_> = (0..4).filter(|index| *index != last).collect();
            for index in &others {
                cluster.start(*index).await;
                let pause = below(&mut ctx, 20_000);
                ctx.sleep(Duration::from_millis(pause)).await;
            }
            cluster.reach(3, seconds(20)).await;
            cluster.start(last).await;
            let took = time_to_vote(&ctx, &cluster, last).await;
            assert!(took < seconds(20), "it took {took:?}");
            let head = cluster.head(last);
            cluster.reach(head + 5, seconds(30)).await;
            no_evidence(&cluster);
            cluster.check();
        });
    }
}

/// A chain begins although its validators crash again and again while they do.
#[test]
fn a_chain_begins_whenever_its_validators_crash() {
    for seed in 50..90 {
        simulate(seed, LIMIT, |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 4, 4).await;
            for index in 0..3 {
                cluster.start(index).await;
            }
            for _ in 0..6 {
                let pause = below(&mut ctx, 400);
                ctx.sleep(Duration::from_millis(pause)).await;
                let index = below(&mut ctx, 3) as usize;
                cluster.crash(index).await;
                cluster.start(index).await;
            }
            cluster.reach(3, seconds(30)).await;
            no_evidence(&cluster);
            cluster.check();
        });
    }
}

/// Committees of two and three need all members: a wiped one waits for the operator.
#[test]
fn a_committee_of_three_needs_the_operator() {
    simulate(91, LIMIT, |ctx| async move {
        let mut cluster = Cluster::with_epoch(&ctx, 3, 3, 1_000).await;
        cluster.start_all().await;
        cluster.reach(6, seconds(30)).await;
        cluster.crash(0).await;
        cluster.nodes[0].wipe();
        cluster.start(0).await;
        ctx.sleep(seconds(60)).await;
        assert_eq!(role(&cluster, 0), Role::Waits);
        assert!(
            role(&cluster, 0)
                .to_string()
                .contains("--consensus.rejoin=now")
        );
        let head = cluster.head(1);
        ctx.sleep(seconds(10)).await;
        assert_eq!(cluster.head(1), head, "two of three are no quorum");
        cluster.crash(0).await;
        cluster.nodes[0].rejoin = Rejoin::Now;
        cluster.start(0).await;
        assert_eq!(role(&cluster, 0), Role::Votes);
        cluster.reach(head + 5, seconds(60)).await;
        cluster.check();
    });
}

/// Lets a node lie about its votes, and loses all that another has.
async fn lie_and_wipe(cluster: &mut Cluster, liar: usize, answer: Vec<u8>, wiped: usize) {
    cluster.crash(liar).await;
    cluster.nodes[liar].answer = Some(answer);
    cluster.start(liar).await;
    cluster.crash(wiped).await;
    cluster.nodes[wiped].wipe();
    cluster.start(wiped).await;
}

/// How nodes say that they have voted in epoch 0, up to a view.
fn voted(view: u64) -> Vec<u8> {
    [&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0][..], &view.to_be_bytes()].concat()
}

/// One that names a view that there is not keeps a wiped node waiting, until the next epoch and not
/// longer.
#[test]
fn a_liar_about_views_delays_a_wiped_node_until_the_next_epoch() {
    simulate(92, LIMIT, |ctx| async move {
        let mut cluster = Cluster::with_epoch(&ctx, 4, 4, 40).await;
        cluster.start_all().await;
        cluster.reach(6, seconds(30)).await;
        // The others go on: three are a quorum, with the liar that votes as it should.
        lie_and_wipe(&mut cluster, 2, voted(u64::MAX), 3).await;
        ctx.sleep(seconds(10)).await;
        assert!(cluster.head(0) < 39);
        assert_eq!(role(&cluster, 3), Role::Waits);
        cluster.reach(40, seconds(120)).await;
        let head = cluster.head(0);
        cluster.reach(head + 3, seconds(30)).await;
        no_evidence(&cluster);
        cluster.check();
    });
}

/// One that denies what it saw is outweighed by those that do not.
#[test]
fn a_liar_that_denies_all_votes_is_outweighed() {
    for seed in 93..97 {
        simulate(seed, LIMIT, |ctx| async move {
            let mut cluster = Cluster::with_epoch(&ctx, 4, 4, 1_000).await;
            cluster.start_all().await;
            cluster.reach(6, seconds(30)).await;
            let denial = [&[0, 1][..], &[0; 16]].concat();
            lie_and_wipe(&mut cluster, 2, denial, 3).await;
            time_to_vote(&ctx, &cluster, 3).await;
            let head = cluster.head(0);
            cluster.reach(head + 5, seconds(30)).await;
            no_evidence(&cluster);
            cluster.check();
        });
    }
}

/// Where nobody votes, a new node learns from what peers say how far they are, and syncs from
/// genesis, epoch by epoch.
#[test]
fn a_new_node_syncs_a_chain_that_stands() {
    simulate(98, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 6, 4).await;
        for index in 0..5 {
            cluster.start(index).await;
        }
        cluster.reach(37, seconds(120)).await;
        for index in 0..4 {
            cluster.crash(index).await;
        }
        let head = cluster.head(4);
        // Only followers are left. Another one says that it is far beyond.
        cluster.nodes[4]
            .heads
            .lie(cluster.nodes[0].public_key(), 1_000);
        cluster.start(5).await;
        cluster.reach(head, seconds(30)).await;
        cluster.check();
    });
}

/// A node that is killed while it syncs goes on from where it was.
#[test]
fn a_sync_that_is_killed_goes_on() {
    for seed in 100..104 {
        simulate(seed, LIMIT, |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 6, 4).await;
            for index in 0..5 {
                cluster.start(index).await;
            }
            cluster.reach(60, seconds(120)).await;
            for index in 0..4 {
                cluster.crash(index).await;
            }
            let (goal, mut before) = (cluster.head(4), 0);
            for _ in 0..20 {
                cluster.start(5).await;
                let pause = below(&mut ctx, 2_500);
                ctx.sleep(Duration::from_millis(pause)).await;
                let head = cluster.head(5);
                assert!(
                    head >= before,
                    "block {before} was stored, and now {head} is the last"
                );
                before = head;
                cluster.crash(5).await;
            }
            cluster.start(5).await;
            cluster.reach(goal, seconds(60)).await;
            cluster.check();
        });
    }
}
