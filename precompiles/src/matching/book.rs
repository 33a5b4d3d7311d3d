//! The order book of one auction: gathered word by word, then crossed once.

use super::{Clearing, Level, MAX_ORDERS, OrderError};
use crate::order::{Order, Side, Ticks, WattHours};
use alloy_primitives::B256;
use core::{iter::Peekable, slice};

/// Bits of a key that hold the order's position.
const POSITION_BITS: u32 = MAX_ORDERS.trailing_zeros();

/// The bit of a key that sets asks apart from bids.
const ASK_BIT: u64 = 1 << (POSITION_BITS + u32::BITS);

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
            self.keys
                .push(key(order.side, order.price, self.quantities.len()));
            self.quantities.push(order.quantity.0);
            self.bids += usize::from(order.side == Side::Bid);
        }
        Ok(())
    }

    /// Crosses the bids with the asks, best prices first.
    pub fn clear(mut self) -> Clearing {
        self.keys.sort_unstable();
        let (bids, asks) = self.keys.split_at(self.bids);
        let mut bids = Levels::new(bids, &self.quantities);
        let mut asks = Levels::new(asks, &self.quantities);
        match (bids.next(), asks.next()) {
            (Some(bid), Some(ask)) if bid.price >= ask.price => cross(bid, ask, bids, asks),
            _ => Clearing::default(),
        }
    }
}

/// The rank of a price on its side, best first: high bids and low asks.
const fn rank(side: Side, price: Ticks) -> u32 {
    let ascending = price.0.cast_unsigned() ^ (1 << 31);
    match side {
        Side::Bid => !ascending,
        Side::Ask => ascending,
    }
}

/// The sort key of an order: ascending keys are bids from the best to the worst, then asks from
/// the best to the worst, in submission order at equal price.
const fn key(side: Side, price: Ticks, position: usize) -> u64 {
    let side_bit = match side {
        Side::Bid => 0,
        Side::Ask => ASK_BIT,
    };
    side_bit | (rank(side, price) as u64) << POSITION_BITS | position as u64
}

/// The price that [`key`] ranked.
const fn price(key: u64) -> Ticks {
    // Truncating drops the side bit, which lies just above the rank.
    let rank = (key >> POSITION_BITS) as u32;
    let ascending = if key & ASK_BIT == 0 { !rank } else { rank };
    Ticks((ascending ^ (1 << 31)).cast_signed())
}

/// A price level while it is being crossed.
#[derive(Clone, Copy)]
struct OpenLevel {
    price: Ticks,
    quantity: u64,
    /// What has not traded yet.
    open: u64,
}

impl From<OpenLevel> for Level {
    fn from(level: OpenLevel) -> Self {
        Self {
            price: level.price,
            quantity: WattHours(level.quantity),
            filled: WattHours(level.quantity - level.open),
        }
    }
}

/// The price levels of one side, best first.
struct Levels<'a> {
    keys: Peekable<slice::Iter<'a, u64>>,
    quantities: &'a [u64],
}

impl<'a> Levels<'a> {
    fn new(keys: &'a [u64], quantities: &'a [u64]) -> Self {
        Self {
            keys: keys.iter().peekable(),
            quantities,
        }
    }

    fn quantity(&self, key: u64) -> u64 {
        self.quantities[key as usize & (MAX_ORDERS - 1)]
    }
}

impl Iterator for Levels<'_> {
    type Item = OpenLevel;

    fn next(&mut self) -> Option<OpenLevel> {
        let first = *self.keys.next()?;
        let level = first >> POSITION_BITS;
        let mut quantity = self.quantity(first);
        while let Some(key) = self.keys.next_if(|key| **key >> POSITION_BITS == level) {
            quantity += self.quantity(*key);
        }
        Some(OpenLevel {
            price: price(first),
            quantity,
            open: quantity,
        })
    }
}

/// Trades level against level until the next bid is below the next ask. `bid` and `ask` are the
/// best levels and cross.
fn cross(
    mut bid: OpenLevel,
    mut ask: OpenLevel,
    mut bids: Levels<'_>,
    mut asks: Levels<'_>,
) -> Clearing {
    let mut volume = 0;
    loop {
        let traded = bid.open.min(ask.open);
        volume += traded;
        bid.open -= traded;
        ask.open -= traded;

        // The best of what is not, or only partly, accepted so far.
        let next_bid = if bid.open == 0 {
            bids.next()
        } else {
            Some(bid)
        };
        let next_ask = if ask.open == 0 {
            asks.next()
        } else {
            Some(ask)
        };
        if let (Some(next_bid), Some(next_ask)) = (next_bid, next_ask)
            && next_bid.price >= next_ask.price
        {
            (bid, ask) = (next_bid, next_ask);
            continue;
        }

        let low = next_bid.map_or(ask.price, |next| next.price.max(ask.price));
        let high = next_ask.map_or(bid.price, |next| next.price.min(bid.price));
        return Clearing {
            price: midpoint(low, high),
            volume: WattHours(volume),
            bid: bid.into(),
            ask: ask.into(),
        };
    }
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

    const PRICES: [i32; 7] = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];

    #[test]
    fn keys_sort_best_price_first_and_carry_it() {
        for pair in PRICES.windows(2) {
            let [low, high] = [Ticks(pair[0]), Ticks(pair[1])];
            assert!(key(Side::Bid, high, MAX_ORDERS - 1) < key(Side::Bid, low, 0));
            assert!(key(Side::Ask, low, MAX_ORDERS - 1) < key(Side::Ask, high, 0));
        }
        assert!(
            key(Side::Bid, Ticks(i32::MIN), MAX_ORDERS - 1) < key(Side::Ask, Ticks(i32::MIN), 0)
        );
        for ticks in PRICES.map(Ticks) {
            for side in [Side::Bid, Side::Ask] {
                assert_eq!(price(key(side, ticks, MAX_ORDERS - 1)), ticks);
            }
        }
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
        let word = |side, price| {
            Order {
                side,
                price: Ticks(price),
                quantity: crate::order::MAX_QUANTITY,
                trader: Default::default(),
            }
            .encode()
            .unwrap()
        };
        let (bid, ask) = (word(Side::Bid, 1), word(Side::Ask, 0));
        let mut book = Book::with_capacity(MAX_ORDERS);
        for _ in 1..MAX_ORDERS {
            book.push(bid).unwrap();
        }
        book.push(ask).unwrap();
        assert_eq!(
            book.clone().push(ask),
            Err(OrderError::TooMany {
                count: MAX_ORDERS + 1
            })
        );

        let one = crate::order::MAX_QUANTITY.0;
        let clearing = book.clear();
        let level = Level {
            price: Ticks(1),
            quantity: WattHours((MAX_ORDERS as u64 - 1) * one),
            filled: WattHours(one),
        };
        assert_eq!(
            clearing,
            Clearing {
                price: Ticks(1),
                volume: WattHours(one),
                bid: level,
                ask: Level {
                    price: Ticks(0),
                    quantity: WattHours(one),
                    filled: WattHours(one)
                },
            }
        );
    }
}
