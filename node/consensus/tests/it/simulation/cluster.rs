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
use rand_core::Rng as _;
use wattline_chain::test_utils::{Signers, TestGenesis};
use wattline_clique::recover_signer;
use wattline_consensus::{AgreementError, Role};
use wattline_producer::ProducerHandle;

use super::{
    byzantine::{Forger, Lie},
    genesis::{Member, genesis},
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
        Self::build(ctx, members, signers, members, 8).await
    }

    /// The same with epochs of `epoch` blocks.
    pub(crate) async fn with_epoch(
        ctx: &Context,
        members: usize,
        signers: usize,
        epoch: u64,
    ) -> Self {
        Self::build(ctx, members, signers, members, epoch).await
    }

    /// The same with `nodes` nodes. The consortium does not know of those after `members`.
    pub(crate) async fn with_stranger(
        ctx: &Context,
        nodes: usize,
        signers: usize,
        members: usize,
    ) -> Self {
        Self::build(ctx, nodes, signers, members, 8).await
    }

    async fn build(
        ctx: &Context,
        nodes: usize,
        signers: usize,
        members: usize,
        epoch: u64,
    ) -> Self {
        let accounts = Signers::new(nodes);
        let keys: Vec<_> = (0..nodes as u64).map(PrivateKey::from_seed).collect();
        let known = keys[..members].iter().enumerate();
        let known =
            known.map(|(index, key)| Member::new(accounts.address(index), key.public_key()));
        let genesis = genesis(&accounts, signers, &known.collect::<Vec<_>>(), epoch);
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
        let all = keys.into_iter().enumerate().map(|(index, key)| {
            let signer = Some(accounts.key(index).clone());
            Node::new(index, key, signer, heads.clone())
        });
        let cluster = Self {
            ctx: ctx.child("cluster"),
            oracle,
            genesis,
            nodes: all.collect(),
            accounts,
        };
        for index in 0..nodes {
            cluster.link_well(index).await;
        }
        cluster
    }

    /// Links a node with all others, both ways.
    pub(crate) async fn link_well(&self, index: usize) {
        for other in 0..self.nodes.len() {
            self.link(index, other, Some(good_link())).await;
            self.link(other, index, Some(good_link())).await;
        }
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

    /// Starts a node.
    pub(crate) async fn start(&mut self, index: usize) {
        self.try_start(index).await.expect("the node starts");
    }

    /// Starts a node, if it can.
    pub(crate) async fn try_start(&mut self, index: usize) -> Result<(), AgreementError> {
        let node = &mut self.nodes[index];
        let started = node.start(&self.ctx, &self.oracle, &self.genesis);
        started.await
    }

    /// Starts a node that lies, and will whenever it starts.
    pub(crate) async fn start_liar(&mut self, index: usize, lie: Lie) {
        let forger = Forger::new(
            self.nodes[index].key.clone(),
            self.accounts.key(index).clone().into(),
            self.genesis.spec().chain_hash(),
            self.ctx.next_u64(),
        );
        self.nodes[index].lie = Some((lie, forger));
        self.start(index).await;
    }

    /// Gives a node another node key, and starts it with that.
    pub(crate) async fn change_key(&mut self, index: usize, key: PrivateKey) {
        self.crash(index).await;
        self.nodes[index].key = key;
        self.link_well(index).await;
        self.start(index).await;
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

    /// The indices of the nodes that run and do not lie.
    pub(crate) fn honest(&self) -> Vec<usize> {
        let is_honest = |node: &&Node| node.run.is_some() && node.lie.is_none();
        let honest = self.nodes.iter().filter(is_honest);
        honest.map(|node| node.index).collect()
    }

    /// Waits until all honest nodes that run have stored block `number`.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`.
    pub(crate) async fn reach(&self, number: u64, limit: Duration) {
        let deadline = self.ctx.current() + limit;
        loop {
            let heads: Vec<_> = self
                .honest()
                .into_iter()
                .map(|index| {
                    let status = self.parts(index).agreement.status();
                    let members = status.committee.validators().len();
                    (index, self.head(index), status.role, status.epoch, members)
                })
                .collect();
            if heads.iter().all(|(_, head, ..)| *head >= number) {
                return;
            }
            assert!(
                self.ctx.current() < deadline,
                "block {number} is not everywhere after {limit:?}: heads {heads:?}"
            );
            self.ctx.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until those of the first `count` nodes vote that do not lie.
    pub(crate) async fn all_vote(&self, count: usize) {
        let votes = |index| {
            let lies = |node: &Node| node.lie.is_some();
            lies(&self.nodes[index]) || self.parts(index).agreement.status().role == Role::Votes
        };
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
            if let Some(parts) = node.parts() {
                node.check(&parts.chain);
            }
        }
    }
}
