//! Certificates that come from elsewhere than the network, a chain file say.

use std::fmt;

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::Decode as _;
use commonware_consensus::Epochable as _;
use commonware_cryptography::certificate::Verifier as _;
use commonware_parallel::Sequential;
use rand_10::rngs::SysRng;
use rand_core::UnwrapErr;
use wattline_chain::Chain;

use crate::{CommitteeError, Finalization, Scheme, committee::Committees};

/// Why a certificate proves nothing of a block.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It is no certificate of the engine's encoding and of at most the committee's size.
    #[error("the certificate of block {number} cannot be read: {source}")]
    Malformed {
        /// The block that it is to prove final.
        number: u64,
        /// What is wrong.
        source: commonware_codec::Error,
    },
    /// It is of another block.
    #[error("the certificate names block {found}, expected {expected}, which is block {number}")]
    OtherBlock {
        /// The block that it is to prove final.
        number: u64,
        /// Its hash.
        expected: B256,
        /// The hash in the certificate.
        found: B256,
    },
    /// It is of another epoch.
    #[error(
        "the certificate of block {number} is of epoch {found}, expected epoch {expected}, which \
         that block is in"
    )]
    OtherEpoch {
        /// The block that it is to prove final.
        number: u64,
        /// The epoch of that block.
        expected: u64,
        /// The epoch in the certificate.
        found: u64,
    },
    /// Its signatures are not good, or too few.
    #[error(
        "the certificate of block {number} is not signed by a quorum of the {validators} members \
         of the committee of epoch {epoch}"
    )]
    Signatures {
        /// The block that it is to prove final.
        number: u64,
        /// Its epoch.
        epoch: u64,
        /// The size of the committee.
        validators: usize,
    },
    /// The committee of the block's epoch is not known.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
}

/// Checks certificates against the committees of a chain.
#[derive(Clone)]
pub struct Verifier {
    committees: Committees,
}

impl Verifier {
    /// For blocks of `chain`, which has a Consortium contract: without one, only the node itself
    /// can say whose certificates count.
    pub fn new(chain: Chain) -> Self {
        Self {
            committees: Committees::new(chain, None),
        }
    }

    /// Whether block `number` must have a certificate of its own, because it ends an epoch: only
    /// then the committee of the next one is known.
    pub fn ends_epoch(&self, number: u64) -> bool {
        self.committees.last(self.committees.epoch(number)) == number
    }

    /// Checks that `certificate` proves the block of `number` and `hash` final. The last block of
    /// the epoch before must be stored, and in the first use of an epoch be the head.
    ///
    /// # Errors
    ///
    /// A [`CertificateError`] which says why it does not.
    pub fn verify(
        &self,
        number: u64,
        hash: B256,
        certificate: &[u8],
    ) -> Result<(), CertificateError> {
        let epoch = self.committees.epoch(number);
        let committee = self.committees.enter(epoch)?;
        let validators = committee.validators().len();
        let scheme = Scheme::verifier(self.committees.namespace(), committee.keys());
        let read = Finalization::decode_cfg(
            Bytes::copy_from_slice(certificate),
            &scheme.certificate_codec_config(),
        );
        let finalization = read.map_err(|source| CertificateError::Malformed { number, source })?;
        let found = finalization.proposal.payload.0;
        if found != hash {
            return Err(CertificateError::OtherBlock {
                number,
                expected: hash,
                found,
            });
        }
        if finalization.epoch() != epoch {
            return Err(CertificateError::OtherEpoch {
                number,
                expected: epoch.get(),
                found: finalization.epoch().get(),
            });
        }
        if !finalization.verify(&mut UnwrapErr(SysRng), &scheme, &Sequential) {
            return Err(CertificateError::Signatures {
                number,
                epoch: epoch.get(),
                validators,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
