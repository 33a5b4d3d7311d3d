//! Clients that look at the newest block all the time, and remember what they saw.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::B256;
use eyre::{OptionExt as _, ensure};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wattline_testing::rpc::Peer;

use super::nodes::{Cluster, quantity};

/// How often they look.
const PACE: Duration = Duration::from_millis(150);

/// A client of each node.
pub(super) struct Watch {
    stop: CancellationToken,
    clients: Vec<JoinHandle<BTreeMap<u64, B256>>>,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn start(cluster: &Cluster) -> Self {
        let stop = CancellationToken::new();
        let nodes = cluster.nodes.iter();
        let clients = nodes
            .map(|node| {
                let (rpc, stop) = (node.rpc.clone(), stop.clone());
                tokio::spawn(async move { client(&rpc, &stop).await })
            })
            .collect();
        Self { stop, clients }
    }

    /// Ends it. Whatever was seen, at whichever node, must be in the chain of `cluster`.
    pub(super) async fn end(self, cluster: &Cluster) -> eyre::Result<()> {
        self.stop.cancel();
        let node = cluster.running().next().ok_or_eyre("no node runs")?;
        for client in self.clients {
            let seen = client.await?;
            let Some(&last) = seen.keys().next_back() else {
                continue;
            };
            node.reach(last).await?;
            let blocks = node.blocks(0..=last).await?;
            for (number, hash) in seen {
                let block = blocks
                    .get(usize::try_from(number)?)
                    .ok_or_eyre("no block")?;
                ensure!(
                    block.hash == hash,
                    "block {number} was {hash}, now {block:?}"
                );
            }
        }
        Ok(())
    }
}

async fn client(rpc: &Peer, stop: &CancellationToken) -> BTreeMap<u64, B256> {
    let mut seen = BTreeMap::new();
    while !stop.is_cancelled() {
        if let Ok(block) = rpc
            .result("eth_getBlockByNumber", json!(["latest", false]))
            .await
            && let Ok(number) = quantity(&block["number"])
            && let Ok(hash) = serde_json::from_value(block["hash"].clone())
        {
            seen.insert(number, hash);
        }
        tokio::time::sleep(PACE).await;
    }
    seen
}
