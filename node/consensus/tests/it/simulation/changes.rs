//! What the consortium and its signers change while the chain goes on.

use std::time::Duration;

use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use commonware_runtime::{Clock as _, deterministic::Context};

use super::{
    Cluster, Load, below,
    genesis::{Member, listed},
};

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The last of the accounts is voted in as a signer, or out if it is one.
    Vote,
    /// A member's node moves.
    Move,
    /// A member changes its node key.
    Key,
    /// The last member is taken in, or removed.
    Member,
}

/// The members as the Consortium contract will have them when all changes are in the chain.
pub(crate) struct Changes {
    members: Vec<Member>,
    /// Whose node has another key to go on with, and that.
    pending_key: Option<(usize, PrivateKey)>,
    left: Vec<Change>,
}

impl Changes {
    /// All changes may come, or all but those that keep a validator out of the agreement for a
    /// while. `members` of the nodes are known to the consortium, in their order.
    pub(crate) fn new(cluster: &Cluster, members: usize, may_miss_one: bool) -> Self {
        let known = cluster.nodes.iter().map(|node| Member {
            is_active: node.index < members,
            ..Member::new(cluster.signer_of(node.index), node.public_key())
        });
        let mut left = vec![Change::Vote, Change::Move, Change::Member];
        if may_miss_one {
            left.push(Change::Key);
        }
        Self {
            members: known.collect(),
            pending_key: None,
            left,
        }
    }

    /// Whether a validator may be out of the agreement for an epoch and none was.
    pub(crate) fn may_miss_one(&self) -> bool {
        self.left.contains(&Change::Key)
    }

    /// Takes note that one is.
    pub(crate) fn one_is_missing(&mut self) {
        self.left.retain(|other| *other != Change::Key);
    }

    /// Makes one of the changes.
    pub(crate) fn make(&mut self, ctx: &mut Context, cluster: &Cluster, load: &mut Load) {
        let change = self.left[below(ctx, self.left.len() as u64) as usize];
        self.make_this(ctx, cluster, load, change);
    }

    pub(crate) fn make_this(
        &mut self,
        ctx: &mut Context,
        cluster: &Cluster,
        load: &mut Load,
        change: Change,
    ) {
        let last = self.members.len() - 1;
        match change {
            Change::Vote => vote(cluster, last),
            Change::Move => {
                let index = below(ctx, last as u64) as usize;
                // Any text may stand there.
                let endpoints = ["node.example:30303", "nowhere", "", "[::1]:9", ":0"];
                let endpoint = endpoints[below(ctx, endpoints.len() as u64) as usize];
                endpoint.clone_into(&mut self.members[index].endpoint);
                self.write(ctx, cluster, load, index);
            }
            Change::Key => {
                self.one_is_missing();
                let index = below(ctx, last as u64) as usize;
                let key = PrivateKey::from_seed(1_000 + index as u64);
                self.members[index].key = key.public_key();
                self.pending_key = Some((index, key));
                self.write(ctx, cluster, load, index);
            }
            Change::Member => {
                self.members[last].is_active ^= true;
                self.write(ctx, cluster, load, last);
                let (slot, word) = listed(self.members.len());
                load.write(cluster, via(ctx, cluster), slot, word);
            }
        }
    }

    /// Lets the node whose key was changed go on with the new one, as soon as the contract has it:
    /// until an epoch begins with the new key nobody hears the node, nor what waits in its pool.
    pub(crate) async fn follow(&mut self, cluster: &mut Cluster, load: &Load) {
        let is_written = load.is_written(cluster, cluster.honest()[0]);
        if is_written && let Some((index, key)) = self.pending_key.take() {
            cluster.change_key(index, key).await;
        }
    }

    /// Has all nodes know each other again.
    pub(crate) async fn settle(
        &mut self,
        ctx: &mut Context,
        cluster: &mut Cluster,
        load: &mut Load,
    ) {
        let last = self.members.len() - 1;
        if !self.members[last].is_active {
            self.make_this(ctx, cluster, load, Change::Member);
        }
        let deadline = cluster.ctx.current() + Duration::from_secs(60);
        while self.pending_key.is_some() {
            assert!(
                cluster.ctx.current() < deadline,
                "the contract does not take a member's new key"
            );
            cluster.ctx.sleep(Duration::from_millis(250)).await;
            self.follow(cluster, load).await;
        }
    }

    /// Sends a node what to write of a member.
    fn write(&self, ctx: &mut Context, cluster: &Cluster, load: &mut Load, index: usize) {
        let via = via(ctx, cluster);
        for (slot, word) in self.members[index].storage(index) {
            load.write(cluster, via, slot, word);
        }
    }
}

/// Some node that runs. The last one may be no member, and nobody hears it then.
fn via(ctx: &mut Context, cluster: &Cluster) -> usize {
    let mut honest = cluster.honest();
    honest.retain(|index| index + 1 < cluster.nodes.len());
    honest[below(ctx, honest.len() as u64) as usize]
}

/// Every node votes the account in, or out.
fn vote(cluster: &Cluster, index: usize) {
    let account = cluster.signer_of(index);
    for index in cluster.running() {
        let parts = cluster.parts(index);
        let head = parts.chain.head().hash();
        let snapshot = parts.chain.snapshot(head).expect("the head has a snapshot");
        let authorize = !snapshot.signers.contains(&account);
        // Refused where it would leave nobody.
        let _ = cluster.producer(index).propose(account, authorize);
    }
}
