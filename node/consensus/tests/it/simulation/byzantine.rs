//! Validators that lie.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, U256};
use commonware_codec::DecodeExt as _;
use commonware_consensus::{
    Application,
    marshal::ancestry::Ancestry,
    simplex::types::{
        Certificate, Finalization, Finalize, Notarization, Notarize, Nullification, Nullify,
        Proposal, Subject, Vote,
    },
};
use commonware_cryptography::{
    Digested, Signer as _,
    certificate::{Attestation, Scheme as _, Signers},
    ed25519::{PrivateKey, PublicKey, certificate::Certificate as Signatures},
};
use commonware_math::algebra::Random as _;
use commonware_p2p::{Receiver as _, Recipients, Sender as _, utils::mux};
use commonware_runtime::{Quota, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::{NZU32, ordered::Set};
use parking_lot::Mutex;
use wattline_clique::seal;
use wattline_consensus::{AgreedBlock, BlockHash, Context, Execution, Scheme};
use wattline_network::Channel;
use wattline_primitives::{Block, SealedBlock};
use wattline_producer::SignerKey;

use super::{
    Cluster,
    clock::Skewed,
    node::{Node, answer_all},
    tap::in_subchannel,
};

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
    /// Some get another body under the header of its block, also when they ask for one.
    Bodies,
    /// Some get one block of it and a vote for that, and the others another.
    TwoBlocks,
    /// It votes for its blocks and gives them to nobody.
    WithholdBlocks,
    /// Some get its blocks.
    WithholdFromSome,
    /// Its votes reach nobody.
    WithholdVotes,
    /// It answers no request for what is missing.
    ServeNothing,
    /// A bit of each of its messages is turned.
    Noise,
}

/// All of them.
pub(crate) const LIES: [Lie; 14] = [
    Lie::State,
    Lie::Time,
    Lie::Early,
    Lie::Turn,
    Lie::VoteForAll,
    Lie::VoteForNone,
    Lie::Silence,
    Lie::Bodies,
    Lie::TwoBlocks,
    Lie::WithholdBlocks,
    Lie::WithholdFromSome,
    Lie::WithholdVotes,
    Lie::ServeNothing,
    Lie::Noise,
];

/// What a validator that lies needs to sign whatever it likes.
#[derive(Clone, Debug)]
pub(crate) struct Forger {
    node: PrivateKey,
    signer: SignerKey,
    namespace: Vec<u8>,
    /// Which bit of a peer's key decides of which of two groups it is.
    bit: u64,
    /// The other block to each of its blocks.
    twins: Arc<Mutex<BTreeMap<BlockHash, SealedBlock>>>,
}

impl Forger {
    pub(crate) fn new(node: PrivateKey, signer: SignerKey, chain: B256, bit: u64) -> Self {
        Self {
            node,
            signer,
            namespace: namespace(chain),
            bit,
            twins: Arc::default(),
        }
    }

    pub(crate) fn is_favoured(&self, peer: &PublicKey) -> bool {
        peer.as_ref()[0] >> (self.bit % 8) & 1 == 0
    }

    /// The other block to one of its blocks.
    pub(crate) fn twin(&self, block: &BlockHash) -> Option<SealedBlock> {
        self.twins.lock().get(block).cloned()
    }

    /// Signs with the node key, in a committee of its own.
    pub(crate) fn scheme(&self) -> Scheme {
        let committee = Set::from_iter_dedup([self.node.public_key()]);
        Scheme::signer(&self.namespace, committee, self.node.clone()).expect("a member")
    }

    /// Seals a changed header, under the same body.
    fn sealed(
        &self,
        block: &SealedBlock,
        change: impl FnOnce(&mut alloy_consensus::Header),
    ) -> SealedBlock {
        let mut header = block.header().clone();
        change(&mut header);
        let header = seal(header, |hash| self.signer.seal(hash)).expect("the header takes a seal");
        SealedBlock::seal_slow(Block {
            header,
            body: block.body().clone(),
        })
    }
}

/// What the votes of a chain are signed with besides their content.
fn namespace(chain: B256) -> Vec<u8> {
    [b"wattline:", chain.as_slice()].concat()
}

/// An application that lies if it is told to.
#[derive(Clone)]
pub(crate) struct Liar {
    pub(crate) honest: Execution,
    pub(crate) lie: Option<(Lie, Forger)>,
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
        if matches!(self.lie, Some((Lie::Silence, _))) {
            return None;
        }
        let block = self.honest.propose(round, ancestry, ()).await?;
        let Some((lie, forger)) = &self.lie else {
            return Some(block);
        };
        let block = forger.sealed(block.inner().block(), |header| match lie {
            Lie::State => header.state_root = B256::repeat_byte(0xbd),
            Lie::Time => header.timestamp += 5,
            Lie::Early => header.timestamp = header.timestamp.saturating_sub(2),
            Lie::Turn => header.difficulty = U256::from(3) - header.difficulty,
            _ => {}
        });
        if matches!(lie, Lie::TwoBlocks) {
            let twin = forger.sealed(&block, |header| {
                let mut extra = header.extra_data.to_vec();
                extra[0] ^= 0xff;
                header.extra_data = extra.into();
            });
            let hash = BlockHash(block.hash());
            forger.twins.lock().insert(hash, twin);
        }
        Some(AgreedBlock::new(block).digested())
    }

    async fn verify(
        &mut self,
        round: (Skewed, Context),
        ancestry: impl Ancestry<AgreedBlock>,
    ) -> bool {
        match self.lie {
            Some((Lie::VoteForAll, _)) => true,
            Some((Lie::VoteForNone, _)) => false,
            _ => self.honest.verify(round, ancestry).await,
        }
    }
}

