//! What is traded: a delivery interval in a zone.

use alloy::primitives::U256;
use std::fmt;

/// A delivery interval in a zone. Its number on the chain is `zone << 64 | start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product {
    zone: u64,
    start: u64,
}

/// What is no product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProduct {
    /// Zone zero is none.
    #[error("a product needs a zone, and zone 0 is none")]
    NoZone,
    /// The start is beyond 48 bits.
    #[error("a delivery cannot start at {0}: a product's start has 48 bits")]
    StartTooLate(u64),
    /// A number with more than 64 bits of zone.
    #[error("{0} is no product: its zone has more than 64 bits")]
    ZoneTooGreat(U256),
}

impl Product {
    /// The interval that starts at `start` (Unix seconds) in a zone.
    ///
    /// # Errors
    ///
    /// [`InvalidProduct`] for zone 0, which is none, and a start beyond 48 bits.
    pub const fn new(zone: u64, start: u64) -> Result<Self, InvalidProduct> {
        if zone == 0 {
            return Err(InvalidProduct::NoZone);
        }
        if start >> 48 != 0 {
            return Err(InvalidProduct::StartTooLate(start));
        }
        Ok(Self { zone, start })
    }

    /// The zone.
    pub const fn zone(self) -> u64 {
        self.zone
    }

    /// When delivery starts, Unix seconds.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Its number on the chain.
    pub const fn number(self) -> U256 {
        U256::from_limbs([self.start, self.zone, 0, 0])
    }
}

impl From<Product> for U256 {
    fn from(product: Product) -> Self {
        product.number()
    }
}

impl TryFrom<U256> for Product {
    type Error = InvalidProduct;

    fn try_from(number: U256) -> Result<Self, InvalidProduct> {
        match number.into_limbs() {
            [start, zone, 0, 0] => Self::new(zone, start),
            _ => Err(InvalidProduct::ZoneTooGreat(number)),
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone {} at {}", self.zone, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_has_the_zone_above_the_start() {
        let product = Product::new(1, 1_795_373_400).expect("a product");
        assert_eq!(
            U256::from(18_446_744_075_504_925_016_u128),
            product.number()
        );
        assert_eq!(product.to_string(), "zone 1 at 1795373400");
    }

    #[test]
    fn what_the_contracts_refuse_is_no_product() {
        assert_eq!(Product::new(0, 900), Err(InvalidProduct::NoZone));
        assert_eq!(
            Product::try_from(U256::from(900)),
            Err(InvalidProduct::NoZone)
        );
        assert_eq!(
            Product::new(1, 1 << 48),
            Err(InvalidProduct::StartTooLate(1 << 48))
        );
        let number = U256::from(1) << 128;
        assert_eq!(
            Product::try_from(number),
            Err(InvalidProduct::ZoneTooGreat(number))
        );
    }

    proptest! {
        #[test]
        fn packing_and_reading_are_inverse(zone in 1u64.., start in 0u64..1 << 48) {
            let product = Product::new(zone, start).expect("a product");
            let number = U256::from(zone) << 64 | U256::from(start);
            prop_assert_eq!(product.number(), number);
            prop_assert_eq!(Product::try_from(number), Ok(product));
        }
    }
}
