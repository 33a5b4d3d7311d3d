//! What peers have sent and the pool has not looked at yet.

use std::collections::VecDeque;

use alloy_primitives::Bytes;
use commonware_cryptography::ed25519::PublicKey;

/// Most batches of one peer that wait. More than these are dropped, so that a peer that floods this
/// node delays the others by little.
const MAX_OF_PEER: usize = 4;
/// Most transactions that go to the pool at once.
const MAX_AT_ONCE: usize = 4_096;

/// What peers have sent and the pool has not looked at yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(VecDeque<(PublicKey, Vec<Bytes>)>);

impl Inbox {
    /// Whether another batch of this peer may wait.
    pub(super) fn has_room_for(&self, peer: &PublicKey) -> bool {
        let waiting = self.0.iter().filter(|(sender, _)| sender == peer);
        waiting.count() < MAX_OF_PEER
    }

    /// Has a batch wait.
    pub(super) fn put(&mut self, peer: PublicKey, transactions: Vec<Bytes>) {
        if !transactions.is_empty() {
            self.0.push_back((peer, transactions));
        }
    }

    /// Takes out what goes to the pool at once: the senders of transactions, and those.
    pub(super) fn take(&mut self) -> Option<(Vec<PublicKey>, Vec<Bytes>)> {
        let mut senders = Vec::new();
        let mut taken = Vec::new();
        while taken.len() < MAX_AT_ONCE
            && let Some((peer, transactions)) = self.0.pop_front()
        {
            senders.resize(senders.len() + transactions.len(), peer);
            taken.extend(transactions);
        }
        (!taken.is_empty()).then_some((senders, taken))
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    #[test]
    fn a_peer_that_floods_leaves_room_for_the_others() {
        let [flood, other] = [1, 2].map(|seed| PrivateKey::from_seed(seed).public_key());
        let mut inbox = Inbox::default();
        let one = Bytes::from_static(b"one");
        while inbox.has_room_for(&flood) {
            inbox.put(flood.clone(), vec![one.clone(); 3]);
        }
        inbox.put(other.clone(), vec![]);
        assert!(inbox.has_room_for(&other));
        inbox.put(other.clone(), vec![one]);
        let (senders, transactions) = inbox.take().expect("some");
        assert_eq!(transactions.len(), 3 * MAX_OF_PEER + 1);
        assert_eq!(senders.len(), transactions.len());
        assert_eq!(senders.last(), Some(&other));
        assert_eq!(inbox.take(), None);
        assert!(inbox.has_room_for(&flood));
    }
}
