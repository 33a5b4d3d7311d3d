//! What options of limits have in common: sizes, times, counts, and that the default of each
//! stands where the option does.

use std::{ops::RangeBounds, time::Duration};

use clap::{Args, Command, Error, builder::RangedI64ValueParser};

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];

/// Reads bytes, with an optional unit: `5MiB`, `512KiB`, `1000`.
///
/// # Errors
///
/// When they are none, no number of them, or 4 GiB or more.
pub fn size<T: TryFrom<u32>>(text: &str) -> Result<T, &'static str> {
    let parsed = UNITS.iter().find_map(|(unit, shift)| {
        let number: u32 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(1 << shift)
    });
    parsed
        .filter(|size| *size > 0)
        .and_then(|size| size.try_into().ok())
        .ok_or("expected bytes such as 5MiB, 512KiB or 1000, less than 4GiB")
}

/// Reads a time with a unit: `20s`, `500ms`, `1m 30s`.
///
/// # Errors
///
/// When it is none, nothing at all, or more than 7 days.
pub fn time(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        // The longest is more than anybody waits for, and far from what clocks can add.
        .filter(|time| !time.is_zero() && *time <= Duration::from_secs(7 * 24 * 3600))
        .ok_or("expected a time of at most 7 days, such as 20s or 500ms")
}

/// Reads a number of things that are held in memory, less than 2³² of them.
pub fn count(range: impl RangeBounds<i64>) -> RangedI64ValueParser<usize> {
    RangedI64ValueParser::new()
        .range(0..=i64::from(u32::MAX))
        .range(range)
}

/// What options hold that nobody gives.
///
/// # Panics
///
/// If one of them has no valid default, which is a fault of the program.
pub fn defaults<T: Args>() -> T {
    parse::<T>([]).expect("every option has a valid default")
}

/// Reads options as a command line gives them, without the name of a program.
///
/// # Errors
///
/// What is wrong with one of them.
pub fn parse<T: Args>(args: impl IntoIterator<Item = &'static str>) -> Result<T, Error> {
    let command = T::augment_args(Command::new("options").no_binary_name(true));
    T::from_arg_matches(&command.try_get_matches_from(args)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("5MiB", 5 << 20),
            ("1536", 1536),
            ("3KiB", 3072),
            ("3 KiB", 3072),
        ] {
            assert_eq!(size::<u32>(text), Ok(bytes));
            assert_eq!(size::<usize>(text), Ok(bytes as usize));
        }
        for text in ["", "0", "0MiB", "5MB", "4GiB", "-1", "1.5MiB", "4294967296"] {
            assert!(size::<u32>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units_and_a_most() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("7days"), Ok(Duration::from_secs(7 * 24 * 3600)));
        for text in ["", "5", "0s", "-1s", "1year", "7days 1s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
