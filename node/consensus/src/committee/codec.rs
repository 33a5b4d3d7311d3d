//! Committees as the database keeps them.

use alloy_primitives::{Address, B256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519::PublicKey;

use super::{Committee, CommitteeError, Peer, Validator};

#[derive(RlpEncodable, RlpDecodable)]
struct Stored {
    validators: Vec<StoredValidator>,
    others: Vec<StoredPeer>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct StoredValidator {
    signer: Address,
    node: StoredPeer,
}

#[derive(RlpEncodable, RlpDecodable)]
struct StoredPeer {
    key: B256,
    address: String,
}

impl Committee {
    /// Its bytes in the database.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            validators: self
                .validators
                .iter()
                .map(|member| StoredValidator {
                    signer: member.signer,
                    node: StoredPeer::from(&member.node),
                })
                .collect(),
            others: self.others.iter().map(StoredPeer::from).collect(),
        };
        let mut bytes = Vec::new();
        stored.encode(&mut bytes);
        bytes
    }

    /// The committee of `epoch` from its bytes in the database.
    ///
    /// # Errors
    ///
    /// [`CommitteeError::Damaged`] or [`CommitteeError::Key`] if they are not what
    /// [`encode`](Self::encode) made.
    pub fn decode(epoch: u64, mut bytes: &[u8]) -> Result<Self, CommitteeError> {
        let stored = Stored::decode(&mut bytes)
            .map_err(|reason| CommitteeError::Damaged { epoch, reason })?;
        let validators = stored.validators.into_iter().map(|member| {
            Ok(Validator {
                signer: member.signer,
                node: member.node.try_into()?,
            })
        });
        Ok(Self {
            validators: validators.collect::<Result<_, CommitteeError>>()?,
            others: stored
                .others
                .into_iter()
                .map(Peer::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Peer> for StoredPeer {
    fn from(peer: &Peer) -> Self {
        Self {
            key: B256::from_slice(&peer.key),
            address: peer.address.clone(),
        }
    }
}

impl TryFrom<StoredPeer> for Peer {
    type Error = CommitteeError;

    fn try_from(stored: StoredPeer) -> Result<Self, CommitteeError> {
        Ok(Self {
            key: public_key(stored.key)?,
            address: stored.address,
        })
    }
}

/// The key that the bytes are.
pub(crate) fn public_key(bytes: B256) -> Result<PublicKey, CommitteeError> {
    PublicKey::decode(Copying(bytes.as_slice())).map_err(|_| CommitteeError::Key(bytes))
}
