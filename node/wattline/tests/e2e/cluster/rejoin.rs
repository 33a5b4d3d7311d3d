//! Validators that come back without what they had.

use std::{fs, path::Path, process::Command, time::Duration};

use eyre::ensure;

use super::{Cluster, Load, Watch, nodes::Plan};

const RECOVERY: Duration = Duration::from_secs(60);

/// Four validators, and epochs that end within the test.
const FOUR: Plan = Plan {
    validators: 4,
    candidates: 0,
    observers: 0,
    epoch: 24,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_validator_takes_part_again() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR).await?;
    let (load, watch) = (Load::start(&cluster.nodes[..2]), Watch::start(&cluster));
    cluster.nodes[0].reach(8).await?;
    cluster.nodes[3].kill()?;
    cluster.nodes[3].wipe()?;
    let head = cluster.nodes[0].head().await?;
    cluster.nodes[0].reach_within(head + 4, RECOVERY).await?;
    cluster.nodes[3].start(&[]).await?;
    cluster.nodes[3].seals_again().await?;

    let acknowledged = load.end().await?;
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}

/// Besu 8307: after a restart of all, one with an empty data directory, the chain stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_restart_and_one_is_empty() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR).await?;
    let (load, watch) = (Load::start(&cluster.nodes[..2]), Watch::start(&cluster));
    cluster.nodes[0].reach(8).await?;
    cluster.kill_all()?;
    cluster.nodes[2].wipe()?;
    cluster.start_all().await?;
    let head = cluster.nodes[0].head().await?;
    cluster.nodes[0].reach_within(head + 8, RECOVERY).await?;
    cluster.nodes[2].seals_again().await?;

    let acknowledged = load.end().await?;
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_votes_only_when_the_operator_confirms() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR).await?;
    let (load, watch) = (Load::start(&cluster.nodes[..2]), Watch::start(&cluster));
    cluster.nodes[3].reach(4).await?;

    // A backup holds the chain, and not the votes.
    cluster.nodes[3].stop().await?;
    let backup = cluster.dir.path().join("backup");
    copy(&cluster.nodes[3].datadir.join("db"), &backup)?;
    cluster.nodes[3].start(&[]).await?;
    cluster.nodes[3].seals_again().await?;
    cluster.nodes[3].stop().await?;
    cluster.nodes[3].wipe()?;
    copy(&backup, &cluster.nodes[3].datadir.join("db"))?;

    cluster.nodes[3].start(&[]).await?;
    let head = cluster.nodes[3].head().await?;
    // It follows, over more than an epoch.
    cluster.nodes[3].reach(head + FOUR.epoch + 2).await?;
    let standing = cluster.nodes[3].standing().await?;
    ensure!(!standing.votes, "{standing:?}");
    ensure!(
        standing.reason.contains("confirm with --consensus.rejoin"),
        "{standing:?}"
    );
    cluster.nodes[3].stop().await?;
    cluster.nodes[3].start(&["--consensus.rejoin"]).await?;
    cluster.nodes[3].seals_again().await?;

    let acknowledged = load.end().await?;
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}

/// Copies a directory.
fn copy(from: &Path, to: &Path) -> eyre::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(copied.success(), "cp ended with {copied}");
    Ok(())
}
