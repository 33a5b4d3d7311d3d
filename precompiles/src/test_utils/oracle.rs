//! The auction by its definition: every candidate price is tried, and every share is the formula
//! as it is written. Slow, and shares no code with the matching core.

use crate::{
    matching::{Clearing, Level},
    order::{Order, Side, Ticks, WattHours},
};
use alloy_primitives::B256;

/// The orders among the words, `None` for empty slots. Panics on invalid words.
pub fn orders(words: &[B256]) -> Vec<Option<Order>> {
    words
        .iter()
        .map(|word| Order::decode(*word).unwrap())
        .collect()
}

/// The quantity of one side whose limit price passes.
pub fn quantity(orders: &[Option<Order>], side: Side, limit: impl Fn(i32) -> bool) -> u64 {
    orders
        .iter()
        .flatten()
        .filter(|order| order.side == side && limit(order.price.0))
        .map(|order| order.quantity.0)
        .sum()
}

pub fn clear(words: &[B256]) -> Clearing {
    let orders = orders(words);
    // Demand and supply change at limit prices only, and so does what is marginal or rejected.
    let mut prices: Vec<i32> = orders.iter().flatten().map(|order| order.price.0).collect();
    prices.sort_unstable();
    prices.dedup();
    let demand = |p: i32| quantity(&orders, Side::Bid, |limit| limit >= p);
    let supply = |p: i32| quantity(&orders, Side::Ask, |limit| limit <= p);
    let better_demand = |p: i32| quantity(&orders, Side::Bid, |limit| limit > p);
    let better_supply = |p: i32| quantity(&orders, Side::Ask, |limit| limit < p);

    let volume = prices
        .iter()
        .map(|p| demand(*p).min(supply(*p)))
        .max()
        .unwrap_or(0);
    if volume == 0 {
        return Clearing::default();
    }
    // The marginal level: the first, from the best, at which a side holds the volume.
    let bid = *prices.iter().rev().find(|p| demand(**p) >= volume).unwrap();
    let ask = *prices.iter().find(|p| supply(**p) >= volume).unwrap();
    // The best price not wholly accepted: the first at which a side holds more than the volume.
    let rejected_bid = prices.iter().rev().find(|p| demand(**p) > volume);
    let rejected_ask = prices.iter().find(|p| supply(**p) > volume);
    let low = rejected_bid.map_or(ask, |p| ask.max(*p));
    let high = rejected_ask.map_or(bid, |p| bid.min(*p));
    Clearing {
        price: Ticks(i32::try_from((i64::from(low) + i64::from(high)).div_euclid(2)).unwrap()),
        volume: WattHours(volume),
        bid: Level {
            price: Ticks(bid),
            quantity: WattHours(demand(bid) - better_demand(bid)),
            filled: WattHours(volume - better_demand(bid)),
        },
        ask: Level {
            price: Ticks(ask),
            quantity: WattHours(supply(ask) - better_supply(ask)),
            filled: WattHours(volume - better_supply(ask)),
        },
    }
}

/// Each word's fill under a clearing that trades.
pub fn fills(words: &[B256], clearing: &Clearing) -> Vec<u64> {
    if clearing.volume.0 == 0 {
        return vec![0; words.len()];
    }
    let mut before = [0u128; 2];
    orders(words)
        .iter()
        .map(|order| {
            let Some(order) = order else { return 0 };
            let level = match order.side {
                Side::Bid => clearing.bid,
                Side::Ask => clearing.ask,
            };
            let ahead = match order.side {
                Side::Bid => order.price > level.price,
                Side::Ask => order.price < level.price,
            };
            if ahead {
                return order.quantity.0;
            }
            if order.price != level.price {
                return 0;
            }
            let (f, q) = (u128::from(level.filled.0), u128::from(level.quantity.0));
            let before = &mut before[order.side as usize];
            let share_before = *before * f / q;
            *before += u128::from(order.quantity.0);
            u64::try_from(*before * f / q - share_before).unwrap()
        })
        .collect()
}
