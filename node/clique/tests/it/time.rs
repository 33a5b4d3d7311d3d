use alloy_consensus::Header;
use proptest::prelude::*;
use std::time::Duration;
use wattline_clique::{CliqueError, out_of_turn_delay, validate_time};

fn at(timestamp: u64, now: u64) -> Result<(), CliqueError> {
    validate_time(
        &Header {
            timestamp,
            ..Header::default()
        },
        now,
    )
}

#[test]
fn a_block_of_the_future_waits_and_one_too_far_ahead_is_refused() {
    assert_eq!(at(100, 100), Ok(()));
    assert_eq!(at(99, 100), Ok(()));
    assert_eq!(
        at(101, 100),
        Err(CliqueError::NotYet {
            timestamp: 101,
            now: 100
        })
    );
    assert_eq!(
        at(115, 100),
        Err(CliqueError::NotYet {
            timestamp: 115,
            now: 100
        })
    );
    assert_eq!(
        at(116, 100),
        Err(CliqueError::FutureBlock {
            timestamp: 116,
            latest: 115
        })
    );
    assert_eq!(at(u64::MAX, u64::MAX), Ok(()));
}

#[test]
fn the_delay_follows_the_period() {
    let second = Duration::from_secs(1);
    assert_eq!(out_of_turn_delay(4, second, 0), Duration::from_millis(100));
    assert_eq!(
        out_of_turn_delay(4, second, 1 << 63),
        Duration::from_millis(250)
    );
    assert_eq!(
        out_of_turn_delay(4, 15 * second, 0),
        Duration::from_millis(1_500)
    );
    assert_eq!(
        out_of_turn_delay(4, 15 * second, 1 << 63),
        Duration::from_millis(3_750)
    );
    assert_eq!(
        out_of_turn_delay(100, second, 1 << 63),
        Duration::from_millis(600)
    );
}

proptest! {
    #[test]
    fn the_delay_stays_between_a_step_and_a_step_and_a_period(
        signers in 0usize..10_000,
        millis in 1u64..1_000_000,
        random: u64,
    ) {
        let period = Duration::from_millis(millis);
        let delay = out_of_turn_delay(signers, period, random);
        prop_assert!(delay >= period / 10);
        prop_assert!(delay <= period + period / 10);
    }

    #[test]
    fn the_delay_grows_with_the_random_number(a: u64, b: u64) {
        let delay = |random| out_of_turn_delay(9, Duration::from_secs(1), random);
        prop_assert!(delay(a.min(b)) <= delay(a.max(b)));
    }
}
