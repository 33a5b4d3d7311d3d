//! The way out of this node's votes.

use std::time::SystemTime;

use commonware_actor::{Feedback, Unreliable};
use commonware_codec::ReadExt as _;
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients};
use commonware_runtime::IoBufs;

use super::OwnVotes;

/// Sends the votes of an epoch, and takes note of each before it leaves. What the engine reports
/// comes later, and would let a node answer that it has not voted in a view in which it has.
#[derive(Clone, Debug)]
pub(crate) struct Voice<S> {
    inner: S,
    epoch: Epoch,
    votes: OwnVotes,
}

impl<S> Voice<S> {
    pub(crate) const fn new(inner: S, epoch: Epoch, votes: OwnVotes) -> Self {
        Self {
            inner,
            epoch,
            votes,
        }
    }
}

/// Sends one vote.
#[derive(Debug)]
pub(crate) struct CheckedVoice<'a, C> {
    inner: C,
    epoch: Epoch,
    votes: &'a OwnVotes,
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Voice<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = CheckedVoice<'a, S::Checked<'a>>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        // Before the check: the vote counts here even if nobody can be sent it.
        self.votes.leaving(self.epoch);
        Ok(CheckedVoice {
            inner: self.inner.check(recipients)?,
            epoch: self.epoch,
            votes: &self.votes,
        })
    }
}

impl<C: CheckedSender<PublicKey = PublicKey>> CheckedSender for CheckedVoice<'_, C> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message = message.into();
        if let Some(view) = view(message.clone()) {
            self.votes.leaves(self.epoch, view);
        }
        self.inner.send(message, priority)
    }
}

/// The view of an encoded vote: its kind comes first, and then its round.
fn view(mut vote: IoBufs) -> Option<View> {
    u8::read(&mut vote).ok()?;
    Some(Round::read(&mut vote).ok()?.view())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use commonware_codec::Encode as _;
    use commonware_consensus::simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote};
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
    use commonware_utils::ordered::Set;

    use super::*;
    use crate::{BlockHash, Scheme};

    #[test]
    fn the_view_of_every_vote_is_read() {
        let key = PrivateKey::from_seed(1);
        let members = Set::from_iter_dedup([key.public_key()]);
        let scheme = Scheme::signer(b"votes", members, key).expect("a member");
        let round = Round::new(Epoch::new(300), View::new(70_000));
        let proposal = || Proposal::new(round, View::new(69_999), BlockHash(B256::ZERO));
        let votes: [Vote<Scheme, BlockHash>; 3] = [
            Vote::Notarize(Notarize::sign(&scheme, proposal()).expect("a signer")),
            Vote::Nullify(Nullify::sign::<BlockHash>(&scheme, round).expect("a signer")),
            Vote::Finalize(Finalize::sign(&scheme, proposal()).expect("a signer")),
        ];
        for vote in votes {
            assert_eq!(view(vote.encode().into()), Some(View::new(70_000)));
        }
        assert_eq!(view(IoBufs::default()), None);
    }
}
