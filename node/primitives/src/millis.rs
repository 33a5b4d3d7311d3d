use std::{fmt, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::{B256, U256};

/// Milliseconds in a second.
const PER_SECOND: u64 = 1_000;

/// A moment of the chain: milliseconds since the Unix epoch.
///
/// A header has it in two fields, whole seconds in `timestamp` and the milliseconds above them in
/// `mixHash`, as BEP-520 lays it out. Contracts and wallets see the seconds only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(u64);

impl Millis {
    /// The greatest `mixHash` of a block: a further millisecond would be the next second.
    pub const MAX_MIX_HASH: u64 = PER_SECOND - 1;

    /// So many milliseconds after the Unix epoch.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// The start of a second, counted from the Unix epoch. Saturates after 584 million years.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(PER_SECOND))
    }

    /// The moment so long after the Unix epoch, cut to whole milliseconds.
    pub fn from_epoch(elapsed: Duration) -> Self {
        Self(elapsed.as_millis().try_into().unwrap_or(u64::MAX))
    }

    /// The time of a block. A `mixHash` above 999, which no block of the chain has, counts as none.
    pub fn of(header: &Header) -> Self {
        let above = Self::above_the_second(header.mix_hash).unwrap_or_default();
        Self(Self::from_secs(header.timestamp).0.saturating_add(above))
    }

    /// The milliseconds that a `mixHash` stands for, as a big-endian integer; `None` above 999.
    pub fn above_the_second(mix_hash: B256) -> Option<u64> {
        let millis: u64 = U256::from_be_bytes(mix_hash.0).try_into().ok()?;
        (millis <= Self::MAX_MIX_HASH).then_some(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch: a header's `timestamp`.
    pub const fn as_secs(self) -> u64 {
        self.0 / PER_SECOND
    }

    /// The milliseconds above the second, as a big-endian integer: a header's `mixHash`.
    pub fn mix_hash(self) -> B256 {
        U256::from(self.0 % PER_SECOND).into()
    }

    /// How long after the Unix epoch it is.
    pub const fn since_epoch(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// The moment so much later, cut to whole milliseconds.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_epoch(duration).0))
    }

    /// How long after `earlier` it is; zero if it is before.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Millis {
    /// Seconds with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.as_secs(), self.0 % PER_SECOND)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header(timestamp: u64, mix_hash: B256) -> Header {
        Header {
            timestamp,
            mix_hash,
            ..Header::default()
        }
    }

    #[test]
    fn a_header_holds_seconds_and_the_milliseconds_above_them() {
        for millis in [0, 1, 999, 1_000, 1_767_225_600_250] {
            let time = Millis::new(millis);
            let header = header(time.as_secs(), time.mix_hash());
            assert_eq!(Millis::of(&header), time);
            assert_eq!(header.timestamp, millis / 1_000);
            assert_eq!(
                Millis::above_the_second(header.mix_hash),
                Some(millis % 1_000)
            );
        }
        // Big-endian: 250 is the last byte, 999 the last two.
        assert_eq!(Millis::new(7_250).mix_hash(), B256::with_last_byte(250));
        assert_eq!(Millis::new(999).mix_hash()[30..], [3, 231]);
    }

    #[test]
    fn another_mix_hash_is_no_number_of_milliseconds() {
        let thousand = U256::from(1_000).into();
        for mix_hash in [thousand, B256::repeat_byte(1), B256::repeat_byte(0xff)] {
            assert_eq!(Millis::above_the_second(mix_hash), None);
            assert_eq!(Millis::of(&header(5, mix_hash)), Millis::from_secs(5));
        }
    }

    #[test]
    fn durations_are_added_and_told() {
        let ms = Duration::from_millis;
        let time = Millis::from_epoch(Duration::from_nanos(1_500_999_999));
        assert_eq!(time, Millis::new(1_500));
        assert_eq!(time.since_epoch(), ms(1_500));
        assert_eq!(time.saturating_add(ms(750)), Millis::new(2_250));
        assert_eq!(Millis::new(2_250).saturating_since(time), ms(750));
        assert_eq!(time.saturating_since(Millis::new(2_250)), Duration::ZERO);
        assert_eq!(Millis::new(2_005).to_string(), "2.005 s");
    }

    #[test]
    fn nothing_overflows() {
        let end = Millis::new(u64::MAX);
        assert_eq!(Millis::from_epoch(Duration::MAX), end);
        assert_eq!(Millis::from_secs(u64::MAX), end);
        assert_eq!(end.saturating_add(Duration::MAX), end);
        let header = header(u64::MAX, Millis::new(999).mix_hash());
        assert_eq!(Millis::of(&header), end);
    }
}
