use std::time::Duration;

/// How long a signer that is out of turn waits beyond the block's time before it seals.
///
/// The wait is one step, so that the in-turn block has a head start, plus a random part of a
/// window of `signers / 2 + 1` steps, so that the others do not all seal at once. A step is a
/// tenth of the period and the window at most the period: with 1 s blocks and four signers the
/// wait is between 100 and 400 ms, with 15 s blocks between 1.5 and 6 s. geth's fixed 500 ms per
/// signer would be too long for 1 s blocks.
///
/// `random` is uniform over all of `u64` and read as the fraction `random / 2^64`.
pub fn out_of_turn_delay(signers: usize, period: Duration, random: u64) -> Duration {
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    let step = period / 10;
    let steps = u64::try_from(signers / 2 + 1).unwrap_or(u64::MAX);
    let window = step.saturating_mul(steps).min(period);
    let part = (u128::from(window) * u128::from(random)) >> 64;
    // `part` is below `window`, which is a `u64`.
    Duration::from_nanos(step.saturating_add(part as u64))
}
