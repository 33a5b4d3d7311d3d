//! What must hold of every auction.

use alloy_primitives::{Address, B256};
use proptest::{collection::vec, prelude::*, sample::select};
use wattline_precompiles::{
    matching::{self, Clearing},
    order::{MAX_QUANTITY, Order, Side, Ticks, WattHours},
    test_utils::oracle,
};

/// Every price at which the auctions of [`dense`] have orders.
const DENSE_PRICES: core::ops::RangeInclusive<i32> = -6..=6;

fn order(
    price: impl Strategy<Value = i32>,
    quantity: impl Strategy<Value = u64>,
) -> impl Strategy<Value = Order> {
    (
        select(&[Side::Bid, Side::Ask]),
        price,
        quantity,
        any::<[u8; 20]>(),
    )
        .prop_map(|(side, price, quantity, trader)| Order {
            side,
            price: Ticks(price),
            quantity: WattHours(quantity),
            trader: Address::new(trader),
        })
}

/// Few prices and small quantities: levels collide, sides tie, and slots are empty.
fn dense() -> impl Strategy<Value = Vec<Order>> {
    vec(order(DENSE_PRICES, 0u64..8), 0..40)
}

/// Prices and quantities over all of their bits.
fn wide() -> impl Strategy<Value = Vec<Order>> {
    let price = prop_oneof![
        any::<i32>(),
        select(&[i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX])
    ];
    let quantity = prop_oneof![0..=MAX_QUANTITY.0, Just(MAX_QUANTITY.0), 1u64..4];
    vec(order(price, quantity), 0..60)
}

fn auction() -> impl Strategy<Value = Vec<Order>> {
    prop_oneof![dense(), wide()]
}

fn words(orders: &[Order]) -> Vec<B256> {
    orders.iter().map(|order| order.encode().unwrap()).collect()
}

fn run(orders: &[Order]) -> (Clearing, Vec<u64>) {
    matching::fills(&words(orders)).unwrap()
}

/// Whether the order's limit is strictly better than a price, so that it wants to trade at it.
fn is_better(order: &Order, price: Ticks) -> bool {
    match order.side {
        Side::Bid => order.price > price,
        Side::Ask => order.price < price,
    }
}

