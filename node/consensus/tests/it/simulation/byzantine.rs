//! Validators that lie.

use alloy_primitives::{B256, U256};
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_consensus::{
    Application,
    marshal::ancestry::Ancestry,
    simplex::types::{Notarize, Proposal, Vote},
};
use commonware_cryptography::{Digested, Signer as _};
use commonware_math::algebra::Random as _;
use commonware_p2p::{Receiver as _, Recipients, Sender as _, utils::mux::Muxer};
use commonware_runtime::{Quota, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::{NZU32, ordered::Set};
use wattline_clique::seal;
use wattline_consensus::{AgreedBlock, BlockHash, Context, Execution, Scheme};
use wattline_primitives::{Block, SealedBlock};
use wattline_producer::SignerKey;

use super::{Cluster, clock::Skewed, node::Node};

/// How a validator lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    /// Its blocks name another state than they lead to.
    State,
    /// Its blocks are from the future.
    Time,
    /// Its blocks come before their time.
    Early,
    /// Its blocks claim another turn.
    Turn,
    /// It votes for every block.
    VoteForAll,
    /// It votes for no block.
    VoteForNone,
    /// It proposes nothing.
    Silence,
}

/// All of them.
pub(crate) const LIES: [Lie; 7] = [
    Lie::State,
    Lie::Time,
    Lie::Early,
    Lie::Turn,
    Lie::VoteForAll,
    Lie::VoteForNone,
    Lie::Silence,
];

/// An application that lies.
#[derive(Clone)]
pub(crate) struct Liar {
    pub(crate) honest: Execution,
    pub(crate) key: SignerKey,
    pub(crate) lie: Lie,
}

impl Liar {
    /// The block with a lie in it, sealed as it should be.
    fn forge(&self, block: &SealedBlock) -> AgreedBlock {
        let mut header = block.header().clone();
        match self.lie {
            Lie::State => header.state_root = B256::repeat_byte(0xbd),
            Lie::Time => header.timestamp += 5,
            Lie::Early => header.timestamp = header.timestamp.saturating_sub(2),
            Lie::Turn => header.difficulty = U256::from(3) - header.difficulty,
            Lie::VoteForAll | Lie::VoteForNone | Lie::Silence => {
                return AgreedBlock::new(block.clone());
            }
        }
        let header = seal(header, |hash| self.key.seal(hash)).expect("the header takes a seal");
        AgreedBlock::new(SealedBlock::seal_slow(Block {
            header,
            body: block.body().clone(),
        }))
    }
}

impl Application<Skewed> for Liar {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = AgreedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        round: (Skewed, Context),
        ancestry: impl Ancestry<AgreedBlock>,
        (): (),
    ) -> Option<Digested<AgreedBlock>> {
        if matches!(self.lie, Lie::Silence) {
            return None;
        }
        let block = self.honest.propose(round, ancestry, ()).await?;
        Some(self.forge(block.inner().block()).digested())
    }

    async fn verify(
        &mut self,
        round: (Skewed, Context),
        ancestry: impl Ancestry<AgreedBlock>,
    ) -> bool {
        match self.lie {
            Lie::VoteForAll => true,
            Lie::VoteForNone => false,
            _ => self.honest.verify(round, ancestry).await,
        }
    }
}

/// Runs a validator in place of node `index` that votes for every proposal, and for another one in
/// the same view.
pub(crate) async fn double_voter(ctx: &deterministic::Context, cluster: &Cluster, index: usize) {
    let key = cluster.nodes[index].key.clone();
    let control = cluster.oracle.control(key.public_key());
    let quota = Quota::per_second(NZU32!(256));
    let (sender, receiver) = control.register(0, quota).await.expect("the network runs");
    let (mux, mut votes) = Muxer::new(ctx.child("double_voter"), sender, receiver);
    mux.start();
    let (mut sender, mut receiver) = votes.register(0).await.expect("a new subchannel");
    let keys = cluster.nodes.iter().map(Node::public_key);
    let namespace = [
        b"wattline:",
        cluster.genesis.spec().chain_hash().as_slice(),
    ]
    .concat();
    let scheme = Scheme::signer(&namespace, Set::from_iter_dedup(keys), key);
    let scheme = scheme.expect("a member");
    ctx.child("double_voter").spawn(move |mut ctx| async move {
        while let Ok((_, message)) = receiver.recv().await {
            let Ok(Vote::Notarize(theirs)) = Vote::<Scheme, BlockHash>::decode(message) else {
                continue;
            };
            let other = Proposal::new(
                theirs.round(),
                theirs.proposal.parent,
                BlockHash::random(&mut ctx),
            );
            for proposal in [theirs.proposal, other] {
                let vote = Notarize::<Scheme, _>::sign(&scheme, proposal).expect("it signs");
                sender.send(Recipients::All, Vote::Notarize(vote).encode(), true);
            }
        }
    });
}
