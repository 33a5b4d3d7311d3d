//! One side of an order book as a ladder of depths.

use super::Level;
use crate::order::{Side, Ticks, WattHours};

/// The rank of a price on its side, best first: high bids and low asks.
pub(super) const fn rank(side: Side, price: Ticks) -> u32 {
    price.0.cast_unsigned() ^ turn(side)
}

/// The price of a rank.
const fn price(side: Side, rank: u32) -> Ticks {
    Ticks((rank ^ turn(side)).cast_signed())
}

/// The bits in which a rank differs from its price: the sign bit, for negative prices to come
/// first, and for bids all bits, for high prices to come first.
const fn turn(side: Side) -> u32 {
    // Sides come in any order, and a branch on them would be mispredicted every other time.
    (1 << 31) ^ (side as u32).wrapping_sub(Side::Ask as u32)
}

/// The orders of one side, best price first, each with the quantity of all orders up to it.
///
/// Building it takes no branch that depends on the orders, and then every question is a binary
/// search: on random orders that is faster than walking both sides against each other.
pub(super) struct Ladder {
    side: Side,
    rungs: Vec<Rung>,
}

struct Rung {
    rank: u32,
    /// The quantity of this order and all before it.
    depth: u64,
}

impl Ladder {
    /// The ladder of orders given by rank and quantity, the lowest rank first.
    pub(super) fn new(side: Side, orders: impl Iterator<Item = (u32, u64)>) -> Self {
        let mut depth = 0;
        let rungs = orders.map(|(rank, quantity)| {
            // At most 2²⁴ quantities below 2⁴⁰: no overflow.
            depth += quantity;
            Rung { rank, depth }
        });
        Self {
            side,
            rungs: rungs.collect(),
        }
    }

    /// The greatest quantity that these bids can trade with these asks at one price.
    pub(super) fn volume(&self, asks: &Self) -> u64 {
        let bids = self;
        let supply = |bid: &Rung| {
            let rank = rank(asks.side, price(bids.side, bid.rank));
            asks.depth(asks.rungs.partition_point(|ask| ask.rank <= rank))
        };
        // From bid to bid the demand grows and the supply at the bid's price shrinks. Until they
        // cross, demand is the lesser, and greatest at the last bid; from there on supply is, and
        // greatest at the first.
        let crossing = bids.rungs.partition_point(|bid| bid.depth < supply(bid));
        let demand = bids.depth(crossing);
        bids.rungs
            .get(crossing)
            .map_or(demand, |bid| demand.max(supply(bid)))
    }

    /// Accepts the best orders until they hold `volume`: the level at which they do, and the best
    /// price among orders not or only partly accepted. `None` if nothing is to be accepted.
    pub(super) fn accept(&self, volume: u64) -> Option<(Level, Option<Ticks>)> {
        if volume == 0 {
            return None;
        }
        let marginal = self.rungs.partition_point(|rung| rung.depth < volume);
        let rank = self.rungs.get(marginal)?.rank;
        let start = self.rungs.partition_point(|rung| rung.rank < rank);
        let end = self.rungs.partition_point(|rung| rung.rank <= rank);
        let level = Level {
            price: price(self.side, rank),
            quantity: WattHours(self.depth(end) - self.depth(start)),
            filled: WattHours(volume - self.depth(start)),
        };
        let left = if level.filled < level.quantity {
            Some(level.price)
        } else {
            self.rungs.get(end).map(|rung| price(self.side, rung.rank))
        };
        Some((level, left))
    }

    /// The quantity of the best `orders` orders.
    fn depth(&self, orders: usize) -> u64 {
        orders
            .checked_sub(1)
            .map_or(0, |last| self.rungs[last].depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_put_the_best_price_first_and_tell_it() {
        let prices = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX].map(Ticks);
        for pair in prices.windows(2) {
            assert!(rank(Side::Bid, pair[1]) < rank(Side::Bid, pair[0]));
            assert!(rank(Side::Ask, pair[0]) < rank(Side::Ask, pair[1]));
        }
        for ticks in prices {
            for side in [Side::Bid, Side::Ask] {
                assert_eq!(price(side, rank(side, ticks)), ticks);
            }
        }
    }
}
