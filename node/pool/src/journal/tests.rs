use std::{io::Cursor, sync::mpsc, time::Duration};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use proptest::prelude::*;
use wattline_primitives::TransactionSigned;

use super::*;
use crate::testing::WatchedFile;

fn signed(kind: u8, nonce: u64, input: Vec<u8>) -> TransactionSigned {
    let signature = Signature::test_signature();
    let input = Bytes::from(input);
    let to = TxKind::Call(Address::with_last_byte(kind));
    match kind % 4 {
        0 => TxLegacy {
            chain_id: Some(57836),
            nonce,
            input,
            to,
            ..TxLegacy::default()
        }
        .into_signed(signature)
        .into(),
        1 => TxEip2930 {
            chain_id: 57836,
            nonce,
            input,
            to,
            ..TxEip2930::default()
        }
        .into_signed(signature)
        .into(),
        2 => TxEip1559 {
            chain_id: 57836,
            nonce,
            input,
            value: U256::MAX,
            ..TxEip1559::default()
        }
        .into_signed(signature)
        .into(),
        _ => TxEip7702 {
            chain_id: 57836,
            nonce,
            input,
            ..TxEip7702::default()
        }
        .into_signed(signature)
        .into(),
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let input = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        4 => (any::<u8>(), any::<u64>(), 0u64..u64::MAX / 2, input).prop_map(
            |(kind, nonce, millis, input)| Entry::Added {
                arrived_at: Duration::from_millis(millis),
                transaction: Box::new(signed(kind, nonce, input)),
            }
        ),
        1 => any::<[u8; 32]>().prop_map(|hash| Entry::Removed { hash: B256::from(hash) }),
    ]
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut record = Vec::new();
    match entry {
        Entry::Added {
            arrived_at,
            transaction,
        } => {
            record::encode_added(&mut record, transaction, *arrived_at);
        }
        Entry::Removed { hash } => record::encode_removed(&mut record, hash),
    }
    record
}

fn read(bytes: &[u8]) -> (Vec<Entry>, JournalDamage) {
    let mut reader = JournalReader::new(Cursor::new(bytes));
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().expect("memory can be read") {
        entries.push(entry);
    }
    (entries, reader.damage())
}

fn damage(corrupt_stretches: u64, corrupt_bytes: u64, torn_bytes: u64) -> JournalDamage {
    JournalDamage {
        corrupt_stretches,
        corrupt_bytes,
        torn_bytes,
        unknown_records: 0,
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(entries in prop::collection::vec(entry(), 0..20)) {
        let bytes: Vec<u8> = entries.iter().flat_map(encode).collect();
        prop_assert_eq!(read(&bytes), (entries, damage(0, 0, 0)));
    }

    #[test]
    fn a_journal_cut_at_any_byte_yields_every_whole_record(
        entries in prop::collection::vec(entry(), 1..5)
    ) {
        let records: Vec<_> = entries.iter().map(encode).collect();
        let bytes = records.concat();
        for cut in 0..=bytes.len() {
            let (mut whole, mut end) = (0, 0);
            while whole < records.len() && end + records[whole].len() <= cut {
                end += records[whole].len();
                whole += 1;
            }
            let (found, report) = read(&bytes[..cut]);
            prop_assert_eq!(&found, &entries[..whole]);
            prop_assert_eq!(report, damage(0, 0, (cut - end) as u64));
        }
    }

    #[test]
    fn a_damaged_byte_costs_one_record(
        entries in prop::collection::vec(entry(), 2..6),
        position in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let records: Vec<_> = entries.iter().map(encode).collect();
        let mut bytes = records.concat();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        let (mut hit, mut end) = (0, records[0].len());
        while position >= end {
            hit += 1;
            end += records[hit].len();
        }
        let mut expected = entries;
        expected.remove(hit);
        let lost = records[hit].len() as u64;
        // Only a length that now goes beyond the end looks like a record that was cut.
        let record = bytes.len() - records[records.len() - 1].len();
        let claimed = u32::from_be_bytes(bytes[record + 4..record + 8].try_into().expect("four"));
        let beyond = bytes.len() - record - record::HEADER_BYTES..=record::MAX_CONTENT_BYTES;
        let cut = hit + 1 == records.len()
            && (4..8).contains(&(position - record))
            && beyond.contains(&(claimed as usize));
        let report = if cut { damage(0, 0, lost) } else { damage(1, lost, 0) };
        prop_assert_eq!(read(&bytes), (expected, report));
    }

    #[test]
    fn arbitrary_bytes_are_no_records(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let len = bytes.len() as u64;
        let begun = bytes.iter().zip(record::MARKER).all(|(byte, marker)| *byte == marker);
        let report = match len {
            0 => damage(0, 0, 0),
            1..16 if begun => damage(0, 0, len),
            _ => damage(1, len, 0),
        };
        prop_assert_eq!(read(&bytes), (vec![], report));
    }
}

#[test]
fn a_large_stretch_of_rubbish_is_skipped() {
    let (first, last) = (signed(0, 1, vec![1]), signed(2, 2, vec![2]));
    let arrived_at = Duration::from_secs(1);
    let mut bytes = Vec::new();
    record::encode_added(&mut bytes, &first, arrived_at);
    let rubbish = 300_000;
    // Full of markers, so that none of them may be trusted.
    bytes.extend(record::MARKER.iter().cycle().take(rubbish));
    record::encode_added(&mut bytes, &last, arrived_at);
    let expected = [first, last]
        .map(|transaction| Entry::Added {
            arrived_at,
            transaction: Box::new(transaction),
        })
        .to_vec();
    assert_eq!(read(&bytes), (expected, damage(1, rubbish as u64, 0)));
}

#[test]
fn a_record_of_another_kind_is_counted() {
    let mut bytes = Vec::new();
    let content = [7, 1, 2, 3];
    bytes.extend_from_slice(&record::MARKER);
    bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&record::checksum(&content));
    bytes.extend_from_slice(&content);
    let report = JournalDamage {
        unknown_records: 1,
        ..damage(0, 0, 0)
    };
    assert_eq!(read(&bytes), (vec![], report));
    assert!(report.is_corrupt());
}

