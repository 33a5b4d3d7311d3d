//! Sizes on the command line.

use std::{fmt, str::FromStr};

/// Bytes, with an optional unit: `5MiB`, `512KiB`, `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UNITS
            .iter()
            .find_map(|(unit, shift)| {
                let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
                number.checked_mul(1 << shift).map(Self)
            })
            .ok_or_else(|| "expected bytes such as 2GiB, 64MiB or 1000".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, shift)| self.0 > 0 && self.0.trailing_zeros() >= *shift);
        let (unit, shift) = unit.unwrap_or(&("", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (text, bytes) in [
            ("8TiB", 8 << 40),
            ("3GiB", 3 << 30),
            ("5MiB", 5 << 20),
            ("1536", 1536),
            ("3KiB", 3072),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "5MB", "-1", "1.5GiB", "99999999TiB"] {
            let error = text.parse::<Size>().expect_err(text);
            assert_eq!(error, "expected bytes such as 2GiB, 64MiB or 1000");
        }
    }
}
