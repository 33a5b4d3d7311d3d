//! Who gets how much of a cleared volume.

use super::{Clearing, Level, OrderError};
use crate::order::{Order, Side, Ticks, WattHours};
use alloy_primitives::B256;

/// Shares the volume of one auction out, order by order in submission order.
///
/// Orders better than their side's marginal level fill whole, worse ones not at all. With F of
/// the Q Wh of the marginal level accepted and C Wh of the level before it, an order of q at the
/// level gets floor((C + q)·F/Q) − floor(C·F/Q), so that the shares add up to F.
#[derive(Clone, Debug)]
pub struct Rationing {
    bid: Shares,
    ask: Shares,
}

impl Rationing {
    /// Starts before the first order of the auction that cleared so.
    pub const fn new(clearing: &Clearing) -> Self {
        Self {
            bid: Shares::new(&clearing.bid),
            ask: Shares::new(&clearing.ask),
        }
    }

    /// The fill of each word of the auction, in submission order; empty slots get nothing.
    ///
    /// # Errors
    ///
    /// [`OrderError::Invalid`], for a word that no auction would have taken.
    #[inline]
    pub fn fills(
        mut self,
        words: impl Iterator<Item = B256>,
    ) -> impl Iterator<Item = Result<WattHours, OrderError>> {
        words.enumerate().map(move |(index, word)| {
            let order =
                Order::decode(word).map_err(|reason| OrderError::Invalid { index, reason })?;
            Ok(order.map_or(WattHours(0), |order| self.fill(&order)))
        })
    }

    /// The fill of the next order. Each order of the auction is to be passed once, in submission
    /// order; empty slots get nothing and are passed over.
    #[inline]
    pub fn fill(&mut self, order: &Order) -> WattHours {
        let shares = match order.side {
            Side::Bid => &mut self.bid,
            Side::Ask => &mut self.ask,
        };
        let better = match order.side {
            Side::Bid => order.price > shares.price,
            Side::Ask => order.price < shares.price,
        };
        if shares.quantity == 0 {
            // Nothing traded: the level is no level, and no price is better than it.
            WattHours(0)
        } else if better {
            order.quantity
        } else if order.price == shares.price {
            shares.next(order.quantity)
        } else {
            WattHours(0)
        }
    }
}

/// The shares of one marginal level.
#[derive(Clone, Debug)]
struct Shares {
    price: Ticks,
    /// Q, zero if nothing traded.
    quantity: u64,
    /// F.
    filled: u64,
    /// C·F mod Q. As C·F = floor(C·F/Q)·Q + remainder, the next share is
    /// floor((remainder + q·F)/Q), at the price of one division.
    remainder: u64,
}

impl Shares {
    const fn new(level: &Level) -> Self {
        Self {
            price: level.price,
            quantity: level.quantity.0,
            filled: level.filled.0,
            remainder: 0,
        }
    }

    /// The share of the next order, of `quantity`, at a level that trades.
    fn next(&mut self, quantity: WattHours) -> WattHours {
        if self.filled == self.quantity {
            return quantity;
        }
        let level = u128::from(self.quantity);
        // Below 2⁶⁴ + 2⁴⁰·2⁶⁴: far from 2¹²⁸.
        let due = u128::from(self.remainder) + u128::from(quantity.0) * u128::from(self.filled);
        let share = due / level;
        self.remainder = (due % level) as u64;
        // F < Q, so the share is at most the order's quantity.
        WattHours(share as u64)
    }
}
