//! How far the peers have come, by what they say.

use std::{cmp::Reverse, fmt, sync::Arc};

use commonware_consensus::types::Height;
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::vec::NonEmptyVec;

/// Tells which block each connected peer says is its last final one. Cheap to clone.
#[derive(Clone)]
pub struct PeerHeads(Arc<dyn Fn() -> Vec<(PublicKey, u64)> + Send + Sync>);

impl PeerHeads {
    /// Asks `heads` whenever somebody wants to know.
    pub fn new(heads: impl Fn() -> Vec<(PublicKey, u64)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(heads))
    }

    /// The certificates to ask for, and whom, on a node that knows of final blocks up to number
    /// `known` in an epoch whose last block has number `last`. What is below them comes with them.
    ///
    /// Liars name blocks that do not exist, so it is not the highest one alone: also the one that
    /// more than a third of those that are ahead claim to have, and the one that all do. Only who
    /// claims it is asked.
    pub(crate) fn wanted(&self, known: u64, last: u64) -> Vec<(Height, NonEmptyVec<PublicKey>)> {
        let mut ahead = (self.0)();
        ahead.retain(|(_, head)| *head > known);
        // No certificate of a later epoch can be checked yet.
        ahead
            .iter_mut()
            .for_each(|(_, head)| *head = last.min(*head));
        ahead.sort_unstable_by_key(|(_, head)| Reverse(*head));
        let at = |place: usize| ahead.get(place).map(|(_, head)| *head);
        let places = [0, ahead.len() / 3, ahead.len().saturating_sub(1)];
        let mut heights: Vec<_> = places.into_iter().filter_map(at).collect();
        heights.dedup();
        heights
            .into_iter()
            .filter_map(|height| {
                let have = ahead.iter().filter(|(_, head)| *head >= height);
                let targets = have.map(|(peer, _)| peer.clone()).collect::<Vec<_>>();
                Some((Height::new(height), NonEmptyVec::try_from(targets).ok()?))
            })
            .collect()
    }
}

impl fmt::Debug for PeerHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerHeads").field(&(self.0)()).finish()
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    fn key(number: usize) -> PublicKey {
        PrivateKey::from_seed(number as u64).public_key()
    }

    fn wanted(heads: &[u64], known: u64, last: u64) -> Vec<(u64, Vec<PublicKey>)> {
        let heads: Vec<_> = heads.iter().copied().enumerate().collect();
        let heads = PeerHeads::new(move || {
            let heads = heads.iter();
            heads.map(|(number, head)| (key(*number), *head)).collect()
        });
        let wanted = heads.wanted(known, last).into_iter();
        wanted
            .map(|(height, targets)| (height.get(), targets.into_vec()))
            .collect()
    }

    #[test]
    fn a_node_in_step_wants_nothing() {
        assert_eq!(wanted(&[], 0, 7), []);
        assert_eq!(wanted(&[5, 4, 0], 5, 7), []);
    }

    #[test]
    fn those_that_are_beyond_the_epoch_are_asked_for_its_last_block() {
        assert_eq!(wanted(&[90, 4, 8], 5, 7), [(7, vec![key(0), key(2)])]);
    }

    #[test]
    fn one_that_names_a_block_that_is_not_there_is_not_the_only_one_asked() {
        let all = vec![key(1), key(0), key(2)];
        assert_eq!(
            wanted(&[6, u64::MAX, 6], 2, 7),
            [(7, vec![key(1)]), (6, all)]
        );
        assert_eq!(
            wanted(&[u64::MAX, 5], 2, 7),
            [(7, vec![key(0)]), (5, vec![key(0), key(1)])]
        );
    }
}
