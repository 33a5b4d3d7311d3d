//! Nodes that die, stand still and restart.

use std::time::Duration;

use eyre::ensure;

use super::{
    Cluster, Load, Watch,
    nodes::{Node, Plan},
};

const FOUR_AND_AN_OBSERVER: Plan = Plan {
    validators: 4,
    candidates: 0,
    observers: 1,
    epoch: 60,
};
/// A view whose leader is dead costs at least so much, on the development chain's idle period.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// What an outage may cost on a machine that does much else; a second or two on one that does not.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a chain is watched that must stand.
const STANDS: Duration = Duration::from_secs(4);
/// When a chain goes on whose quorum is back.
const RECOVERY: Duration = Duration::from_secs(60);

/// The chain of `node` stands still.
async fn stands(node: &Node) -> eyre::Result<()> {
    // What was on its way may still arrive.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let head = node.head().await?;
    tokio::time::sleep(STANDS).await;
    let later = node.head().await?;
    ensure!(
        later == head,
        "it went on from {head} to {later} without a quorum"
    );
    Ok(())
}

/// Besu 7642 told of processes: a dead validator costs a moment once, and nothing at its later turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_validators_stop_the_chain_only_while_there_is_no_quorum() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR_AND_AN_OBSERVER).await?;
    let (load, watch) = (Load::start(&cluster.nodes[1..]), Watch::start(&cluster));
    cluster.nodes[4].reach(8).await?;

    cluster.nodes[1].kill()?;
    let head = cluster.nodes[4].head().await?;
    // Six turns of the dead one.
    cluster.nodes[4].reach(head + 24).await?;
    let pauses = cluster.nodes[4].pauses(head..=head + 24).await?;
    let longest = pauses.iter().max().copied().unwrap_or_default();
    ensure!(longest < PAUSE, "one death cost {longest:?}: {pauses:?}");
    let timeouts = pauses.iter().filter(|&&pause| pause > TIMEOUT).count();
    ensure!(
        timeouts <= 3,
        "the dead one was waited for again and again: {pauses:?}"
    );

    cluster.nodes[2].kill()?;
    stands(&cluster.nodes[4]).await?;
    let head = cluster.nodes[4].head().await?;
    cluster.nodes[1].start(&[]).await?;
    cluster.nodes[4].reach_within(head + 3, RECOVERY).await?;

    cluster.kill_all()?;
    cluster.start_all().await?;
    let head = cluster.nodes[4].head().await?;
    cluster.nodes[4].reach_within(head + 3, RECOVERY).await?;

    let acknowledged = load.end().await?;
    ensure!(!acknowledged.is_empty(), "the load sent nothing");
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_stands_still_and_then_all_restart_one_by_one() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR_AND_AN_OBSERVER).await?;
    let (load, watch) = (Load::start(&cluster.nodes[..4]), Watch::start(&cluster));
    cluster.nodes[4].reach(4).await?;

    cluster.nodes[0].signal("STOP")?;
    let head = cluster.nodes[4].head().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let later = cluster.nodes[4].head().await?;
    ensure!(
        later >= head + 8,
        "in 20 s it went from {head} to {later} only"
    );
    cluster.nodes[0].signal("CONT")?;
    cluster.nodes[0].seals_again().await?;

    for index in 0..4 {
        cluster.nodes[index].stop().await?;
        cluster.nodes[index].start(&[]).await?;
        cluster.nodes[index].seals_again().await?;
    }
    let acknowledged = load.end().await?;
    ensure!(!acknowledged.is_empty(), "the load sent nothing");
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}
