use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use parking_lot::Mutex;
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

    /// A vote for the child of the block that `snapshot` is of: one of the proposals that would still
    /// change something, as the hash of that block has it, so that several are carried forward side
    /// by side. A signer that has become the only one is not dropped, whatever was proposed before.
    pub(crate) fn pick(&self, snapshot: &Snapshot) -> Option<(Address, bool)> {
        let candidates: Vec<_> = self
            .0
            .lock()
            .iter()
            .map(|(account, authorize)| (*account, *authorize))
            .filter(|(account, authorize)| snapshot.is_valid_vote(*account, *authorize))
            .filter(|(account, authorize)| *authorize || !snapshot.is_only_signer(*account))
            .collect();
        let [.., a, b, c, d] = snapshot.hash.0;
        let draw = u32::from_be_bytes([a, b, c, d]) as usize;
        let index = draw.checked_rem(candidates.len())?;
        candidates.get(index).copied()
    }
}
