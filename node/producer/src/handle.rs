use std::collections::BTreeMap;

use alloy_primitives::Address;
use wattline_chain::Chain;

use crate::{ProposalError, proposals::Proposals};

/// What the rest of the node may ask of a running producer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProducerHandle {
    signer: Address,
    chain: Chain,
    proposals: Proposals,
}

impl ProducerHandle {
    pub(crate) const fn new(signer: Address, chain: Chain, proposals: Proposals) -> Self {
        Self {
            signer,
            chain,
            proposals,
        }
    }

    /// The account that blocks are sealed with.
    pub const fn signer(&self) -> Address {
        self.signer
    }

    /// From now on votes to add `account` to the signers, or to drop it, in blocks sealed here,
    /// for as long as that would change anything and leaves a signer.
    ///
    /// # Errors
    ///
    /// [`ProposalError::OnlySigner`] to drop the only signer, [`ProposalError::Chain`] if the
    /// signers cannot be read.
    pub fn propose(&self, account: Address, authorize: bool) -> Result<(), ProposalError> {
        if !authorize {
            let snapshot = self.chain.snapshot(self.chain.head().hash())?;
            if snapshot.is_only_signer(account) {
                return Err(ProposalError::OnlySigner(account));
            }
        }
        self.proposals.propose(account, authorize);
        Ok(())
    }

    /// The standing proposals: account to whether it should be a signer.
    pub fn proposals(&self) -> BTreeMap<Address, bool> {
        self.proposals.all()
    }

    /// Stops voting on `account`.
    pub fn discard(&self, account: Address) {
        self.proposals.discard(&account);
    }
}
