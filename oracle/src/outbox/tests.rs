use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CONTRACT: Address = Address::repeat_byte(7);

fn meter(number: u8) -> MeterId {
    MeterId(B256::with_last_byte(number))
}

fn reading(number: u8, time: u64, import: u64) -> Reading {
    Reading {
        meter: meter(number),
        time,
        registers: Registers {
            import: WattHours(import),
            export: WattHours(0),
        },
    }
}

fn open(dir: &tempfile::TempDir) -> Outbox {
    Outbox::open(&dir.path().join("outbox.redb"), 1, CONTRACT).expect("opens")
}

fn batch(nonce: u64, readings: &[Reading]) -> Batch {
    Batch {
        nonce,
        transactions: vec![Bytes::from(vec![2, nonce as u8])],
        readings: readings
            .iter()
            .map(|reading| (reading.time, reading.meter))
            .collect(),
    }
}

#[test]
fn a_reading_survives_a_reopening_at_each_stage() {
    let dir = tempfile::tempdir().expect("dir");
    let first = reading(1, 100, 5);
    assert_eq!(open(&dir).record(&[first]).expect("recorded").taken, 1);

    let outbox = open(&dir);
    let ready = outbox.ready(0, 10).expect("read");
    assert_eq!(
        ready,
        [Waiting {
            reading: first,
            attempts: 0
        }]
    );
    outbox.pack(&batch(9, &[first])).expect("packed");
    drop(outbox);

    let outbox = open(&dir);
    assert_eq!(outbox.ready(0, 10).expect("read"), []);
    assert_eq!(outbox.batches().expect("read"), [batch(9, &[first])]);
    outbox.offer(9, Bytes::from_static(&[3])).expect("offered");
    assert_eq!(
        outbox.stats().expect("read"),
        OutboxStats {
            waiting: 1,
            in_flight: 1,
            oldest: Some(100)
        }
    );
    drop(outbox);

    let outbox = open(&dir);
    assert_eq!(outbox.batches().expect("read")[0].transactions.len(), 2);
    outbox
        .finish(9, &[Outcome::Again { not_before: 50 }])
        .expect("finished");
    assert_eq!(outbox.ready(49, 10).expect("read"), []);
    assert_eq!(
        outbox.ready(50, 10).expect("read"),
        [Waiting {
            reading: first,
            attempts: 1
        }]
    );
    outbox.pack(&batch(10, &[first])).expect("packed");
    outbox.finish(10, &[Outcome::Delivered]).expect("finished");
    drop(outbox);

    let outbox = open(&dir);
    assert_eq!(outbox.stats().expect("read"), OutboxStats::default());
    assert_eq!(outbox.last(meter(1)).expect("read"), Some(first));
    assert_eq!(
        outbox.record(&[first]).expect("recorded"),
        Recorded {
            known: 1,
            ..Recorded::default()
        }
    );
}

#[test]
fn a_register_that_jumps_back_and_a_contradiction_are_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let outbox = open(&dir);
    outbox.record(&[reading(1, 100, 5)]).expect("recorded");
    let recorded = outbox
        .record(&[reading(1, 200, 4), reading(1, 100, 6), reading(2, 100, 0)])
        .expect("recorded");
    assert_eq!(recorded.taken, 1);
    let texts = recorded
        .faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert!(
        texts[0]
            .contains("a register jumped back to 4 Wh imported, 0 Wh exported; at 100 it was 5 Wh"),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("6 Wh imported, 0 Wh exported contradicts 5 Wh imported"),
        "{texts:?}"
    );
}

#[test]
fn refusals_stay_visible() {
    let dir = tempfile::tempdir().expect("dir");
    let outbox = open(&dir);
    let refused = reading(1, 100, 5);
    outbox.record(&[refused]).expect("recorded");
    outbox.pack(&batch(0, &[refused])).expect("packed");
    outbox
        .finish(
            0,
            &[Outcome::Refused {
                reason: "conflict".to_owned(),
                at: 7,
            }],
        )
        .expect("finished");
    let expected = Refused {
        reading: refused,
        reason: "conflict".to_owned(),
        at: 7,
    };
    assert_eq!(
        open_again(outbox, &dir).refused(10).expect("read"),
        [expected]
    );
}

