//! Who decides the blocks of an epoch.

mod codec;
mod error;
mod known;

use std::collections::BTreeSet;

use alloy_primitives::Address;
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::ordered::Set;
use wattline_clique::{Snapshot, keeps_going};
use wattline_evm::{Member, MemberRole};

pub use error::CommitteeError;
pub(crate) use known::Committees;

/// A member of a committee: a signer and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// The account that seals blocks.
    pub signer: Address,
    /// Its node.
    pub node: Peer,
}

/// A node of the consortium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its key: its identity in the network, and that of its votes.
    pub key: PublicKey,
    /// Where it listens, as `host:port`.
    pub address: String,
}

/// The committee of an epoch, and the other nodes of the consortium during it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    validators: Vec<Validator>,
    others: Vec<Peer>,
}

impl Committee {
    /// The committee of an epoch: the signers after its last block before it, `snapshot`, with the
    /// nodes that are theirs by `members`, those of the Consortium contract after that block. A
    /// signer without one is left out. Should that committee not keep going (it could find itself
    /// without anybody who may sign), the `former` one stays for another epoch.
    ///
    /// # Errors
    ///
    /// [`CommitteeError::Empty`] if neither is a committee.
    pub fn derive(
        former: Option<&Self>,
        snapshot: &Snapshot,
        members: &[Member],
    ) -> Result<Self, CommitteeError> {
        let nodes: Vec<_> = members.iter().filter_map(node).collect();
        let validators: Vec<_> = snapshot
            .signers
            .iter()
            .filter_map(|signer| {
                let is_its = |(member, _): &&(&Member, Peer)| {
                    member.role == MemberRole::Validator && member.signer == *signer
                };
                let (_, node) = nodes.iter().find(is_its)?;
                Some(Validator {
                    signer: *signer,
                    node: node.clone(),
                })
            })
            .collect();
        let signers: BTreeSet<_> = validators.iter().map(|member| member.signer).collect();
        let validators = if keeps_going(&signers, snapshot) {
            validators
        } else if let Some(former) = former {
            former.validators.clone()
        } else if validators.is_empty() {
            return Err(CommitteeError::Empty {
                number: snapshot.number,
            });
        } else {
            validators
        };
        let is_validator =
            |key: &PublicKey| validators.iter().any(|member| member.node.key == *key);
        let others = nodes
            .into_iter()
            .map(|(_, node)| node)
            .filter(|node| !is_validator(&node.key))
            .collect();
        Ok(Self { validators, others })
    }

    /// The committee of a chain of one signer that has no Consortium contract: the node itself,
    /// without peers.
    pub fn alone(signer: Address, key: PublicKey) -> Self {
        Self {
            validators: vec![Validator {
                signer,
                node: Peer {
                    key,
                    address: String::new(),
                },
            }],
            others: Vec::new(),
        }
    }

    /// Its members, ascending by signer.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The other nodes of the consortium: they follow.
    pub fn others(&self) -> &[Peer] {
        &self.others
    }

    /// The signers of its members.
    pub fn signers(&self) -> BTreeSet<Address> {
        self.validators.iter().map(|member| member.signer).collect()
    }

    /// The keys of its members, in the order in which certificates count them.
    pub fn keys(&self) -> Set<PublicKey> {
        Set::from_iter_dedup(self.validators.iter().map(|member| member.node.key.clone()))
    }

    /// The signer whose node has the key.
    pub fn signer_of(&self, key: &PublicKey) -> Option<Address> {
        let member = self
            .validators
            .iter()
            .find(|member| member.node.key == *key)?;
        Some(member.signer)
    }
}

/// The node of an active member. Its key may be any 32 bytes: those that are no key of anybody are
/// left out.
fn node(member: &Member) -> Option<(&Member, Peer)> {
    if !member.active {
        return None;
    }
    let node = Peer {
        key: codec::public_key(member.node_key).ok()?,
        address: member.endpoint.clone(),
    };
    Some((member, node))
}
