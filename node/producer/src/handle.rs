use std::collections::BTreeMap;

use alloy_primitives::Address;

use crate::proposals::Proposals;

/// What the rest of the node may ask of a running producer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProducerHandle {
    signer: Address,
    proposals: Proposals,
}

impl ProducerHandle {
    pub(crate) const fn new(signer: Address, proposals: Proposals) -> Self {
        Self { signer, proposals }
    }

    /// The account that blocks are sealed with.
    pub const fn signer(&self) -> Address {
        self.signer
    }

    /// From now on votes to add `account` to the signers, or to drop it, in blocks sealed here,
    /// for as long as that would change anything.
    pub fn propose(&self, account: Address, authorize: bool) {
        self.proposals.propose(account, authorize);
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