fn open_again(outbox: Outbox, dir: &tempfile::TempDir) -> Outbox {
    drop(outbox);
    open(dir)
}

#[test]
fn an_outbox_of_another_chain_or_in_use_is_left_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("outbox.redb");
    let outbox = open(&dir);
    assert!(matches!(Outbox::open(&path, 1, CONTRACT), Err(OutboxError::Locked(at)) if at == path));
    drop(outbox);
    assert!(matches!(
        Outbox::open(&path, 2, CONTRACT),
        Err(OutboxError::OtherChain {
            found: 1,
            expected: 2,
            ..
        })
    ));
    assert!(Outbox::open(&path, 1, CONTRACT).is_ok());
}

#[test]
fn a_file_that_is_no_outbox_is_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("outbox.redb");
    std::fs::write(&path, vec![b'x'; 10_000]).expect("written");
    assert!(matches!(
        Outbox::open(&path, 1, CONTRACT),
        Err(OutboxError::Database(_))
    ));
}

#[test]
fn nothing_is_packed_twice() {
    let dir = tempfile::tempdir().expect("dir");
    let outbox = open(&dir);
    let one = reading(1, 100, 5);
    outbox.record(&[one]).expect("recorded");
    outbox.pack(&batch(0, &[one])).expect("packed");
    assert!(matches!(
        outbox.pack(&batch(1, &[one])),
        Err(OutboxError::NotWaiting { time: 100, .. })
    ));
    assert!(matches!(
        outbox.pack(&batch(0, &[])),
        Err(OutboxError::NonceInUse(0))
    ));
    assert!(matches!(
        outbox.finish(0, &[]),
        Err(OutboxError::Outcomes {
            expected: 1,
            got: 0
        })
    ));
    assert_eq!(
        outbox.batches().expect("read").len(),
        1,
        "a failed step changes nothing"
    );
}

#[derive(Clone, Debug)]
enum Step {
    Record(u8, u64),
    Pack(usize),
    Finish(bool),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..4, 1u64..5).prop_map(|(meter, ahead)| Step::Record(meter, ahead)),
        (1usize..4).prop_map(Step::Pack),
        any::<bool>().prop_map(Step::Finish),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_recorded_reading_is_delivered_exactly_once(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().expect("dir");
        let mut outbox = open(&dir);
        let mut nonce = 0;
        let mut clock = BTreeMap::<u8, u64>::new();
        let mut recorded = Vec::new();
        let mut delivered = Vec::new();
        let mut finish = |outbox: &Outbox, deliver: bool| {
            if let Some(batch) = outbox.batches().expect("read").first() {
                let outcome = if deliver { Outcome::Delivered } else { Outcome::Again { not_before: 0 } };
                outbox.finish(batch.nonce, &vec![outcome; batch.readings.len()]).expect("finished");
                if deliver {
                    delivered.extend(batch.readings.clone());
                }
            }
        };
        for step in steps {
            match step {
                Step::Record(number, ahead) => {
                    let time = clock.entry(number).or_default();
                    *time += ahead;
                    let reading = reading(number, *time, *time);
                    prop_assert_eq!(outbox.record(&[reading, reading]).expect("recorded").taken, 1);
                    recorded.push((*time, meter(number)));
                }
                Step::Pack(max) => {
                    let ready = outbox.ready(0, max).expect("read");
                    let readings = ready.iter().map(|waiting| waiting.reading).collect::<Vec<_>>();
                    outbox.pack(&batch(nonce, &readings)).expect("packed");
                    nonce += 1;
                }
                Step::Finish(deliver) => finish(&outbox, deliver),
                Step::Reopen => outbox = open_again(outbox, &dir),
            }
        }
        while outbox.stats().expect("read").waiting > 0 {
            let ready = outbox.ready(0, 100).expect("read");
            let readings = ready.iter().map(|waiting| waiting.reading).collect::<Vec<_>>();
            outbox.pack(&batch(nonce, &readings)).expect("packed");
            nonce += 1;
            while !outbox.batches().expect("read").is_empty() {
                finish(&outbox, true);
            }
        }
        recorded.sort();
        delivered.sort();
        prop_assert_eq!(delivered, recorded);
    }
}
