//! Branch nodes of a trie as they are stored.

use super::Value;
use alloy_primitives::B256;
use alloy_trie::TrieMask;

/// A branch node that leads to other branches, not to leaves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Nibbles that have a child.
    pub(crate) children: TrieMask,
    /// Those whose child is not a leaf: a branch, or an extension of one.
    pub(crate) branches: TrieMask,
    /// Those whose branch is stored too.
    pub(crate) stored: TrieMask,
    /// Hash of each child; zero for one so short that this node holds it inline, which takes keys
    /// that are no hashes.
    pub(crate) hashes: Vec<B256>,
}

impl Branch {
    /// Hash of the child at `nibble`.
    pub(crate) fn hash(&self, nibble: u8) -> Option<B256> {
        let before = TrieMask::new((1 << nibble) - 1) & self.children;
        let hash = self.hashes.get(before.len()).copied();
        hash.filter(|hash| self.children.is_bit_set(nibble) && !hash.is_zero())
    }
}

impl Value for Branch {
    fn encode(&self, out: &mut Vec<u8>) {
        for mask in [self.children, self.branches, self.stored] {
            out.extend_from_slice(&mask.get().to_be_bytes());
        }
        for hash in &self.hashes {
            Value::encode(hash, out);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (masks, hashes) = bytes.split_at_checked(6)?;
        let (masks, _) = masks.as_chunks();
        let [children, branches, stored] = *masks else {
            return None;
        };
        let [children, branches, stored] =
            [children, branches, stored].map(|mask| TrieMask::new(u16::from_be_bytes(mask)));
        let (hashes, rest) = hashes.as_chunks();
        let well_formed = branches.is_subset_of(children)
            && stored.is_subset_of(branches)
            && hashes.len() == children.len()
            && rest.is_empty();
        well_formed.then(|| Self {
            children,
            branches,
            stored,
            hashes: hashes.iter().copied().map(B256::new).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn branches_round_trip_and_other_lengths_are_refused(
            children in any::<u16>(),
            branches in any::<u16>(),
            stored in any::<u16>(),
            inline in any::<u16>(),
        ) {
            let mask = TrieMask::new;
            let hash = |nibble: u8| {
                let inline = mask(inline).is_bit_set(nibble);
                B256::repeat_byte(if inline { 0 } else { nibble + 1 })
            };
            let nibbles = (0..16).filter(|nibble| mask(children).is_bit_set(*nibble));
            let branch = Branch {
                children: mask(children),
                branches: mask(children & branches),
                stored: mask(children & branches & stored),
                hashes: nibbles.map(hash).collect(),
            };
            let mut bytes = Vec::new();
            branch.encode(&mut bytes);
            let decoded = Branch::decode(&bytes);
            prop_assert_eq!(decoded.as_ref(), Some(&branch));
            prop_assert_eq!(Branch::decode(&bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(Branch::decode(&[&bytes[..], &[0]].concat()), None);
            prop_assert_eq!(Branch::decode(&[&bytes[..], &[0; 32]].concat()), None);
            for nibble in 0..16 {
                let known = branch.children.is_bit_set(nibble) && !mask(inline).is_bit_set(nibble);
                prop_assert_eq!(branch.hash(nibble), known.then(|| hash(nibble)));
            }
        }
    }

    #[test]
    fn masks_that_contradict_one_another_are_refused() {
        let encoded = |masks: [u8; 6]| [&masks[..], &[7; 32]].concat();
        assert!(Branch::decode(&encoded([0, 1, 0, 1, 0, 1])).is_some());
        assert_eq!(Branch::decode(&encoded([0, 1, 0, 2, 0, 0])), None);
        assert_eq!(Branch::decode(&encoded([0, 1, 0, 0, 0, 1])), None);
        assert_eq!(Branch::decode(&[]), None);
    }
}
