//! Orders, as they lie in a product's book.

use crate::{Ticks, WattHours};
use alloy::primitives::{Address, B256};

/// Which way an order trades. The contracts number them: 0 bid, 1 ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Buys at its limit price or lower.
    Bid = 0,
    /// Sells at its limit price or higher.
    Ask = 1,
}

impl From<Side> for u8 {
    fn from(side: Side) -> Self {
        side as Self
    }
}

/// One order of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Whether it buys or sells.
    pub side: Side,
    /// The worst price it trades at.
    pub price: Ticks,
    /// How much it wants to trade, at least 1 Wh.
    pub quantity: WattHours,
    /// Who placed it.
    pub trader: Address,
}

/// A word that no order packs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no order's word")]
pub struct InvalidOrder(pub B256);

impl Order {
    /// Reads an order's word, whose format `IBatchAuction` tells; `None` is an empty place, where
    /// an order was cancelled.
    ///
    /// # Errors
    ///
    /// [`InvalidOrder`] where the side is neither bid nor ask or a reserved bit is set.
    pub fn decode(word: B256) -> Result<Option<Self>, InvalidOrder> {
        let [
            r0,
            r1,
            side,
            p0,
            p1,
            p2,
            p3,
            q0,
            q1,
            q2,
            q3,
            q4,
            trader @ ..,
        ] = word.0;
        let quantity = u64::from_be_bytes([0, 0, 0, q0, q1, q2, q3, q4]);
        if quantity == 0 {
            return Ok(None);
        }
        let side = match [r0, r1, side] {
            [0, 0, 0] => Side::Bid,
            [0, 0, 1] => Side::Ask,
            _ => return Err(InvalidOrder(word)),
        };
        Ok(Some(Self {
            side,
            price: Ticks(i32::from_be_bytes([p0, p1, p2, p3])),
            quantity: WattHours(quantity),
            trader: Address::new(trader),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wattline_precompiles::order as auction;

    #[test]
    fn a_cancelled_order_is_an_empty_place() {
        assert_eq!(Order::decode(B256::ZERO), Ok(None));
    }

    proptest! {
        #[test]
        fn orders_are_read_as_the_auction_packs_them(
            ask: bool,
            price: i32,
            quantity in 1..=WattHours::MAX_ORDER.0,
            trader: [u8; 20],
        ) {
            let trader = Address::new(trader);
            let packed = auction::Order {
                side: if ask { auction::Side::Ask } else { auction::Side::Bid },
                price: auction::Ticks(price),
                quantity: auction::WattHours(quantity),
                trader,
            };
            let order = Order {
                side: if ask { Side::Ask } else { Side::Bid },
                price: Ticks(price),
                quantity: WattHours(quantity),
                trader,
            };
            prop_assert_eq!(u8::from(order.side), packed.side as u8);
            prop_assert_eq!(Order::decode(packed.encode().expect("packs")), Ok(Some(order)));
        }

        #[test]
        fn what_the_auction_refuses_is_no_order(word: [u8; 32]) {
            let word = B256::new(word);
            match auction::Order::decode(word) {
                Ok(order) => prop_assert_eq!(
                    Order::decode(word).map(|order| order.map(|order| order.trader)),
                    Ok(order.map(|order| order.trader))
                ),
                Err(_) => prop_assert_eq!(Order::decode(word), Err(InvalidOrder(word))),
            }
        }
    }
}
