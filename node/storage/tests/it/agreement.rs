//! What the agreement keeps in the database.

use alloy_primitives::B256;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use wattline_storage::{
    Storage, Writer,
    test_utils::{self, Op, TestChain, genesis_world},
};

fn with_writer<T>(storage: &Storage, change: impl FnOnce(&mut Writer) -> T) -> T {
    let mut writer = storage.writer().unwrap();
    let done = change(&mut writer);
    writer.commit().unwrap();
    done
}

fn hash(number: u64) -> B256 {
    B256::repeat_byte(number as u8)
}

fn certify(writer: &mut Writer, number: u64) {
    let certificate = number.to_be_bytes();
    writer
        .put_certificate(number, hash(number), &certificate)
        .unwrap();
}

/// Runs of consecutive numbers.
fn runs(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn certificates_are_found_and_their_ranges_merge_in_whatever_order_they_come(
        numbers in prop::collection::vec(0u64..60, 1..60)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let chain = TestChain::new(dir.path());
        let mut stored = BTreeSet::new();
        for commit in numbers.chunks(7) {
            with_writer(&chain.storage, |writer| {
                commit.iter().for_each(|number| certify(writer, *number));
            });
            stored.extend(commit);
            let reader = chain.storage.reader().unwrap();
            prop_assert_eq!(reader.certified_ranges().unwrap(), runs(&stored));
        }
        let reader = chain.storage.reader().unwrap();
        let found = |number: Option<&u64>| {
            number.map(|number| (*number, hash(*number), number.to_be_bytes().to_vec()))
        };
        for number in 0..62 {
            let here = found(stored.get(&number)).map(|(_, hash, bytes)| (hash, bytes));
            prop_assert_eq!(reader.certificate(number).unwrap(), here);
            let from = reader.certificate_from(number).unwrap();
            prop_assert_eq!(from, found(stored.range(number..).next()));
            let to = reader.certificate_to(number).unwrap();
            prop_assert_eq!(to, found(stored.range(..=number).next_back()));
        }
    }
}

#[test]
fn without_certificates_there_is_none_and_no_range() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.certificate(0).unwrap(), None);
    assert_eq!(reader.certificate_from(0).unwrap(), None);
    assert_eq!(reader.certificate_to(u64::MAX).unwrap(), None);
    assert_eq!(reader.certified_ranges().unwrap(), []);
}

#[test]
fn the_last_number_that_there_is_can_be_certified() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    with_writer(&chain.storage, |writer| {
        certify(writer, u64::MAX);
        certify(writer, u64::MAX - 1);
        certify(writer, u64::MAX);
    });
    let reader = chain.storage.reader().unwrap();
    let expected = [(u64::MAX - 1, u64::MAX)];
    assert_eq!(reader.certified_ranges().unwrap(), expected);
}

#[test]
fn a_certificate_that_comes_again_takes_the_place_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    with_writer(&chain.storage, |writer| {
        (3..6).for_each(|number| certify(writer, number));
        writer.put_certificate(4, hash(4), b"more votes").unwrap();
    });
    let reader = chain.storage.reader().unwrap();
    let expected = Some((hash(4), b"more votes".to_vec()));
    assert_eq!(reader.certificate(4).unwrap(), expected);
    assert_eq!(reader.certified_ranges().unwrap(), [(3, 5)]);
}

#[test]
fn a_block_ahead_leaves_in_the_commit_that_takes_it_into_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let (executed, world) = chain.next(&[Op::Pay(1, 1)]);
    let number = executed.block.number;
    let large = vec![7; 1 << 20];
    with_writer(&chain.storage, |writer| {
        writer.put_ahead_block(9, hash(9), &large).unwrap();
        writer
            .put_ahead_block(number, executed.block.hash(), b"block")
            .unwrap();
        // There is none.
        writer.remove_ahead_block(5).unwrap();
    });
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.ahead_numbers().unwrap(), [number, 9]);
    let expected = Some((executed.block.hash(), b"block".to_vec()));
    assert_eq!(reader.ahead_block(number).unwrap(), expected);
    assert_eq!(reader.ahead_block(9).unwrap(), Some((hash(9), large)));
    assert_eq!(reader.ahead_block(5).unwrap(), None);

    let take_in = |writer: &mut Writer| {
        writer.append(&executed).unwrap();
        writer.remove_ahead_block(number).unwrap();
        certify(writer, number);
    };
    take_in(&mut chain.storage.writer().unwrap());
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.head().unwrap().number, 0);
    assert_eq!(reader.ahead_numbers().unwrap(), [number, 9]);

    with_writer(&chain.storage, take_in);
    let reader = chain.storage.reader().unwrap();
    assert_eq!(reader.head().unwrap(), executed.block.num_hash());
    assert_eq!(reader.ahead_numbers().unwrap(), [9]);
    assert_eq!(reader.certified_ranges().unwrap(), [(number, number)]);
    chain.blocks.push(executed);
    chain.worlds.push(world);
    chain.assert_head();
}

