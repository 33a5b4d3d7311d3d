//! Marks and sorted runs of them.

use crate::codec::{Key, KeyBytes, Value};
use alloy_primitives::{Address, B256, BlockNumber};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use wattline_primitives::Receipt;

/// Number of blocks that share one run of marks: as many as a mask of them has bits.
pub(super) const SECTION: u64 = u64::BITS as u64;

/// Marks in one entry of a table: as many as leave room for two entries on a page of 4 KiB.
const MARKS_PER_ENTRY: usize = 396;

/// What a log says, shortened to 32 bits. Two values may share one, so what is found by a
/// fingerprint has to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(u32);

impl Fingerprint {
    /// Stands for any log at all.
    pub(super) fn any() -> Self {
        Self::of(0, &[])
    }

    /// Of the address that logs.
    pub(super) fn address(address: &Address) -> Self {
        Self::of(1, address.as_slice())
    }

    /// Of the topic at a position.
    pub(super) fn topic(position: u8, topic: &B256) -> Self {
        Self::of(2 + position, topic.as_slice())
    }

    /// The hash is part of the database's layout.
    fn of(kind: u8, value: &[u8]) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(&[kind]);
        hasher.write(value);
        Self((hasher.finish() >> 32) as u32)
    }
}

/// A fingerprint, and which block of a section has a log with it: sorted by fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    fingerprint: Fingerprint,
    place: u8,
}

impl Mark {
    const LEN: usize = 5;

    /// The first that a fingerprint can have.
    pub(super) const fn first(fingerprint: Fingerprint) -> Self {
        let place = 0;
        Self { fingerprint, place }
    }

    pub(super) const fn fingerprint(self) -> Fingerprint {
        self.fingerprint
    }

    const fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.fingerprint.0.to_be_bytes();
        [a, b, c, d, self.place]
    }

    const fn from_bytes([a, b, c, d, place]: [u8; Self::LEN]) -> Self {
        let fingerprint = Fingerprint(u32::from_be_bytes([a, b, c, d]));
        Self { fingerprint, place }
    }
}

impl Key for Mark {
    fn encode(&self) -> KeyBytes {
        KeyBytes::of(&[&self.to_bytes()])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }
}

/// Place of a block in its section.
pub(super) const fn place(number: BlockNumber) -> u8 {
    (number % SECTION) as u8
}

/// The marks of a block, sorted.
pub(super) fn of_block(number: BlockNumber, receipts: &[Receipt]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let place = place(number);
    let mut push = |fingerprint| marks.push(Mark { fingerprint, place });
    for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
        push(Fingerprint::address(&log.address));
        for (position, topic) in (0..).zip(log.topics()) {
            push(Fingerprint::topic(position, topic));
        }
    }
    if !marks.is_empty() {
        let fingerprint = Fingerprint::any();
        marks.push(Mark { fingerprint, place });
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// A part of a run: sorted marks, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    /// A run, in parts that each fit an entry.
    pub(super) fn parts(run: &[Mark]) -> impl Iterator<Item = (Mark, Self)> {
        run.chunks(MARKS_PER_ENTRY)
            .filter_map(|part| Some((*part.last()?, Self(part.to_vec()))))
    }

    /// The blocks that a fingerprint is marked for, as bits by their place.
    pub(super) fn places_of(&self, fingerprint: Fingerprint) -> u64 {
        let start = self
            .0
            .partition_point(|mark| mark.fingerprint < fingerprint);
        self.0[start..]
            .iter()
            .take_while(|mark| mark.fingerprint == fingerprint)
            .fold(0, |places, mark| places | bit(mark.place))
    }

    pub(super) fn into_inner(self) -> Vec<Mark> {
        self.0
    }
}

/// The bit of a place; none for one that no block can have.
pub(super) const fn bit(place: u8) -> u64 {
    match 1u64.checked_shl(place as u32) {
        Some(bit) => bit,
        None => 0,
    }
}

impl Value for Marks {
    fn encode(&self, out: &mut Vec<u8>) {
        for mark in &self.0 {
            out.extend_from_slice(&mark.to_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (marks, rest) = bytes.as_chunks::<{ Mark::LEN }>();
        let marks: Vec<_> = marks.iter().copied().map(Mark::from_bytes).collect();
        let well_formed = rest.is_empty() && !marks.is_empty() && marks.is_sorted();
        well_formed.then_some(Self(marks))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::{Log, address};
    use proptest::prelude::*;

    fn mark((fingerprint, place): (u32, u8)) -> Mark {
        let fingerprint = Fingerprint(fingerprint);
        Mark { fingerprint, place }
    }

    proptest! {
        #[test]
        fn marks_round_trip_and_keep_their_order(one in any::<(u32, u8)>(), other in any::<(u32, u8)>()) {
            let (one, other) = (mark(one), mark(other));
            prop_assert_eq!(Mark::decode(one.encode().as_ref()), Some(one));
            prop_assert_eq!(one.cmp(&other), one.encode().as_ref().cmp(other.encode().as_ref()));
        }

        #[test]
        fn runs_round_trip_in_parts(
            run in prop::collection::btree_set(any::<(u32, u8)>(), 0..2_000)
        ) {
            let run: Vec<_> = run.into_iter().map(mark).collect();
            let mut read = Vec::new();
            for (last, part) in Marks::parts(&run) {
                let mut bytes = Vec::new();
                part.encode(&mut bytes);
                prop_assert!(bytes.len() <= 1_980);
                let part = Marks::decode(&bytes).unwrap();
                prop_assert_eq!(part.0.last(), Some(&last));
                bytes.push(0);
                prop_assert_eq!(Marks::decode(&bytes), None);
                read.extend(part.into_inner());
            }
            prop_assert_eq!(read, run);
        }
    }

    #[test]
    fn parts_out_of_order_or_empty_are_malformed() {
        assert_eq!(Marks::decode(&[]), None);
        assert_eq!(Marks::decode(&[0, 0, 0, 2, 0, 0, 0, 0, 1, 0]), None);
    }

    /// Another hash would not find what is stored: it takes another schema version.
    #[test]
    fn fingerprints_stay_as_they_are() {
        let address = address!("00000000000000000000000000000000000000a1");
        let topic = B256::repeat_byte(0x11);
        assert_eq!(
            [
                Fingerprint::any(),
                Fingerprint::address(&address),
                Fingerprint::topic(0, &topic),
                Fingerprint::topic(3, &topic),
            ]
            .map(|fingerprint| fingerprint.0),
            [1_755_911_186, 4_004_752_230, 2_284_128_953, 2_290_646_612]
        );
    }

    #[test]
    fn a_value_that_many_logs_of_a_block_have_is_marked_once() {
        let log = Log::new_unchecked(Address::ZERO, vec![B256::ZERO; 2], Default::default());
        let receipt = Receipt {
            logs: vec![log.clone(), log],
            ..Receipt::default()
        };
        let marks = of_block(SECTION + 3, &[receipt.clone(), receipt]);
        // The address, a topic at either position, and that there is a log at all.
        assert_eq!(marks.len(), 4);
        assert!(marks.iter().all(|mark| mark.place == 3));
        assert_eq!(of_block(3, &[Receipt::default()]), []);
    }
}
