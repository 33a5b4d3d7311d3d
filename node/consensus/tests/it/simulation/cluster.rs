//! Several nodes on one simulated network.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::simulated::{self, Link, Network, Oracle};
use commonware_runtime::{Clock as _, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, probability};
use wattline_chain::test_utils::{Signers, TestGenesis};
use wattline_clique::recover_signer;
use wattline_consensus::{AgreementError, Role};
use wattline_producer::ProducerHandle;

use super::{
    byzantine::{Liar, Lie},
    genesis::genesis,
    heads::Heads,
    node::{Node, Parts},
};

/// A good link.
pub(crate) fn good_link() -> Link {
    Link {
        latency: Duration::from_millis(10),
        jitter: Duration::from_millis(3),
        success_rate: probability!(1.0),
    }
}

/// Nodes on one network.
pub(crate) struct Cluster {
    pub(crate) ctx: Context,
    pub(crate) oracle: Oracle<PublicKey, Context>,
    pub(crate) genesis: TestGenesis,
    pub(crate) accounts: Signers,
    pub(crate) nodes: Vec<Node>,
}

impl Cluster {
    /// A network of `members` nodes, all linked, of which the first `signers` seal and the others
    /// follow. None runs yet.
    pub(crate) async fn new(ctx: &Context, members: usize, signers: usize) -> Self {
        Self::with_epoch(ctx, members, signers, 8).await
    }

    /// The same with epochs of `epoch` blocks.
    pub(crate) async fn with_epoch(
        ctx: &Context,
        members: usize,
        signers: usize,
        epoch: u64,
    ) -> Self {
        let accounts = Signers::new(members);
        let keys: Vec<_> = (0..members as u64).map(PrivateKey::from_seed).collect();
        let public: Vec<_> = keys.iter().map(PrivateKey::public_key).collect();
        let genesis = genesis(&accounts, signers, &public, epoch);
        let (network, oracle) = Network::new(
            ctx.child("network"),
            simulated::Config {
                max_size: 16 << 20,
                // Queues have room for a burst of every peer of every set.
                max_peers_per_set: NZUsize!(8),
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(8),
            },
        );
        network.start();
        let heads = Heads::default();
        let nodes = keys.into_iter().enumerate().map(|(index, key)| {
            let signer = Some(accounts.key(index).clone());
            Node::new(index, key, signer, heads.clone())
        });
        let cluster = Self {
            ctx: ctx.child("cluster"),
            oracle,
            genesis,
            nodes: nodes.collect(),
            accounts,
        };
        for one in 0..members {
            for other in 0..members {
                cluster.link(one, other, Some(good_link())).await;
            }
        }
        cluster
    }

    /// Sets the way from one node to another, or cuts it.
    pub(crate) async fn link(&self, from: usize, to: usize, link: Option<Link>) {
        if from == to {
            return;
        }
        let (from, to) = (self.nodes[from].public_key(), self.nodes[to].public_key());
        let _ = self.oracle.remove_link(from.clone(), to.clone()).await;
        if let Some(link) = link {
            let added = self.oracle.add_link(from, to, link).await;
            added.expect("the link was cut");
        }
    }

    /// Starts an honest node.
    pub(crate) async fn start(&mut self, index: usize) {
        self.try_start(index).await.expect("the node starts");
    }

    /// Starts an honest node, if it can.
    pub(crate) async fn try_start(&mut self, index: usize) -> Result<(), AgreementError> {
        let node = &mut self.nodes[index];
        let started = node.start(&self.ctx, &self.oracle, &self.genesis, |honest| honest);
        started.await
    }

    /// Starts a node that lies.
    pub(crate) async fn start_liar(&mut self, index: usize, lie: Lie) {
        let key = self.accounts.key(index).clone().into();
        let wrap = move |honest| Liar { honest, key, lie };
        let node = &mut self.nodes[index];
        let started = node.start(&self.ctx, &self.oracle, &self.genesis, wrap);
        started.await.expect("the node starts");
    }

    pub(crate) async fn start_all(&mut self) {
        for index in 0..self.nodes.len() {
            self.start(index).await;
        }
    }

    pub(crate) async fn crash(&mut self, index: usize) {
        let ctx = self.ctx.child("crash");
        self.nodes[index].crash(&ctx).await;
    }

    pub(crate) fn parts(&self, index: usize) -> &Parts {
        self.nodes[index].parts().expect("the node runs")
    }

    /// What the node at `index` is directed by as a signer.
    pub(crate) fn producer(&self, index: usize) -> &ProducerHandle {
        self.parts(index)
            .producer
            .as_ref()
            .expect("the node has a signer")
    }

    /// The account that seals the blocks of the node at `index`.
    pub(crate) fn signer_of(&self, index: usize) -> Address {
        self.accounts.address(index)
    }

    /// Who sealed these blocks, by the node at `index`.
    pub(crate) fn sealers(&self, index: usize, blocks: RangeInclusive<u64>) -> BTreeSet<Address> {
        let reader = self
            .parts(index)
            .chain
            .storage()
            .reader()
            .expect("the database reads");
        blocks
            .map(|number| {
                let header = reader.header(number).expect("the database reads");
                recover_signer(&header.expect("a stored block")).expect("a sealed block")
            })
            .collect()
    }

    pub(crate) fn head(&self, index: usize) -> u64 {
        self.parts(index).chain.head().number
    }

    /// The indices of the nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        let running = self.nodes.iter().filter(|node| node.run.is_some());
        running.map(|node| node.index).collect()
    }

    /// Waits until all nodes that run have stored block `number`.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub(crate) async fn reach(&self, number: u64, limit: Duration) {
        let deadline = self.ctx.current() + limit;
        loop {
            let heads: Vec<_> = self
                .running()
                .into_iter()
                .map(|index| {
                    let role = self.parts(index).agreement.status().role;
                    (index, self.head(index), role)
                })
                .collect();
            if heads.iter().all(|(_, head, _)| *head >= number) {
                return;
            }
            assert!(
                self.ctx.current() < deadline,
                "block {number} is not everywhere after {limit:?}: heads {heads:?}"
            );
            self.ctx.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the first `count` nodes vote.
    pub(crate) async fn all_vote(&self, count: usize) {
        let votes = |index| self.parts(index).agreement.status().role == Role::Votes;
        while !(0..count).all(votes) {
            self.ctx.sleep(Duration::from_millis(50)).await;
        }
    }

    /// No two nodes differ at a height, and none forgot what it showed.
    pub(crate) fn check(&self) {
        let mut agreed: BTreeMap<u64, B256> = BTreeMap::new();
        for node in &self.nodes {
            for (number, hash) in node.shown.lock().iter() {
                let other = agreed.entry(*number).or_insert(*hash);
                assert_eq!(other, hash, "node {} differs at block {number}", node.index);
            }
            let Some(parts) = node.parts() else { continue };
            let reader = parts.chain.storage().reader().expect("the database reads");
            for (number, hash) in node.shown.lock().iter() {
                let stored = reader.block_hash(*number).expect("the database reads");
                assert_eq!(
                    stored,
                    Some(*hash),
                    "node {} lost block {number}",
                    node.index
                );
            }
        }
    }
}
