//! Signers voted in and out.

use std::time::Duration;

use eyre::ensure;
use wattline_testing::eventually;

use super::{
    Cluster, Load, Watch,
    nodes::{Node, Plan},
};

const RECOVERY: Duration = Duration::from_secs(60);

/// Waits until `node` knows of a committee of so many.
async fn committee(node: &Node, members: usize) {
    eventually(&format!("a committee of {members}"), async || {
        let standing = node.standing().await.ok()?;
        (standing.committee == members).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_is_voted_in_and_another_out_without_a_stop() -> eyre::Result<()> {
    let cluster = Cluster::start(Plan {
        validators: 4,
        candidates: 1,
        observers: 0,
        epoch: 16,
    })
    .await?;
    let (load, watch) = (Load::start(&cluster.nodes[..4]), Watch::start(&cluster));
    let (voters, newcomer) = (&cluster.nodes[1..4], &cluster.nodes[4]);
    newcomer.reach(4).await?;
    let standing = newcomer.standing().await?;
    ensure!(!standing.votes && standing.committee == 4, "{standing:?}");

    for node in voters {
        node.propose(newcomer.signer, true).await?;
    }
    for node in &cluster.nodes {
        committee(node, 5).await;
    }
    newcomer.seals_again().await?;

    let leaver = &cluster.nodes[0];
    for node in voters {
        node.propose(leaver.signer, false).await?;
    }
    for node in &cluster.nodes {
        committee(node, 4).await;
    }
    let head = leaver.head().await?;
    leaver.reach_within(head + 16, RECOVERY).await?;
    let standing = leaver.standing().await?;
    ensure!(
        standing.reason == "the node key is not in the committee of this epoch",
        "{standing:?}"
    );
    let sealers = newcomer.sealers(head + 1..=head + 16).await?;
    ensure!(
        !sealers.contains(&leaver.signer),
        "it was voted out: {sealers:?}"
    );

    let acknowledged = load.end().await?;
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}

/// Besu 8425: when a lone validator takes in a second, the chain stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_validator_takes_in_a_second() -> eyre::Result<()> {
    let cluster = Cluster::start(Plan {
        validators: 1,
        candidates: 1,
        observers: 0,
        epoch: 8,
    })
    .await?;
    let (load, watch) = (Load::start(&cluster.nodes), Watch::start(&cluster));
    let (first, second) = (&cluster.nodes[0], &cluster.nodes[1]);
    second.reach(2).await?;
    first.propose(second.signer, true).await?;
    for node in &cluster.nodes {
        committee(node, 2).await;
    }
    let head = first.head().await?;
    second.reach_within(head + 8, RECOVERY).await?;
    let sealers = first.sealers(head + 1..=head + 8).await?;
    ensure!(sealers.len() == 2, "both seal: {sealers:?}");

    let acknowledged = load.end().await?;
    cluster.check(&acknowledged).await?;
    watch.end(&cluster).await
}
