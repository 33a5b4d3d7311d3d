//! What the engine sees of the other nodes' votes, and proof of what no honest node does.

use std::sync::Arc;

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_actor::Feedback;
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{Epochable, Reporter, Viewable, simplex::types::Attributable};
use commonware_cryptography::{
    certificate::{Scheme as _, Verifier as _},
    ed25519::PublicKey,
};
use commonware_parallel::Sequential;
use parking_lot::Mutex;
use tracing::{debug, error};
use wattline_chain::Chain;
use wattline_storage::StorageResult;

use crate::{
    AgreementError, Runtime, Scheme, committee::Committees, rejoin::OwnVotes, runtime::Activity,
};

/// Proof that a validator contradicted itself.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its place in the order in which this node found such proof.
    pub index: u64,
    /// What the validator did.
    pub kind: EvidenceKind,
    /// Its node key.
    pub key: PublicKey,
    /// The epoch in which it did.
    pub epoch: u64,
    /// The view in which it did.
    pub view: u64,
    /// The two votes, in the engine's encoding.
    pub proof: Bytes,
}

/// How a validator contradicted itself in one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// It voted for two blocks.
    ConflictingNotarize,
    /// It voted that two blocks are final.
    ConflictingFinalize,
    /// It voted to pass the view over, and that its block is final.
    NullifyFinalize,
}

impl Evidence {
    /// Reads the proof of number `index` from the database.
    pub(crate) fn read(
        committees: &Committees,
        index: u64,
        proof: Vec<u8>,
    ) -> Result<Self, AgreementError> {
        let proof = Bytes::from(proof);
        let cfg = Scheme::certificate_codec_config_unbounded();
        let activity = Activity::decode_cfg(proof.clone(), &cfg);
        let damaged = |reason| AgreementError::Evidence { index, reason };
        let activity = activity.map_err(|error| damaged(error.to_string()))?;
        let (kind, signer) = match &activity {
            Activity::ConflictingNotarize(votes) => {
                (EvidenceKind::ConflictingNotarize, votes.signer())
            }
            Activity::ConflictingFinalize(votes) => {
                (EvidenceKind::ConflictingFinalize, votes.signer())
            }
            Activity::NullifyFinalize(votes) => (EvidenceKind::NullifyFinalize, votes.signer()),
            _ => return Err(damaged("votes that are no contradiction".to_owned())),
        };
        let keys = committees.expect(activity.epoch())?.keys();
        let key = keys.get(signer.get() as usize).cloned();
        Ok(Self {
            index,
            kind,
            key: key.ok_or_else(|| damaged(format!("no member has place {signer}")))?,
            epoch: activity.epoch().get(),
            view: activity.view().get(),
            proof,
        })
    }
}

/// Keeps proof of what no honest node does, tells the chain of blocks that are as good as final, and
/// takes note of this node's own votes.
pub(crate) struct Observer<E> {
    ctx: Arc<Mutex<E>>,
    chain: Chain,
    scheme: Scheme,
    votes: OwnVotes,
}

impl<E> Clone for Observer<E> {
    fn clone(&self) -> Self {
        Self {
            ctx: self.ctx.clone(),
            chain: self.chain.clone(),
            scheme: self.scheme.clone(),
            votes: self.votes.clone(),
        }
    }
}

impl<E: Runtime> Observer<E> {
    pub(crate) fn new(ctx: E, chain: Chain, scheme: Scheme, votes: OwnVotes) -> Self {
        Self {
            ctx: Arc::new(Mutex::new(ctx)),
            chain,
            scheme,
            votes,
        }
    }

    /// Takes note of a vote, if it is this node's.
    fn note(&self, vote: &(impl Attributable + Epochable + Viewable)) {
        let me = self.scheme.me().and_then(|me| me.signer());
        if me == Some(vote.signer()) {
            self.votes.seen(vote.epoch(), vote.view());
        }
    }

    /// Keeps the proof, if it is one. The engine has blocked the sender already, so there are few.
    fn keep(&self, activity: &Activity) {
        let mut ctx = self.ctx.lock();
        if !activity.verify(&mut *ctx, &self.scheme, &Sequential) {
            debug!("votes that contradict each other are not signed");
            return;
        }
        error!(
            ?activity,
            "a validator contradicts itself: keeping its votes as evidence"
        );
        metrics::counter!("wattline_consensus_evidence_total").increment(1);
        let (storage, encoded) = (self.chain.storage().clone(), activity.encode());
        ctx.child("evidence")
            .shared(true)
            .spawn(move |_| async move {
                let kept: StorageResult<()> = (|| {
                    let mut writer = storage.writer()?;
                    writer.put_evidence(&encoded)?;
                    writer.commit()
                })();
                if let Err(error) = kept {
                    error!(%error, "evidence cannot be stored");
                }
            });
    }
}

impl<E: Runtime> Reporter for Observer<E> {
    type Activity = Activity;

    fn report(&mut self, activity: Activity) -> Feedback {
        match &activity {
            // It may have been executed in between.
            Activity::Notarization(notarization) | Activity::Certification(notarization) => {
                let hash: B256 = notarization.proposal.payload.0;
                if self.chain.executed(&hash).is_some() {
                    self.chain.set_pending(hash);
                }
            }
            Activity::Notarize(vote) => self.note(vote),
            Activity::Nullify(vote) => self.note(vote),
            Activity::Finalize(vote) => self.note(vote),
            Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => self.keep(&activity),
            _ => {}
        }
        Feedback::Ok
    }
}
