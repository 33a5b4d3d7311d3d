//! Which final blocks are there.

use std::collections::HashMap;

use alloy_primitives::B256;
use commonware_storage::rmap::RMap;

/// The numbers of the final blocks that a node has: all up to its head, and some above.
pub(super) struct Index {
    /// Where counting began: every number up to it is there.
    base: u64,
    /// The base, and what is above it.
    numbers: RMap,
    /// The blocks above the head, by hash.
    above: HashMap<B256, u64>,
}

impl Index {
    /// All blocks up to number `head`.
    pub(super) fn new(head: u64) -> Self {
        let mut numbers = RMap::new();
        numbers.insert(head);
        Self {
            base: head,
            numbers,
            above: HashMap::new(),
        }
    }

    /// Enters a block above the head; whether it is new.
    pub(super) fn insert(&mut self, number: u64, hash: B256) -> bool {
        let is_new = number > self.base && self.numbers.get(number).is_none();
        if is_new {
            self.numbers.insert(number);
            self.above.insert(hash, number);
        }
        is_new
    }

    /// The blocks up to `head` are in the tables now.
    pub(super) fn advance(&mut self, head: u64) {
        self.above.retain(|_, number| *number > head);
    }

    /// The number of a block above the head.
    pub(super) fn number(&self, hash: &B256) -> Option<u64> {
        self.above.get(hash).copied()
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.numbers.last_index()
    }

    pub(super) fn missing(&self, start: u64, max: usize) -> Vec<u64> {
        self.numbers.missing_items(start.max(self.base), max)
    }

    /// The end of the run that contains `number`, and the start of the next one.
    pub(super) fn next_gap(&self, number: u64) -> (Option<u64>, Option<u64>) {
        self.numbers.next_gap(number.max(self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_blocks_up_to_the_head_are_there() {
        let index = Index::new(7);
        assert_eq!(index.last(), Some(7));
        assert_eq!(index.next_gap(0), (Some(7), None));
        assert_eq!(index.next_gap(8), (None, None));
        assert!(index.missing(0, 10).is_empty());
    }

    #[test]
    fn gaps_above_the_head_are_missing() {
        let mut index = Index::new(7);
        assert!(index.insert(10, B256::repeat_byte(10)));
        assert!(index.insert(12, B256::repeat_byte(12)));
        assert!(!index.insert(12, B256::repeat_byte(12)));
        assert!(!index.insert(3, B256::repeat_byte(3)));
        assert_eq!(index.last(), Some(12));
        assert_eq!(index.next_gap(1), (Some(7), Some(10)));
        assert_eq!(index.next_gap(9), (None, Some(10)));
        assert_eq!(index.next_gap(10), (Some(10), Some(12)));
        assert_eq!(index.missing(1, 10), [8, 9, 11]);
        assert_eq!(index.missing(9, 1), [9]);
        assert_eq!(index.number(&B256::repeat_byte(12)), Some(12));
    }

    #[test]
    fn what_the_tables_took_in_stays_there() {
        let mut index = Index::new(0);
        for number in 1..=4 {
            index.insert(number, B256::repeat_byte(number as u8));
        }
        index.advance(3);
        assert_eq!(index.next_gap(0), (Some(4), None));
        assert_eq!(index.number(&B256::repeat_byte(3)), None);
        assert_eq!(index.number(&B256::repeat_byte(4)), Some(4));
    }
}