/// Validators that run in place of nodes, at the place of the first of them, and see the others'
/// votes in the first epoch.
struct Impostors {
    schemes: Vec<Scheme>,
    votes: Ends,
    certificates: Ends,
}

type Ends = (
    commonware_p2p::simulated::Sender<PublicKey, deterministic::Context>,
    commonware_p2p::simulated::Receiver<PublicKey>,
);

impl Impostors {
    async fn new(cluster: &Cluster, indices: &[usize]) -> Self {
        let control = cluster
            .oracle
            .control(cluster.nodes[indices[0]].public_key());
        let quota = Quota::per_second(NZU32!(256));
        let keys = Set::from_iter_dedup(cluster.nodes.iter().map(Node::public_key));
        let namespace = namespace(cluster.genesis.spec().chain_hash());
        let scheme = |index: &usize| {
            let key = cluster.nodes[*index].key.clone();
            Scheme::signer(&namespace, keys.clone(), key).expect("a member")
        };
        let open = async |channel: Channel| {
            let ends = control.register(channel.number(), quota).await;
            ends.expect("the network runs")
        };
        // Who asks is told that no vote was cast.
        for index in indices {
            let control = cluster.oracle.control(cluster.nodes[*index].public_key());
            let number = Channel::Standings.number();
            let ends = control.register(number, quota).await;
            let told = ends.expect("the network runs");
            let not_begun = [&[0, 1][..], &[0; 16]].concat();
            cluster
                .ctx
                .child("answers")
                .spawn(move |_| answer_all(told, not_begun));
        }
        Self {
            schemes: indices.iter().map(scheme).collect(),
            votes: open(Channel::Votes).await,
            certificates: open(Channel::Certificates).await,
        }
    }

    /// The next vote of another validator.
    async fn next(&mut self) -> (PublicKey, Vote<Scheme, BlockHash>) {
        loop {
            let (peer, message) = self.votes.1.recv().await.expect("the network runs");
            if let Ok((0, message)) = mux::parse(message)
                && let Ok(vote) = Vote::decode(message)
            {
                return (peer, vote);
            }
        }
    }

    /// A certificate of a vote and those of the impostors, be they enough or not.
    fn certify(&self, theirs: Vote<Scheme, BlockHash>) -> Certificate<Scheme, BlockHash> {
        let join = |theirs: Attestation<Scheme>, subject: Subject<'_, BlockHash>| {
            let ours = self.schemes.iter().map(|scheme| scheme.sign(subject));
            let mut all: Vec<_> = ours.map(|vote| vote.expect("it signs")).collect();
            all.push(theirs);
            all.sort_by_key(|vote| vote.signer);
            let members = self.schemes[0].participants().len() as u32;
            let signers = Signers::new(members, all.iter().map(|vote| vote.signer));
            Signatures {
                signers: signers.expect("members"),
                signatures: all.into_iter().map(|vote| vote.signature).collect(),
            }
        };
        match theirs {
            Vote::Notarize(Notarize {
                proposal,
                attestation,
            }) => {
                let subject = Subject::Notarize {
                    proposal: &proposal,
                };
                Certificate::Notarization(Notarization {
                    certificate: join(attestation, subject),
                    proposal,
                })
            }
            Vote::Nullify(Nullify { round, attestation }) => {
                Certificate::Nullification(Nullification {
                    round,
                    certificate: join(attestation, Subject::Nullify { round }),
                })
            }
            Vote::Finalize(Finalize {
                proposal,
                attestation,
            }) => {
                let subject = Subject::Finalize {
                    proposal: &proposal,
                };
                Certificate::Finalization(Finalization {
                    certificate: join(attestation, subject),
                    proposal,
                })
            }
        }
    }
}

/// Runs a validator in place of node `index` that votes for every proposal, and for another one in
/// the same view.
pub(crate) async fn double_voter(ctx: &deterministic::Context, cluster: &Cluster, index: usize) {
    let mut this = Impostors::new(cluster, &[index]).await;
    ctx.child("double_voter").spawn(move |mut ctx| async move {
        loop {
            let (_, Vote::Notarize(theirs)) = this.next().await else {
                continue;
            };
            let other = Proposal::new(
                theirs.round(),
                theirs.proposal.parent,
                BlockHash::random(&mut ctx),
            );
            for proposal in [theirs.proposal, other] {
                let vote = Notarize::sign(&this.schemes[0], proposal).expect("it signs");
                let vote = in_subchannel(0, &Vote::Notarize(vote));
                this.votes.0.send(Recipients::All, vote, true);
            }
        }
    });
}

/// Runs validators in place of nodes that agree with everybody: who votes gets a certificate of its
/// vote and theirs.
pub(crate) async fn certifiers(ctx: &deterministic::Context, cluster: &Cluster, indices: &[usize]) {
    let mut this = Impostors::new(cluster, indices).await;
    ctx.child("certifiers").spawn(move |_| async move {
        loop {
            let (peer, theirs) = this.next().await;
            let message = in_subchannel(0, &this.certify(theirs));
            this.certificates
                .0
                .send(Recipients::One(peer), message, true);
        }
    });
}
