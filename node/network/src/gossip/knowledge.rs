//! Which peers know which transactions.

use std::collections::HashMap;

use alloy_primitives::B256;

/// How many transactions are remembered at least, and half of those at most.
const REMEMBERED: usize = 32_768;

/// How many peers are remembered for a transaction. More connections than that have ended.
const MAX_PEERS: usize = 512;

/// Which peers know which transactions, as far as that is remembered. Peers are numbers, which are
/// not used again.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    young: HashMap<B256, Known>,
    /// What was young until that was full. It is forgotten when it is full again.
    old: HashMap<B256, Known>,
}

#[derive(Debug, Default)]
struct Known {
    peers: Vec<u32>,
    by_primary: bool,
}

impl Knowledge {
    /// Takes note that a peer knows a transaction. False if that was known.
    pub(super) fn note(&mut self, hash: B256, peer: u32) -> bool {
        let known = self.entry(hash);
        let is_new = !known.peers.contains(&peer);
        if is_new {
            // A peer that connects again and again has a new number each time.
            if known.peers.len() >= MAX_PEERS {
                known.peers.drain(..MAX_PEERS / 2);
            }
            known.peers.push(peer);
        }
        is_new
    }

    /// Takes note that a peer has sent a transaction.
    pub(super) fn note_sender(&mut self, hash: B256, peer: u32, is_primary: bool) {
        self.note(hash, peer);
        self.entry(hash).by_primary |= is_primary;
    }

    /// Whether a primary peer has sent a transaction. It has sent it to all other primary peers as
    /// well.
    pub(super) fn came_from_primary(&self, hash: &B256) -> bool {
        let known = self.young.get(hash).or_else(|| self.old.get(hash));
        known.is_some_and(|known| known.by_primary)
    }

    fn entry(&mut self, hash: B256) -> &mut Known {
        if self.young.len() >= REMEMBERED && !self.young.contains_key(&hash) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = self.old.remove(&hash);
        self.young
            .entry(hash)
            .or_insert_with(|| old.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    #[test]
    fn a_peer_learns_of_a_transaction_once() {
        let mut knowledge = Knowledge::default();
        let hash = B256::repeat_byte(1);
        assert!(knowledge.note(hash, 1));
        assert!(!knowledge.note(hash, 1));
        assert!(knowledge.note(hash, 2));
        knowledge.note_sender(hash, 3, false);
        assert!(!knowledge.note(hash, 3) && !knowledge.came_from_primary(&hash));
        knowledge.note_sender(hash, 4, true);
        assert!(knowledge.came_from_primary(&hash));
    }

    #[test]
    fn who_connects_again_and_again_takes_no_more_room() {
        let mut knowledge = Knowledge::default();
        let hash = B256::repeat_byte(1);
        for peer in 0..10_000 {
            assert!(knowledge.note(hash, peer));
            assert!(!knowledge.note(hash, peer.saturating_sub(200)));
        }
        assert!(knowledge.young[&hash].peers.len() <= MAX_PEERS);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest() {
        let mut knowledge = Knowledge::default();
        let hash = |number: usize| B256::from(U256::from(number));
        for number in 0..3 * REMEMBERED {
            knowledge.note(hash(number), 1);
            // This one is asked for all the time, so it stays.
            knowledge.note(hash(0), 1);
        }
        assert!(knowledge.young.len() + knowledge.old.len() <= 2 * REMEMBERED);
        assert!(!knowledge.note(hash(0), 1));
        assert!(!knowledge.note(hash(2 * REMEMBERED + 1), 1));
        assert!(knowledge.note(hash(1), 1));
    }
}
