//! What a validator that lies does to the messages that it sends.

use std::time::SystemTime;

use alloy_rlp::Decodable as _;
use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{
    Copying, Decode as _, DecodeExt as _, Encode as _, RangeCfg, Read as _, varint::UInt,
};
use commonware_consensus::simplex::types::{Finalize, Notarize, Proposal, Vote};
use commonware_cryptography::{certificate::Verifier as _, ed25519::PublicKey};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender as _, utils::mux};
use commonware_runtime::{IoBuf, IoBufs};
use wattline_consensus::{AgreedBlock, BlockHash, Finalization, Scheme};
use wattline_network::Channel;
use wattline_primitives::{Block, SealedBlock};

use super::byzantine::{Forger, Lie};

/// What happens to the messages of one channel on their way out.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    pub(crate) lie: Lie,
    pub(crate) channel: Channel,
    pub(crate) forger: Forger,
}

impl Tap {
    /// What this peer gets in place of a message, if anything.
    fn turn(&self, peer: &PublicKey, message: IoBuf) -> Option<IoBuf> {
        let is_favoured = self.forger.is_favoured(peer);
        match (self.lie, self.channel) {
            (Lie::WithholdBlocks, Channel::Blocks) | (Lie::WithholdVotes, Channel::Votes) => None,
            (Lie::WithholdFromSome, Channel::Blocks) => is_favoured.then_some(message),
            (Lie::WithholdBlocks | Lie::ServeNothing, Channel::Backfill) => {
                is_request(&message).then_some(message)
            }
            (Lie::ServeNothing, Channel::Resolver) => {
                let (_, inner) = mux::parse(message.clone()).expect("a message of ours");
                is_request(&inner).then_some(message)
            }
            (Lie::Bodies, Channel::Blocks) if !is_favoured => {
                Some(other_body(message.as_ref()).into())
            }
            (Lie::Bodies, Channel::Backfill) if !is_favoured => Some(other_answer(&message)),
            (Lie::TwoBlocks, Channel::Blocks) if !is_favoured => Some(self.twin(message)),
            (Lie::TwoBlocks, Channel::Votes) if !is_favoured => Some(self.vote_for_twin(message)),
            (Lie::Noise, _) => Some(damaged(&message)),
            _ => Some(message),
        }
    }

    /// The other block in place of one of this node's.
    fn twin(&self, message: IoBuf) -> IoBuf {
        let block = read_block(message.as_ref());
        let hash = SealedBlock::seal_slow(block).hash();
        match self.forger.twin(&BlockHash(hash)) {
            Some(twin) => AgreedBlock::new(twin).encode().into(),
            None => message,
        }
    }

    /// A vote for the other block in place of one for this node's.
    fn vote_for_twin(&self, message: IoBuf) -> IoBuf {
        let (epoch, vote) = mux::parse(message.clone()).expect("a message of ours");
        let vote = Vote::<Scheme, BlockHash>::decode(vote).expect("a vote of ours");
        let other = |proposal: &Proposal<BlockHash>| {
            let twin = self.forger.twin(&proposal.payload)?;
            let payload = BlockHash(twin.hash());
            Some(Proposal::new(proposal.round, proposal.parent, payload))
        };
        let scheme = self.forger.scheme();
        let forged = match &vote {
            Vote::Notarize(vote) => other(&vote.proposal).map(|proposal| {
                let mut forged = Notarize::sign(&scheme, proposal).expect("it signs");
                forged.attestation.signer = vote.attestation.signer;
                Vote::Notarize(forged)
            }),
            Vote::Finalize(vote) => other(&vote.proposal).map(|proposal| {
                let mut forged = Finalize::sign(&scheme, proposal).expect("it signs");
                forged.attestation.signer = vote.attestation.signer;
                Vote::Finalize(forged)
            }),
            Vote::Nullify(_) => None,
        };
        forged.map_or(message, |forged| in_subchannel(epoch, &forged))
    }
}

/// A message for one epoch.
pub(crate) fn in_subchannel(epoch: u64, message: &impl commonware_codec::Encode) -> IoBuf {
    [UInt(epoch).encode(), message.encode()].concat().into()
}

/// Whether a message of the library's resolver asks for something: behind the number of the request
/// is what it is.
fn is_request(message: &IoBuf) -> bool {
    message.as_ref().get(8) == Some(&0)
}

/// The bytes behind their length.
fn bytes(message: &[u8]) -> Result<Bytes, commonware_codec::Error> {
    Bytes::decode_cfg(Copying(message), &RangeCfg::from(..))
}

fn read_block(message: &[u8]) -> Block {
    let rlp = bytes(message).expect("a block of ours");
    Block::decode(&mut rlp.as_ref()).expect("a block of ours")
}

/// The block with another body under the same header.
fn other_body(message: &[u8]) -> Vec<u8> {
    let mut block = read_block(message);
    if block.body.transactions.pop().is_none() {
        block.body.ommers.push(block.header.clone());
    }
    Bytes::from(alloy_rlp::encode(&block)).encode().to_vec()
}

/// An answer in which the block, behind a certificate or alone, has another body.
fn other_answer(message: &IoBuf) -> IoBuf {
    let (head, value) = message.as_ref().split_at(9);
    if head[8] != 1 {
        return message.clone();
    }
    let value = bytes(value).expect("an answer of ours");
    // A notarization is written as a finalization is.
    let mut behind = Copying(&value);
    let limits = Scheme::certificate_codec_config_unbounded();
    let (certificate, block) = match Finalization::read_cfg(&mut behind, &limits) {
        Ok(_) => value.split_at(value.len() - behind.0.len()),
        Err(_) => value.split_at(0),
    };
    if bytes(block).is_err() {
        return message.clone();
    }
    let value = Bytes::from([certificate, &other_body(block)].concat());
    [head, &value.encode()].concat().into()
}

/// The message with a bit turned.
fn damaged(message: &IoBuf) -> IoBuf {
    let mut bytes = message.as_ref().to_vec();
    let place = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    let length = bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place % length) {
        *byte ^= 1 << (place % 8);
    }
    bytes.into()
}

/// Sends on a channel, by way of a tap if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Tapped<S> {
    pub(crate) inner: S,
    pub(crate) tap: Option<Tap>,
}

/// Sends one message.
pub(crate) enum Checked<'a, S: LimitedSender> {
    Honest(S::Checked<'a>),
    Tapped {
        inner: &'a mut S,
        tap: &'a Tap,
        recipients: Vec<PublicKey>,
    },
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Tapped<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = Checked<'a, S>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let Some(tap) = &self.tap else {
            return self.inner.check(recipients).map(Checked::Honest);
        };
        let recipients = self.inner.check(recipients)?.recipients();
        Ok(Checked::Tapped {
            inner: &mut self.inner,
            tap,
            recipients,
        })
    }
}

impl<S: LimitedSender<PublicKey = PublicKey>> CheckedSender for Checked<'_, S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        match self {
            Self::Honest(inner) => inner.recipients(),
            Self::Tapped { recipients, .. } => recipients.clone(),
        }
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let (inner, tap, recipients) = match self {
            Self::Honest(inner) => return inner.send(message, priority),
            Self::Tapped {
                inner,
                tap,
                recipients,
            } => (inner, tap, recipients),
        };
        let message = message.into().coalesce();
        for peer in recipients {
            if let Some(message) = tap.turn(&peer, message.clone()) {
                inner.send(Recipients::One(peer), message, priority);
            }
        }
        Unreliable::new(Feedback::Ok)
    }
}
