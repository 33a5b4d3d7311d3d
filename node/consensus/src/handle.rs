//! What the rest of the node asks of the agreement.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes};
use commonware_codec::Encode as _;
use commonware_consensus::{Epochable as _, Viewable as _};
use commonware_cryptography::ed25519::PublicKey;
use tokio::sync::watch;
use wattline_chain::Chain;

use crate::{AgreementError, Evidence, Status, committee::Committees, store::decode};

/// Proof that a block is final.
#[derive(Clone, Debug)]
pub struct Finality {
    /// The number of the block that the certificate names: the asked one, or a descendant.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The epoch that decided it.
    pub epoch: u64,
    /// The view in which it became final.
    pub view: u64,
    /// The members of the committee that signed, with their signers and signatures.
    pub signatures: Vec<MemberSignature>,
    /// The whole certificate, in the engine's encoding.
    pub certificate: Bytes,
}

/// The signature of a member of a committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSignature {
    /// Its node key.
    pub key: PublicKey,
    /// The account that seals its blocks.
    pub signer: Address,
    /// 64 bytes of ed25519.
    pub signature: Bytes,
}

/// Answers about the agreement while it runs. Cheap to clone.
#[derive(Clone)]
pub struct AgreementHandle {
    chain: Chain,
    committees: Committees,
    status: watch::Receiver<Status>,
}

impl AgreementHandle {
    pub(crate) const fn new(
        chain: Chain,
        committees: Committees,
        status: watch::Receiver<Status>,
    ) -> Self {
        Self {
            chain,
            committees,
            status,
        }
    }

    /// Proof that block `number` is final: the certificate of it, or of the first block above it
    /// that has one. `None` if the block is not final.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn finalization(&self, number: u64) -> Result<Option<Finality>, AgreementError> {
        let found = self.chain.storage().reader()?.certificate_from(number)?;
        let Some((number, hash, encoded)) = found else {
            return Ok(None);
        };
        let finalization = decode(number, encoded)?;
        let epoch = finalization.epoch();
        let committee = self.committees.expect(epoch)?;
        let keys = committee.keys();
        let certificate = &finalization.certificate;
        let signatures = certificate.signers.iter().zip(&certificate.signatures);
        let signatures = signatures.filter_map(|(place, signature)| {
            let key = keys.get(place.get() as usize)?.clone();
            Some(MemberSignature {
                signer: committee.signer_of(&key)?,
                key,
                signature: Bytes::copy_from_slice(signature.get()?),
            })
        });
        Ok(Some(Finality {
            number,
            hash,
            epoch: epoch.get(),
            view: finalization.view().get(),
            signatures: signatures.collect(),
            certificate: finalization.encode().into(),
        }))
    }

    /// Up to `limit` pieces of evidence from number `from` on.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn evidence(&self, from: u64, limit: usize) -> Result<Vec<Evidence>, AgreementError> {
        let stored = self.chain.storage().reader()?.evidence(from, limit)?;
        let read = |(index, proof)| Evidence::read(&self.committees, index, proof);
        stored.into_iter().map(read).collect()
    }

    /// Where this node stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Follows where this node stands.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl fmt::Debug for AgreementHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgreementHandle")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}
