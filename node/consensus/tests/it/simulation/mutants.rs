//! Each rule is there for a reason: with one switched off, a simulation fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use commonware_runtime::Clock as _;
use wattline_consensus::Rule;

use super::{
    Cluster, Load, below,
    byzantine::{Lie, certifiers},
    rejoin::wiped_validator,
    simulate,
    stories::{liar, second_validator},
};

const LIMIT: Duration = Duration::from_secs(600);

/// Fails unless `story` notices, with one of so many seeds, that the rule is switched off, and with
/// that seed is well if it is not.
fn is_noticed(rule: Rule, seeds: u64, story: impl Fn(u64)) {
    Rule::switch_off(Some(rule));
    let noticed = (0..seeds).find_map(|seed| {
        let run = AssertUnwindSafe(|| story(seed));
        Some((seed, catch_unwind(run).err()?))
    });
    Rule::switch_off(None);
    let (seed, panic) =
        noticed.unwrap_or_else(|| panic!("{seeds} seeds are well without {rule:?}"));
    let reason = panic.downcast_ref::<String>().map_or("", String::as_str);
    eprintln!("without {rule:?} seed {seed} fails: {reason}");
    story(seed);
}

#[test]
fn without_execution_before_the_vote() {
    is_noticed(Rule::ExecuteBeforeVote, 4, |seed| liar(seed, Lie::State));
}

#[test]
fn without_a_look_at_the_body() {
    is_noticed(Rule::CheckBody, 30, |seed| liar(seed, Lie::Bodies));
}

#[test]
fn without_a_look_at_the_clock() {
    is_noticed(Rule::LimitTime, 4, |seed| liar(seed, Lie::Time));
}

#[test]
fn without_a_look_at_who_could_seal_next() {
    is_noticed(Rule::KeepGoing, 4, second_validator);
}

#[test]
fn without_a_question_to_the_committee() {
    is_noticed(Rule::AskFirst, 4, wiped_validator);
}

/// A validator alone, followed by an observer: what the observer has, the validator may have lost.
#[test]
fn without_care_for_lost_votes() {
    is_noticed(Rule::KeepVotes, 200, |seed| {
        simulate(seed, LIMIT, |mut ctx| async move {
            let mut cluster = Cluster::new(&ctx, 2, 1).await;
            cluster.start_all().await;
            for _ in 0..4 {
                let pause = 1_000 + below(&mut ctx, 1_500);
                ctx.sleep(Duration::from_millis(pause)).await;
                cluster.crash(0).await;
                cluster.nodes[0].wipe_agreement();
                cluster.start(0).await;
            }
            ctx.sleep(Duration::from_secs(5)).await;
            cluster.check();
        });
    });
}

/// The network is cut between the honest validators, and those at fault vote with each of them. One
/// of four cannot make a quorum on two sides, and is left for certificates with too few signatures.
/// Two can.
fn divided(seed: u64, at_fault: &[usize]) {
    simulate(seed, LIMIT, |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        let honest: Vec<_> = (0..4).filter(|index| !at_fault.contains(index)).collect();
        certifiers(&ctx, &cluster, at_fault).await;
        for index in &honest {
            cluster.start(*index).await;
        }
        cluster.all_vote(honest.len()).await;
        for other in &honest[1..] {
            cluster.link(honest[0], *other, None).await;
            cluster.link(*other, honest[0], None).await;
        }
        ctx.sleep(Duration::from_secs(20)).await;
        cluster.check();
        let blocked = cluster.oracle.blocked().await.expect("the network runs");
        let liar = cluster.nodes[at_fault[0]].public_key();
        assert_eq!(blocked.iter().filter(|(_, key)| *key == liar).count(), 3);
        for index in &honest {
            cluster.link_well(*index).await;
        }
        cluster.reach(4, Duration::from_secs(60)).await;
        cluster.check();
    });
}

#[test]
fn with_one_more_at_fault_than_a_quorum_bears() {
    let two = || divided(1, &[3, 2]);
    let panic = catch_unwind(two).expect_err("it is noticed");
    let reason = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(reason.contains("differs at block"), "{reason}");
    divided(1, &[3]);
}

/// A validator that is killed at any time, under load.
fn killed(seed: u64) {
    simulate(seed, LIMIT, |mut ctx| async move {
        let mut cluster = Cluster::new(&ctx, 1, 1).await;
        let mut load = Load::new(&cluster);
        for _ in 0..8 {
            cluster.start(0).await;
            for _ in 0..1 + below(&mut ctx, 8) {
                load.send(&cluster, 0);
                let pause = below(&mut ctx, 250);
                ctx.sleep(Duration::from_millis(pause)).await;
            }
            cluster.crash(0).await;
        }
        cluster.start(0).await;
        let head = cluster.head(0);
        cluster.reach(head + 2, Duration::from_secs(10)).await;
        assert_eq!(load.missing(&cluster, 0), []);
        cluster.check();
    });
}

#[test]
fn without_a_commit_before_clients_are_told() {
    is_noticed(Rule::CommitBeforeShowing, 100, killed);
}

#[test]
fn without_a_commit_before_the_engine_is_told() {
    is_noticed(Rule::StoreBeforeAcknowledging, 100, killed);
}
