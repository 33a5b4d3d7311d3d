//! What operators do wrong with a node, or with what the contract says of it.

use std::{collections::BTreeSet, fs, time::Duration};

use eyre::ensure;
use serde_json::json;

use super::{
    Cluster,
    nodes::{Plan, node_key},
};

const RECOVERY: Duration = Duration::from_secs(60);
/// How long a node is watched that must not take part.
const WATCHED: Duration = Duration::from_secs(6);

const FOUR: Plan = Plan {
    validators: 4,
    candidates: 0,
    observers: 0,
    epoch: 16,
};

/// The chain goes on at all nodes that run.
async fn reaches_everywhere(cluster: &Cluster) -> eyre::Result<()> {
    let head = cluster.nodes[0].head().await?;
    for node in cluster.running() {
        node.reach_within(head + 8, RECOVERY).await?;
    }
    cluster.check(&BTreeSet::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_does_not_resolve_costs_the_chain_nothing() -> eyre::Result<()> {
    let mut cluster = Cluster::with(FOUR, |index, address| match index {
        3 => "no-such-host.invalid:30303".to_owned(),
        _ => address,
    })?;
    cluster.start_all().await?;
    // Nobody reaches it, but it reaches the others.
    cluster.nodes[3].seals_again().await?;
    reaches_everywhere(&cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_nobodys_or_that_two_have_takes_no_part() -> eyre::Result<()> {
    let mut cluster = Cluster::start(FOUR).await?;
    cluster.nodes[0].reach(4).await?;

    // Another key than the contract's: what a lost `node.key` leads to.
    cluster.nodes[3].stop().await?;
    let own = fs::read(cluster.nodes[3].datadir.join("node.key"))?;
    fs::remove_file(cluster.nodes[3].datadir.join("node.key"))?;
    ensure!(node_key(&cluster.nodes[3].datadir)? != cluster.nodes[3].node_key);
    cluster.nodes[3].start(&[]).await?;
    let head = cluster.nodes[0].head().await?;
    cluster.nodes[0].reach_within(head + 8, RECOVERY).await?;
    let standing = cluster.nodes[3].standing().await?;
    ensure!(
        standing.reason == "the node key is not in the committee of this epoch",
        "{standing:?}"
    );
    let peers = cluster.nodes[3]
        .rpc
        .result("net_peerCount", json!([]))
        .await?;
    ensure!(peers == "0x0", "a stranger has {peers} peers");
    cluster.nodes[3].stop().await?;

    // Its own key again, which a copy has, too: what a second machine that is kept ready leads to.
    fs::write(cluster.nodes[3].datadir.join("node.key"), &own)?;
    cluster.nodes[3].start(&[]).await?;
    cluster.nodes[3].seals_again().await?;
    let mut copy = cluster.copy_of(3, &own)?;
    copy.start(&[]).await?;
    let head = cluster.nodes[0].head().await?;
    cluster.nodes[0].reach_within(head + 8, RECOVERY).await?;
    tokio::time::sleep(WATCHED).await;
    let standing = copy.standing().await?;
    ensure!(!standing.votes, "the copy votes: {standing:?}");
    let evidence = cluster.nodes[0].evidence().await?;
    ensure!(evidence.is_empty(), "one key voted twice: {evidence:?}");
    copy.kill()?;
    reaches_everywhere(&cluster).await
}