#[test]
fn evidence_is_numbered_and_the_oldest_makes_room() {
    const KEPT: u64 = 65_536;
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    with_writer(&chain.storage, |writer| {
        for number in 0..KEPT + 2 {
            let evidence = number.to_be_bytes();
            assert_eq!(writer.put_evidence(&evidence).unwrap(), number);
        }
    });
    let reader = chain.storage.reader().unwrap();
    let numbers = |from, limit| -> Vec<u64> {
        let found = reader.evidence(from, limit).unwrap();
        assert!(
            found
                .iter()
                .all(|(number, bytes)| *bytes == number.to_be_bytes())
        );
        found.into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(numbers(0, 3), [2, 3, 4]);
    assert_eq!(numbers(7, 2), [7, 8]);
    assert_eq!(numbers(KEPT, 10), [KEPT, KEPT + 1]);
    assert!(numbers(KEPT + 2, 10).is_empty());
    assert!(numbers(0, 0).is_empty());
    assert_eq!(numbers(0, usize::MAX).len() as u64, KEPT);
}

#[test]
fn the_voted_epoch_of_a_key_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    let (one, other) = ([1; 32], [2; 32]);
    let voted = |key| chain.storage.reader().unwrap().voted_epoch(key).unwrap();
    assert_eq!(voted(&one), None);
    for (epoch, expected) in [(0, 0), (5, 5), (3, 5), (6, 6)] {
        with_writer(&chain.storage, |writer| {
            writer.put_voted_epoch(&one, epoch).unwrap();
        });
        assert_eq!((voted(&one), voted(&other)), (Some(expected), None));
    }
}

#[test]
fn what_the_agreement_keeps_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    let committees: BTreeMap<u64, Vec<u8>> =
        (0..3).map(|epoch| (epoch, vec![epoch as u8; 40])).collect();
    with_writer(&chain.storage, |writer| {
        for (epoch, committee) in &committees {
            writer.put_committee(*epoch, committee).unwrap();
        }
        (1..4)
            .chain(6..8)
            .for_each(|number| certify(writer, number));
        writer.put_ahead_block(12, hash(12), b"block").unwrap();
        writer.put_evidence(b"two votes").unwrap();
        writer.put_voted_epoch(&[1; 32], 2).unwrap();
    });
    drop(chain);

    let storage = test_utils::open(dir.path(), &genesis_world()).unwrap();
    let reader = storage.reader().unwrap();
    for (epoch, committee) in &committees {
        assert_eq!(reader.committee(*epoch).unwrap().as_ref(), Some(committee));
    }
    assert_eq!(reader.committee(3).unwrap(), None);
    let latest = reader.latest_committee().unwrap();
    assert_eq!(latest, Some((2, committees[&2].clone())));
    assert_eq!(reader.certified_ranges().unwrap(), [(1, 3), (6, 7)]);
    assert_eq!(reader.ahead_numbers().unwrap(), [12]);
    let evidence = reader.evidence(0, 9).unwrap();
    assert_eq!(evidence, [(0, b"two votes".to_vec())]);
    assert_eq!(reader.voted_epoch(&[1; 32]).unwrap(), Some(2));
    // The ranges go on where they were.
    with_writer(&storage, |writer| {
        (4..6).for_each(|number| certify(writer, number));
    });
    let reader = storage.reader().unwrap();
    assert_eq!(reader.certified_ranges().unwrap(), [(1, 7)]);
}
