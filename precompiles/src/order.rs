//! The order word: one order packed into 32 bytes.
//!
//! | bits    | field                                            |
//! | ------- | ------------------------------------------------ |
//! | 255–240 | zero, reserved                                   |
//! | 239–232 | side: 0 bid, 1 ask                               |
//! | 231–200 | limit price, `int32`, in ticks                   |
//! | 199–160 | quantity, `uint40`, in Wh                        |
//! | 159–0   | the trader's address, which matching ignores     |

use alloy_primitives::{Address, B256};
use core::fmt;

/// A price in ticks of 0.01 currency/MWh, that is 10⁻⁵ currency/kWh. May be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub i32);

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks", self.0)
    }
}

/// An amount of energy in watt-hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WattHours(pub u64);

impl fmt::Display for WattHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Wh", self.0)
    }
}

/// The greatest quantity of one order: what 40 bits hold.
pub const MAX_QUANTITY: WattHours = WattHours((1 << 40) - 1);

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Buys at its limit price or lower.
    Bid = 0,
    /// Sells at its limit price or higher.
    Ask = 1,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
        })
    }
}

/// One order of an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Whether it buys or sells.
    pub side: Side,
    /// The worst price it trades at.
    pub price: Ticks,
    /// How much it wants to trade, at most [`MAX_QUANTITY`].
    pub quantity: WattHours,
    /// Who placed it.
    pub trader: Address,
}

/// Why a word is not an order, or an order does not fit into a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// The top sixteen bits are reserved.
    #[error("reserved bits are {found:#06x}, expected zero")]
    ReservedBits {
        /// The bits as found.
        found: u16,
    },
    /// The side is neither bid nor ask.
    #[error("side is {found}, expected 0 (bid) or 1 (ask)")]
    UnknownSide {
        /// The side as found.
        found: u8,
    },
    /// The quantity needs more than 40 bits.
    #[error("quantity is {found}, expected at most {MAX_QUANTITY}")]
    QuantityTooLarge {
        /// The quantity as found.
        found: WattHours,
    },
}

impl Order {
    /// Reads a word; `None` is an empty slot: a word whose quantity is zero, whatever its other
    /// bits.
    ///
    /// # Errors
    ///
    /// [`WordError::ReservedBits`] or [`WordError::UnknownSide`] if the word is neither an order
    /// nor an empty slot.
    #[inline]
    pub fn decode(word: B256) -> Result<Option<Self>, WordError> {
        let [fields @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = word.0;
        // Bits 255–128 of the word; the trader begins within.
        let fields = u128::from_be_bytes(fields);
        let quantity = (fields >> 32) as u64 & MAX_QUANTITY.0;
        if quantity == 0 {
            return Ok(None);
        }
        let reserved = (fields >> 112) as u16;
        if reserved != 0 {
            return Err(WordError::ReservedBits { found: reserved });
        }
        let side = match (fields >> 104) as u8 {
            0 => Side::Bid,
            1 => Side::Ask,
            found => return Err(WordError::UnknownSide { found }),
        };
        Ok(Some(Self {
            side,
            price: Ticks((fields >> 72) as i32),
            quantity: WattHours(quantity),
            trader: Address::from_word(word),
        }))
    }

    /// Packs the order into a word. An order of zero quantity becomes an empty slot.
    ///
    /// # Errors
    ///
    /// [`WordError::QuantityTooLarge`] beyond [`MAX_QUANTITY`].
    pub fn encode(&self) -> Result<B256, WordError> {
        if self.quantity > MAX_QUANTITY {
            return Err(WordError::QuantityTooLarge {
                found: self.quantity,
            });
        }
        let [_, _, _, quantity @ ..] = self.quantity.0.to_be_bytes();
        let mut word = B256::ZERO;
        word[2] = self.side as u8;
        word[3..7].copy_from_slice(&self.price.0.to_be_bytes());
        word[7..12].copy_from_slice(&quantity);
        word[12..].copy_from_slice(self.trader.as_slice());
        Ok(word)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::b256;
    use proptest::prelude::*;

    const WORD: B256 = b256!("0x000001fffffff7fedcba98766a6b0d549b6f03675a1600a35a099950d836f675");

    #[test]
    fn reads_each_field_from_its_bits() {
        let order = Order::decode(WORD).unwrap().unwrap();
        assert_eq!(order.side, Side::Ask);
        assert_eq!(order.price, Ticks(-9));
        assert_eq!(order.quantity, WattHours(0xfe_dcba_9876));
        assert_eq!(order.trader.as_slice(), &WORD[12..]);
        assert_eq!(order.encode().unwrap(), WORD);
    }

    #[test]
    fn refuses_reserved_bits() {
        for bit in 240..256 {
            let found = 1u16 << (bit - 240);
            let mut word = WORD;
            word[..2].copy_from_slice(&found.to_be_bytes());
            assert_eq!(Order::decode(word), Err(WordError::ReservedBits { found }));
        }
    }

    #[test]
    fn refuses_unknown_sides() {
        for found in 2..=u8::MAX {
            let mut word = WORD;
            word[2] = found;
            assert_eq!(Order::decode(word), Err(WordError::UnknownSide { found }));
        }
    }

    #[test]
    fn zero_quantity_is_an_empty_slot_whatever_the_rest() {
        let mut word = B256::repeat_byte(0xff);
        word[7..12].fill(0);
        assert_eq!(Order::decode(word), Ok(None));
        assert_eq!(Order::decode(B256::ZERO), Ok(None));
    }

    #[test]
    fn refuses_to_pack_more_than_forty_bits() {
        let order = Order {
            side: Side::Bid,
            price: Ticks(0),
            quantity: WattHours(1 << 40),
            trader: Address::ZERO,
        };
        let error = order.encode().unwrap_err();
        assert_eq!(
            error,
            WordError::QuantityTooLarge {
                found: WattHours(1 << 40)
            }
        );
        assert_eq!(
            error.to_string(),
            "quantity is 1099511627776 Wh, expected at most 1099511627775 Wh"
        );
    }

    proptest! {
        #[test]
        fn packing_and_reading_are_inverse(
            ask: bool,
            price: i32,
            quantity in 1..=MAX_QUANTITY.0,
            trader: [u8; 20],
        ) {
            let order = Order {
                side: if ask { Side::Ask } else { Side::Bid },
                price: Ticks(price),
                quantity: WattHours(quantity),
                trader: Address::new(trader),
            };
            prop_assert_eq!(Order::decode(order.encode().unwrap()), Ok(Some(order)));
        }

        #[test]
        fn every_word_is_an_order_or_an_empty_slot_or_refused(word: [u8; 32]) {
            match Order::decode(B256::new(word)) {
                Ok(Some(order)) => prop_assert_eq!(order.encode(), Ok(B256::new(word))),
                Ok(None) => prop_assert_eq!(&word[7..12], &[0; 5]),
                Err(WordError::ReservedBits { found }) => {
                    prop_assert_eq!(&found.to_be_bytes()[..], &word[..2]);
                }
                Err(WordError::UnknownSide { found }) => {
                    prop_assert!(found > 1 && found == word[2]);
                }
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}
