//! The first members of the consortium.

use alloy_primitives::{Address, B256};
use thiserror::Error;
use wattline_market::abi::IConsortium::{NewMember, Role};
use wattline_primitives::{Endpoint, EndpointError};

use crate::config::{FirstMember, MemberRole};

/// Why the members of a configuration make no consortium.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    /// A node without a key cannot connect.
    #[error("member `{0}` has no `node_key`: expected the ed25519 public key that its node shows")]
    NoNodeKey(String),
    /// Two nodes of one key would be one.
    #[error("members `{first}` and `{second}` have the same `node_key` {node_key}")]
    SameNodeKey {
        /// The key.
        node_key: B256,
        /// The earlier member.
        first: String,
        /// The later member.
        second: String,
    },
    /// A signer is one member.
    #[error("members `{first}` and `{second}` have the same `signer` {signer}")]
    SameSigner {
        /// The account.
        signer: Address,
        /// The earlier member.
        first: String,
        /// The later member.
        second: String,
    },
    /// A node is nowhere.
    #[error("the `address` of member `{name}` cannot be used: {source}")]
    Address {
        /// The member.
        name: String,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// A signer has no node to take part in the agreement with.
    #[error("signer {0} is no member: every one of `clique.signers` needs an entry in `members`")]
    NoMember(Address),
    /// A signer's node would only follow.
    #[error("member `{name}` is an observer, but its signer {signer} is one of `clique.signers`")]
    Observes {
        /// The member.
        name: String,
        /// Its signer.
        signer: Address,
    },
}

/// The members as the contract takes them, of a chain with these first signers.
///
/// # Errors
///
/// The first [`MemberError`] in the order of the file.
pub(crate) fn first_members(
    members: &[FirstMember],
    signers: &[Address],
) -> Result<Vec<NewMember>, MemberError> {
    for (index, member) in members.iter().enumerate() {
        check(member, members.iter().take(index))?;
    }
    if !members.is_empty() {
        for signer in signers {
            check_signer(*signer, members)?;
        }
    }
    Ok(members.iter().map(admitted).collect())
}

fn check<'a>(
    member: &FirstMember,
    mut earlier: impl Iterator<Item = &'a FirstMember> + Clone,
) -> Result<(), MemberError> {
    let second = || member.name.clone();
    let node_key = member.node_key.filter(|key| !key.is_zero());
    let node_key = node_key.ok_or_else(|| MemberError::NoNodeKey(second()))?;
    let mut others = earlier.clone();
    if let Some(first) = others.find(|other| other.node_key == Some(node_key)) {
        return Err(MemberError::SameNodeKey {
            node_key,
            first: first.name.clone(),
            second: second(),
        });
    }
    if let Some(first) = earlier.find(|other| other.signer == member.signer) {
        return Err(MemberError::SameSigner {
            signer: member.signer,
            first: first.name.clone(),
            second: second(),
        });
    }
    match member.address.parse::<Endpoint>() {
        Ok(_) => Ok(()),
        Err(source) => Err(MemberError::Address {
            name: second(),
            source,
        }),
    }
}

/// A signer takes part in the agreement, so it is a member whose node does.
fn check_signer(signer: Address, members: &[FirstMember]) -> Result<(), MemberError> {
    let member = members.iter().find(|member| member.signer == signer);
    let member = member.ok_or(MemberError::NoMember(signer))?;
    match member.role {
        MemberRole::Validator => Ok(()),
        MemberRole::Observer => Err(MemberError::Observes {
            name: member.name.clone(),
            signer,
        }),
    }
}

fn admitted(member: &FirstMember) -> NewMember {
    NewMember {
        nodeKey: member.node_key.unwrap_or_default(),
        signer: member.signer,
        role: match member.role {
            MemberRole::Validator => Role::Validator,
            MemberRole::Observer => Role::Observer,
        },
        name: member.name.clone(),
        endpoint: member.address.clone(),
    }
}