/// What an order gains per Wh at a price; negative if the price is worse than its limit.
fn gain(order: &Order, price: i32) -> i128 {
    let gain = i128::from(order.price.0) - i128::from(price);
    match order.side {
        Side::Bid => gain,
        Side::Ask => -gain,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn equals_the_definition_tried_at_every_price(orders in auction()) {
        let words = words(&orders);
        let expected = oracle::clear(&words);
        prop_assert_eq!(matching::clear(&words), Ok(expected));
        prop_assert_eq!(matching::fills(&words), Ok((expected, oracle::fills(&words, &expected))));
    }

    #[test]
    fn both_sides_fill_to_the_volume(orders in auction()) {
        let (clearing, fills) = run(&orders);
        for side in [Side::Bid, Side::Ask] {
            let filled: u64 = orders.iter().zip(&fills)
                .filter(|(order, _)| order.side == side)
                .map(|(_, fill)| fill)
                .sum();
            prop_assert_eq!(filled, clearing.volume.0);
        }
    }

    #[test]
    fn the_shares_of_a_marginal_level_add_up_to_what_it_fills(orders in auction()) {
        let (clearing, fills) = run(&orders);
        for (side, level) in [(Side::Bid, clearing.bid), (Side::Ask, clearing.ask)] {
            let marginal = || orders.iter().zip(&fills)
                .filter(|(order, _)| order.side == side && order.price == level.price);
            prop_assert_eq!(marginal().map(|(_, fill)| fill).sum::<u64>(), level.filled.0);
            if clearing.volume.0 > 0 {
                prop_assert_eq!(
                    marginal().map(|(order, _)| order.quantity.0).sum::<u64>(),
                    level.quantity.0
                );
                prop_assert!(level.filled.0 > 0);
            }
        }
    }

    #[test]
    fn nobody_trades_worse_than_their_limit_or_more_than_they_want(orders in auction()) {
        let (clearing, fills) = run(&orders);
        for (order, fill) in orders.iter().zip(fills) {
            prop_assert!(fill <= order.quantity.0);
            prop_assert!(fill == 0 || gain(order, clearing.price.0) >= 0);
        }
    }

    #[test]
    fn nobody_strictly_better_than_the_price_is_left_out(orders in auction()) {
        let (clearing, fills) = run(&orders);
        prop_assume!(clearing.volume.0 > 0);
        for (order, fill) in orders.iter().zip(fills) {
            if is_better(order, clearing.price) {
                prop_assert_eq!(fill, order.quantity.0);
            }
        }
    }

    /// The volume of an auction without trade is zero because no two orders can trade.
    #[test]
    fn nothing_trades_only_if_nothing_can(orders in auction()) {
        let (clearing, fills) = run(&orders);
        let live = |side| orders.iter()
            .filter(move |order| order.side == side && order.quantity.0 > 0)
            .map(|order| order.price);
        let crosses = live(Side::Bid).max().zip(live(Side::Ask).min())
            .is_some_and(|(bid, ask)| bid >= ask);
        prop_assert_eq!(clearing.volume.0 > 0, crosses);
        if !crosses {
            prop_assert_eq!(clearing, Clearing::default());
            prop_assert!(fills.iter().all(|fill| *fill == 0));
        }
    }

    #[test]
    fn the_order_of_words_only_shares_out_the_rounding_of_marginal_levels(
        (orders, shuffled) in auction().prop_flat_map(|orders| {
            let places: Vec<usize> = (0..orders.len()).collect();
            (Just(orders), Just(places).prop_shuffle())
        }),
    ) {
        let (clearing, fills) = run(&orders);
        let moved: Vec<Order> = shuffled.iter().map(|place| orders[*place]).collect();
        let (moved_clearing, moved_fills) = run(&moved);
        prop_assert_eq!(moved_clearing, clearing);
        for (place, moved_fill) in shuffled.into_iter().zip(moved_fills) {
            let order = &orders[place];
            let level = match order.side {
                Side::Bid => clearing.bid,
                Side::Ask => clearing.ask,
            };
            if order.price != level.price {
                prop_assert_eq!(moved_fill, fills[place]);
            } else if level.quantity.0 > 0 {
                // The exact share, q·F/Q, is missed by less than one Wh.
                let exact = u128::from(order.quantity.0) * u128::from(level.filled.0);
                let quantity = u128::from(level.quantity.0);
                let share = u128::from(moved_fill) * quantity;
                prop_assert!(share.abs_diff(exact) < quantity);
            }
        }
    }

    /// Summed over any price, what all orders together could gain at it bounds the welfare of any
    /// way to trade; the auction attains the bound at its own price, so no way is better.
    #[test]
    fn welfare_is_the_maximum(orders in auction()) {
        let (clearing, fills) = run(&orders);
        prop_assume!(clearing.volume.0 > 0);
        let welfare: i128 = orders.iter().zip(fills)
            .map(|(order, fill)| gain(order, 0) * i128::from(fill))
            .sum();
        let bound: i128 = orders.iter()
            .map(|order| gain(order, clearing.price.0).max(0) * i128::from(order.quantity.0))
            .sum();
        prop_assert_eq!(welfare, bound);
    }

    /// A price clears the market if what must trade at it fits the volume and what may trade at
    /// it reaches the volume, on both sides. The price is the middle of all that do.
    #[test]
    fn the_price_is_the_middle_of_all_that_clear_the_market(orders in dense()) {
        let words = words(&orders);
        let clearing = matching::clear(&words).unwrap();
        prop_assume!(clearing.volume.0 > 0);
        let orders = oracle::orders(&words);
        let volume = clearing.volume.0;
        let clears = |p: &i32| {
            oracle::quantity(&orders, Side::Bid, |limit| limit > *p) <= volume
                && volume <= oracle::quantity(&orders, Side::Bid, |limit| limit >= *p)
                && oracle::quantity(&orders, Side::Ask, |limit| limit < *p) <= volume
                && volume <= oracle::quantity(&orders, Side::Ask, |limit| limit <= *p)
        };
        let low = DENSE_PRICES.into_iter().find(clears).unwrap();
        let high = DENSE_PRICES.rev().find(clears).unwrap();
        prop_assert_eq!(clearing.price.0, (low + high).div_euclid(2));
    }

    #[test]
    fn empty_slots_change_nothing(
        orders in auction(),
        slots in vec((any::<prop::sample::Index>(), any::<[u8; 32]>()), 0..10),
    ) {
        let (clearing, fills) = run(&orders);
        let mut words = words(&orders);
        let mut expected = fills;
        for (place, mut slot) in slots {
            slot[7..12].fill(0);
            let place = place.index(words.len() + 1);
            words.insert(place, B256::new(slot));
            expected.insert(place, 0);
        }
        prop_assert_eq!(matching::fills(&words), Ok((clearing, expected)));
    }
}
