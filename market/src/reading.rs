//! What a meter says: its registers at an interval boundary.

use crate::WattHours;
use alloy::primitives::B256;
use std::fmt;

/// A meter's identifier on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId(pub B256);

/// A meter name that cannot be an identifier.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a meter's name must be 1 to 32 printable ASCII characters, got {0:?}")]
pub struct InvalidMeterName(String);

impl MeterId {
    /// The identifier of a meter known by a short name: its ASCII text, padded with zeros on the
    /// right, so that explorers show it readably.
    ///
    /// # Errors
    ///
    /// The name is empty, longer than 32 bytes or not printable ASCII.
    pub fn from_name(name: &str) -> Result<Self, InvalidMeterName> {
        if name.is_empty() || name.len() > 32 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidMeterName(name.chars().take(64).collect()));
        }
        Ok(Self(B256::right_padding_from(name.as_bytes())))
    }
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.0.split(|byte| *byte == 0).next().unwrap_or_default();
        let padded = self.0.0.iter().skip(text.len()).all(|byte| *byte == 0);
        match std::str::from_utf8(text) {
            Ok(name) if padded && !name.is_empty() && text.iter().all(u8::is_ascii_graphic) => {
                f.write_str(name)
            }
            _ => self.0.fmt(f),
        }
    }
}

/// A meter's two registers. Both only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Energy taken from the grid (OBIS 1.8.0).
    pub import: WattHours,
    /// Energy fed into the grid (OBIS 2.8.0).
    pub export: WattHours,
}

impl Registers {
    /// The registers after an interval in which so much was consumed and generated behind the
    /// meter. The meter nets the two within the interval: import grows by max(c − g, 0), export by
    /// max(g − c, 0).
    ///
    /// `None` if a register would overflow.
    pub const fn after(self, consumption: WattHours, generation: WattHours) -> Option<Self> {
        let Some(import) = self
            .import
            .checked_add(consumption.saturating_sub(generation))
        else {
            return None;
        };
        let Some(export) = self
            .export
            .checked_add(generation.saturating_sub(consumption))
        else {
            return None;
        };
        Some(Self { import, export })
    }

    /// Whether one of the registers is below its earlier value.
    pub fn is_behind(&self, earlier: &Self) -> bool {
        self.import < earlier.import || self.export < earlier.export
    }
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} imported, {} exported", self.import, self.export)
    }
}

/// A meter's registers at an interval boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The meter.
    pub meter: MeterId,
    /// The boundary, Unix seconds.
    pub time: u64,
    /// The registers.
    pub registers: Registers,
}

/// A boundary (Unix seconds) and a meter: the boundary first, so that the oldest comes first.
pub type ReadingKey = (u64, MeterId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_its_own_identifier() {
        let id = MeterId::from_name("M001").expect("valid");
        assert_eq!(&id.0[..5], b"M001\0");
        assert_eq!(id.to_string(), "M001");
        assert_eq!(MeterId(B256::ZERO).to_string(), B256::ZERO.to_string());
        assert_eq!(MeterId::from_name(""), Err(InvalidMeterName(String::new())));
        assert!(MeterId::from_name("é").is_err());
        assert!(MeterId::from_name(&"x".repeat(33)).is_err());
    }

    #[test]
    fn overflow_is_seen() {
        let full = Registers {
            import: WattHours(u64::MAX),
            export: WattHours(0),
        };
        assert_eq!(full.after(WattHours(1), WattHours(0)), None);
        assert_eq!(full.after(WattHours(1), WattHours(1)), Some(full));
    }

    proptest! {
        #[test]
        fn netting_moves_one_register_by_the_difference(c in 0u64..1 << 40, g in 0u64..1 << 40) {
            let after = Registers::default().after(WattHours(c), WattHours(g)).expect("fits");
            prop_assert_eq!(after.import.0 as i64 - after.export.0 as i64, c as i64 - g as i64);
            prop_assert!(after.import.0 == 0 || after.export.0 == 0);
        }
    }
}
