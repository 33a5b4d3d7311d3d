//! The order book of one auction: gathered word by word, then crossed once.

use super::{
    Clearing, MAX_ORDERS, OrderError,
    ladder::{Ladder, rank},
};
use crate::order::{Order, Side, Ticks, WattHours};
use alloy_primitives::B256;

/// Bits of a key that hold the order's position.
const POSITION_BITS: u32 = MAX_ORDERS.trailing_zeros();

/// The orders of one auction.
///
/// An order is a 64-bit key of side, rank of its price and position, which the standard unstable
/// sort brings into matching order, and a quantity that stays at its position.
#[derive(Clone, Debug, Default)]
pub struct Book {
    keys: Vec<u64>,
    quantities: Vec<u64>,
    bids: usize,
    words: usize,
}

impl Book {
    /// An empty book with room for `words` words, 16 bytes each.
    pub fn with_capacity(words: usize) -> Self {
        let words = words.min(MAX_ORDERS);
        Self {
            keys: Vec::with_capacity(words),
            quantities: Vec::with_capacity(words),
            bids: 0,
            words: 0,
        }
    }

    /// A book of the given words.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn from_words(words: impl ExactSizeIterator<Item = B256>) -> Result<Self, OrderError> {
        if words.len() > MAX_ORDERS {
            return Err(OrderError::TooMany { count: words.len() });
        }
        let mut book = Self::with_capacity(words.len());
        for word in words {
            book.push(word)?;
        }
        Ok(book)
    }

    /// Adds the next word.
    ///
    /// # Errors
    ///
    /// [`OrderError::Invalid`] if it is neither an order nor an empty slot,
    /// [`OrderError::TooMany`] if the book already holds [`MAX_ORDERS`] words.
    #[inline]
    pub fn push(&mut self, word: B256) -> Result<(), OrderError> {
        let index = self.words;
        if index == MAX_ORDERS {
            return Err(OrderError::TooMany {
                count: MAX_ORDERS + 1,
            });
        }
        let order = Order::decode(word).map_err(|reason| OrderError::Invalid { index, reason })?;
        self.words += 1;
        if let Some(order) = order {
            self.keys.push(key(&order, self.quantities.len()));
            self.quantities.push(order.quantity.0);
            self.bids += usize::from(order.side == Side::Bid);
        }
        Ok(())
    }

    /// Crosses the bids with the asks.
    pub fn clear(mut self) -> Clearing {
        self.keys.sort_unstable();
        let (bids, asks) = self.keys.split_at(self.bids);
        let bids = Ladder::new(Side::Bid, bids.iter().map(|key| self.order(*key)));
        let asks = Ladder::new(Side::Ask, asks.iter().map(|key| self.order(*key)));
        let volume = bids.volume(&asks);
        match (bids.accept(volume), asks.accept(volume)) {
            (Some((bid, bid_left)), Some((ask, ask_left))) => {
                let low = bid_left.map_or(ask.price, |left| left.max(ask.price));
                let high = ask_left.map_or(bid.price, |left| left.min(bid.price));
                Clearing {
                    price: midpoint(low, high),
                    volume: WattHours(volume),
                    bid,
                    ask,
                }
            }
            _ => Clearing::default(),
        }
    }

    /// The rank and quantity of the order with this key.
    fn order(&self, key: u64) -> (u32, u64) {
        // Truncating drops the side bit, which lies just above the rank.
        let rank = (key >> POSITION_BITS) as u32;
        (rank, self.quantities[key as usize & (MAX_ORDERS - 1)])
    }
}

/// The sort key of an order: ascending keys are bids from the best to the worst, then asks from
/// the best to the worst, in submission order at equal price.
const fn key(order: &Order, position: usize) -> u64 {
    let side_and_rank = (order.side as u64) << u32::BITS | rank(order.side, order.price) as u64;
    side_and_rank << POSITION_BITS | position as u64
}

/// The middle of two prices, rounded towards minus infinity.
const fn midpoint(low: Ticks, high: Ticks) -> Ticks {
    // The arithmetic shift floors, and the middle of two `i32` is an `i32`.
    Ticks(((low.0 as i64 + high.0 as i64) >> 1) as i32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{matching::Level, order::MAX_QUANTITY};
    use alloy_primitives::Address;

    fn order(side: Side, price: i32) -> Order {
        Order {
            side,
            price: Ticks(price),
            quantity: MAX_QUANTITY,
            trader: Address::ZERO,
        }
    }

    #[test]
    fn keys_put_bids_first_then_the_best_price_then_the_earliest() {
        let last = MAX_ORDERS - 1;
        let ascending = [
            key(&order(Side::Bid, i32::MAX), 0),
            key(&order(Side::Bid, i32::MAX), last),
            key(&order(Side::Bid, 0), 0),
            key(&order(Side::Bid, -1), 0),
            key(&order(Side::Bid, i32::MIN), last),
            key(&order(Side::Ask, i32::MIN), 0),
            key(&order(Side::Ask, i32::MIN), last),
            key(&order(Side::Ask, -1), last),
            key(&order(Side::Ask, 0), 0),
            key(&order(Side::Ask, i32::MAX), last),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn midpoint_floors_over_the_whole_range() {
        assert_eq!(midpoint(Ticks(-9), Ticks(-4)), Ticks(-7));
        assert_eq!(midpoint(Ticks(5), Ticks(10)), Ticks(7));
        assert_eq!(midpoint(Ticks(i32::MIN), Ticks(i32::MAX)), Ticks(-1));
        assert_eq!(midpoint(Ticks(i32::MIN), Ticks(i32::MIN)), Ticks(i32::MIN));
        assert_eq!(midpoint(Ticks(i32::MAX), Ticks(i32::MAX)), Ticks(i32::MAX));
    }

    /// The greatest auction there is: its sums come within 2²⁴ Wh of 2⁶⁴.
    #[test]
    fn the_largest_book_does_not_overflow() {
        let [bid, ask] = [order(Side::Bid, 1), order(Side::Ask, 0)].map(|o| o.encode().unwrap());
        let mut book = Book::with_capacity(MAX_ORDERS);
        for _ in 1..MAX_ORDERS {
            book.push(bid).unwrap();
        }
        book.push(ask).unwrap();
        assert_eq!(
            book.push(ask),
            Err(OrderError::TooMany {
                count: MAX_ORDERS + 1
            })
        );

        let most = (MAX_ORDERS as u64 - 1) * MAX_QUANTITY.0;
        let level = |price, quantity| Level {
            price: Ticks(price),
            quantity: WattHours(quantity),
            filled: MAX_QUANTITY,
        };
        assert_eq!(
            book.clear(),
            Clearing {
                price: Ticks(1),
                volume: MAX_QUANTITY,
                bid: level(1, most),
                ask: level(0, MAX_QUANTITY.0),
            }
        );
    }
}
