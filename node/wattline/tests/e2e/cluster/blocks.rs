//! What the chain shows of itself afterwards.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use alloy::primitives::{Address, B256};
use eyre::{OptionExt as _, ensure};
use serde_json::{Value, json};
use wattline_testing::{PATIENCE, eventually};

use super::nodes::{Cluster, Node, quantity};

/// Requests in one batch.
const BATCH: usize = 200;

/// A final block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) hash: B256,
    /// Its time in milliseconds.
    pub(super) time: u64,
}

impl Node {
    /// Its blocks of these numbers.
    pub(super) async fn blocks(&self, numbers: RangeInclusive<u64>) -> eyre::Result<Vec<Block>> {
        let params: Vec<_> = numbers
            .map(|number| json!([format!("0x{number:x}"), false]))
            .collect();
        let mut blocks = Vec::new();
        for params in params.chunks(BATCH) {
            let found = self.rpc.results("eth_getBlockByNumber", params).await?;
            blocks.extend(found.iter().map(block).collect::<eyre::Result<Vec<_>>>()?);
        }
        Ok(blocks)
    }

    /// The pauses between these blocks by the times that they carry, in order.
    pub(super) async fn pauses(&self, numbers: RangeInclusive<u64>) -> eyre::Result<Vec<Duration>> {
        let blocks = self.blocks(numbers).await?;
        let pairs = blocks.windows(2);
        Ok(pairs
            .map(|pair| Duration::from_millis(pair[1].time - pair[0].time))
            .collect())
    }

    /// Who sealed these blocks.
    pub(super) async fn sealers(
        &self,
        numbers: RangeInclusive<u64>,
    ) -> eyre::Result<BTreeSet<Address>> {
        let params: Vec<_> = numbers
            .map(|number| json!([format!("0x{number:x}")]))
            .collect();
        let found = self.rpc.results("clique_getSigner", &params).await?;
        let sealers = found.into_iter().map(serde_json::from_value);
        Ok(sealers.collect::<Result<_, _>>()?)
    }
}

fn block(value: &Value) -> eyre::Result<Block> {
    Ok(Block {
        number: quantity(&value["number"])?,
        hash: serde_json::from_value(value["hash"].clone())?,
        time: quantity(&value["milliTimestamp"])?,
    })
}

impl Cluster {
    /// What must be true whatever has happened: the nodes that run hold the same blocks, up to the
    /// one that the last acknowledged transaction is in and beyond, each acknowledged transaction
    /// is among them, and the last one has a certificate that a quorum signed.
    pub(super) async fn check(&self, acknowledged: &BTreeSet<B256>) -> eyre::Result<()> {
        let first = self.running().next().ok_or_eyre("no node runs")?;
        eventually("the acknowledged transactions are mined", async || {
            missing(first, acknowledged)
                .await
                .ok()?
                .is_empty()
                .then_some(())
        })
        .await;
        let height = first.head().await?;
        let expected = first.blocks(0..=height).await?;
        for node in self.running() {
            node.reach_within(height, PATIENCE).await?;
            let blocks = node.blocks(0..=height).await?;
            ensure!(blocks == expected, "{} differs", node.datadir.display());
        }
        let params = json!([format!("0x{height:x}")]);
        let certificate = eventually("the head has a certificate", async || {
            let found = first
                .rpc
                .result("consensus_getFinalization", params.clone());
            found.await.ok().filter(Value::is_object)
        })
        .await;
        ensure!(
            quantity(&certificate["blockNumber"])? >= height,
            "{certificate}"
        );
        let signatures = certificate["signatures"].as_array().map_or(0, Vec::len);
        let committee = first.standing().await?.committee;
        // The committee may have changed since by one member.
        let quorum = committee - committee.saturating_sub(1) / 3;
        ensure!(
            signatures + 1 >= quorum,
            "{signatures} of {committee} signed"
        );
        Ok(())
    }
}

/// The acknowledged transactions that are not in the chain.
async fn missing(node: &Node, acknowledged: &BTreeSet<B256>) -> eyre::Result<Vec<B256>> {
    let hashes: Vec<_> = acknowledged.iter().copied().collect();
    let mut missing = Vec::new();
    for hashes in hashes.chunks(BATCH) {
        let params: Vec<_> = hashes.iter().map(|hash| json!([hash])).collect();
        let receipts = node
            .rpc
            .results("eth_getTransactionReceipt", &params)
            .await?;
        let lost = hashes
            .iter()
            .zip(&receipts)
            .filter(|(_, receipt)| receipt.is_null());
        missing.extend(lost.map(|(hash, _)| *hash));
    }
    Ok(missing)
}
