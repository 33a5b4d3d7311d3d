//! A peer whose address the operator knows better than the chain.

use std::str::FromStr;

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Ingress;
use wattline_primitives::EndpointError;

use crate::key::{self, KeyError};

/// `KEY@HOST:PORT`: where to dial the node with this key, whatever the chain says. For a node whose
/// genesis file or last block holds addresses that are out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootnode {
    /// The node.
    pub key: PublicKey,
    /// Where it is dialled.
    pub ingress: Ingress,
}

/// Why something is no bootnode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootnodeError {
    /// Key and address are not told apart.
    #[error("{found:?} is no bootnode: expected KEY@HOST:PORT")]
    NoKey {
        /// What was there instead.
        found: String,
    },
    /// What stands before the `@` is no node key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What stands behind the `@` is no address.
    #[error(transparent)]
    Address(#[from] EndpointError),
}

impl FromStr for Bootnode {
    type Err = BootnodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, address) = text.split_once('@').ok_or_else(|| BootnodeError::NoKey {
            found: text.chars().take(300).collect(),
        })?;
        Ok(Self {
            key: key::parse(key)?,
            ingress: super::parse(address)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    #[test]
    fn a_bootnode_is_a_key_and_an_address() {
        let key = PrivateKey::from_seed(3).public_key();
        let bootnode: Bootnode = format!("{key}@node.example.org:30303")
            .parse()
            .expect("a bootnode");
        assert_eq!(bootnode.key, key);
        assert_eq!(
            crate::address::display(&bootnode.ingress),
            "node.example.org:30303"
        );
    }

    #[test]
    fn what_is_no_bootnode_is_named() {
        let key = PrivateKey::from_seed(3).public_key();
        let message = |text: &str| Bootnode::from_str(text).expect_err("none").to_string();
        assert_eq!(
            message("node.example.org:30303"),
            "\"node.example.org:30303\" is no bootnode: expected KEY@HOST:PORT"
        );
        assert_eq!(
            message("ab@node.example.org:30303"),
            "\"ab\" is no node key: expected 64 hexadecimal digits, with or without 0x before them"
        );
        assert_eq!(
            message(&format!("{key}@node.example.org")),
            "`node.example.org` has no port: expected host:port, such as node.example:30303"
        );
    }
}