#[test]
fn a_journal_is_appended_to_and_compacted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pool").join("journal");
    let [one, two, three] = [1, 2, 3].map(|number| Entry::Removed {
        hash: B256::with_last_byte(number),
    });
    let all = |journal: &Journal| {
        let mut reader = journal.reader().expect("opens");
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry().expect("reads") {
            entries.push(entry);
        }
        entries
    };

    let mut journal = Journal::open(&path, true).expect("creates");
    assert!(journal.is_empty());
    journal.append(&encode(&one)).expect("appends");
    journal.append(&encode(&two)).expect("appends");
    assert_eq!(all(&journal), [one.clone(), two.clone()]);
    journal.compact([encode(&two)]).expect("compacts");
    assert_eq!(journal.len(), encode(&two).len() as u64);
    journal.append(&encode(&three)).expect("appends");
    assert_eq!(all(&journal), [two.clone(), three.clone()]);
    drop(journal);

    let mut journal = Journal::open(&path, false).expect("opens");
    assert_eq!(journal.len(), 2 * encode(&two).len() as u64);
    journal.append(&encode(&one)).expect("appends");
    assert_eq!(all(&journal), [two, three, one]);
    let copy = journal.keep_copy().expect("copies");
    assert_eq!(
        fs::read(copy).expect("reads"),
        fs::read(path).expect("reads")
    );
}

#[test]
fn a_failed_write_leaves_the_journal_as_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::open(&path, false).expect("creates");
    let record = encode(&Entry::Removed { hash: B256::ZERO });
    journal.append(&record).expect("appends");
    journal.make_read_only();
    journal.append(&record).expect_err("cannot be written");
    assert_eq!(journal.len(), record.len() as u64);
    assert_eq!(fs::read(path).expect("reads"), record);
}

#[test]
fn a_failed_compaction_keeps_the_journal() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::open(&path, false).expect("creates");
    let record = encode(&Entry::Removed { hash: B256::ZERO });
    journal.append(&record).expect("appends");
    // A directory stands where the temporary file would be.
    fs::create_dir(directory.path().join("journal.new")).expect("creates");
    journal
        .compact([&record, &record])
        .expect_err("cannot be written");
    journal.append(&record).expect("appends");
    assert_eq!(
        fs::read(path).expect("reads"),
        [record.clone(), record].concat()
    );
}

#[test]
fn what_could_not_be_synced_is_cut_off_or_compacted_away() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::open(&path, true).expect("creates");
    let [kept, refused] = [1, 2].map(|number| {
        encode(&Entry::Removed {
            hash: B256::with_last_byte(number),
        })
    });
    journal.append(&kept).expect("appends");
    for cuts in [true, false] {
        let (begun, _) = mpsc::channel();
        let (end, outcomes) = mpsc::channel();
        journal.replace_file(|file| WatchedFile::new(file, begun, outcomes, cuts));
        end.send(Err(io::Error::other("the disk is gone")))
            .expect("is awaited");
        let error = journal.append(&refused).expect_err("cannot be synced");
        assert_eq!(error.to_string(), "the disk is gone");
        assert_eq!(journal.wants_compaction(1_000), !cuts);
    }
    assert_eq!(
        fs::read(&path).expect("reads"),
        [kept.clone(), refused].concat()
    );
    journal.compact([&kept]).expect("compacts");
    assert!(!journal.wants_compaction(1_000));
    journal.append(&kept).expect("appends");
    assert_eq!(
        fs::read(&path).expect("reads"),
        [kept.clone(), kept].concat()
    );
}
