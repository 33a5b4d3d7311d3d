//! Each rule is there for a reason: with one switched off, a simulation fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use commonware_runtime::Clock as _;
use wattline_consensus::Rule;

use super::{
    Cluster, below,
    byzantine::Lie,
    rejoin::wiped_validator,
    simulate,
    stories::{liar, second_validator},
};

/// Fails unless `story` notices, with one of so many seeds, that the rule is switched off, and with
/// that seed is well if it is not.
fn is_noticed(rule: Rule, seeds: u64, story: impl Fn(u64)) {
    Rule::switch_off(Some(rule));
    let noticed = (0..seeds).find(|seed| {
        let run = AssertUnwindSafe(|| story(*seed));
        catch_unwind(run).is_err()
    });
    Rule::switch_off(None);
    let seed = noticed.unwrap_or_else(|| panic!("{seeds} seeds are well without {rule:?}"));
    story(seed);
}

#[test]
fn without_execution_before_the_vote() {
    is_noticed(Rule::ExecuteBeforeVote, 4, |seed| liar(seed, Lie::State));
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
        simulate(seed, Duration::from_secs(600), |mut ctx| async move {
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
