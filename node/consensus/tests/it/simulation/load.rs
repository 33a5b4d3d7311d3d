//! Transactions that clients send, and what they were promised.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::PrivateKeySigner;
use wattline_chain::test_utils::{call, transfer};

use super::{
    Cluster,
    genesis::{CONSORTIUM, administrator},
};

/// One client per node, each with an account of its own, that sends to its node only.
pub(crate) struct Load {
    keys: Vec<PrivateKeySigner>,
    nonces: Vec<u64>,
    /// What changes the consortium.
    changes: Vec<B256>,
    /// What was acknowledged, with the node that did.
    pub(crate) acknowledged: BTreeMap<B256, usize>,
}

impl Load {
    /// Clients of all nodes, by their signers' accounts.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let count = cluster.nodes.len();
        Self {
            keys: (0..count)
                .map(|index| cluster.accounts.key(index).clone())
                .collect(),
            nonces: vec![0; count],
            changes: Vec::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Sends the next transaction of a node's client, if the node runs.
    pub(crate) fn send(&mut self, cluster: &Cluster, index: usize) -> Option<B256> {
        let parts = cluster.nodes[index].parts()?;
        let nonce = &mut self.nonces[index];
        let to = Address::repeat_byte(0x70);
        let transaction = transfer(&self.keys[index], *nonce, to, 1 + *nonce);
        let hash = parts.pool.add(transaction.into_inner());
        let hash = hash.expect("the next transaction of a funded account is valid");
        *nonce += 1;
        self.acknowledged.insert(hash, index);
        Some(hash)
    }

    /// Writes a word into the storage of the Consortium contract, by way of one node.
    pub(crate) fn write(&mut self, cluster: &Cluster, index: usize, slot: U256, word: U256) {
        let administrator = administrator();
        let input = [slot.to_be_bytes::<32>(), word.to_be_bytes()].concat();
        let key = administrator.key(0);
        let transaction = call(key, self.changes.len() as u64, CONSORTIUM, 100_000, input);
        let hash = cluster.parts(index).pool.add(transaction.into_inner());
        let hash = hash.expect("the next transaction of a funded account is valid");
        self.changes.push(hash);
        self.acknowledged.insert(hash, index);
    }

    /// Whether all changes of the consortium are in the chain of the node at `index`.
    pub(crate) fn is_written(&self, cluster: &Cluster, index: usize) -> bool {
        let missing = self.missing(cluster, index);
        !missing.iter().any(|(hash, _)| self.changes.contains(hash))
    }

    /// Which acknowledged transactions are not in the chain of the node at `index`.
    pub(crate) fn missing(&self, cluster: &Cluster, index: usize) -> Vec<(B256, usize)> {
        let reader = cluster
            .parts(index)
            .chain
            .storage()
            .reader()
            .expect("the database reads");
        self.acknowledged
            .iter()
            .filter(|(hash, _)| {
                reader
                    .transaction(**hash)
                    .expect("the database reads")
                    .is_none()
            })
            .map(|(hash, node)| (*hash, *node))
            .collect()
    }
}
