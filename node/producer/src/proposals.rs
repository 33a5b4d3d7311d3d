use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use parking_lot::Mutex;
use rand::{Rng, seq::IteratorRandom};
use wattline_clique::Snapshot;

/// The votes that this signer is to cast, as its operator proposed them: account to whether it
/// should be a signer. Clones share them. They live as long as the process, as in geth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proposals(Arc<Mutex<BTreeMap<Address, bool>>>);

impl Proposals {
    pub(crate) fn propose(&self, account: Address, authorize: bool) {
        self.0.lock().insert(account, authorize);
    }

    pub(crate) fn discard(&self, account: &Address) {
        self.0.lock().remove(account);
    }

    pub(crate) fn all(&self) -> BTreeMap<Address, bool> {
        self.0.lock().clone()
    }

    /// A vote for the next block: one of the proposals that would still change something, at
    /// random, so that several are carried forward side by side. A signer that has become the only
    /// one is not dropped, whatever was proposed before.
    pub(crate) fn pick(&self, snapshot: &Snapshot, rng: &mut impl Rng) -> Option<(Address, bool)> {
        self.0
            .lock()
            .iter()
            .map(|(account, authorize)| (*account, *authorize))
            .filter(|(account, authorize)| snapshot.is_valid_vote(*account, *authorize))
            .filter(|(account, authorize)| *authorize || !snapshot.is_only_signer(*account))
            .choose(rng)
    }
}
