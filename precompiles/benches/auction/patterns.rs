//! The auctions that are timed.

use alloy_primitives::{Address, B256};
use rand::{Rng, SeedableRng, rngs::StdRng};
use wattline_precompiles::order::{Order, Side, Ticks, WattHours};

/// How the orders of an auction lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Random sides, prices and quantities.
    Uniform,
    /// One price, more bids than asks: every bid is rationed.
    OneLevel,
    /// Sides by turns, prices all different and rising, so that each bid is next to its ask.
    Rising,
    /// The same, falling.
    Falling,
    /// By turns the highest and the lowest price left: neighbours are as far apart as can be.
    Alternating,
    /// Random prices, every bid above every ask and all quantities equal: all of it trades.
    AllCrossing,
}

impl Pattern {
    pub(crate) const ALL: [Self; 6] = [
        Self::Uniform,
        Self::OneLevel,
        Self::Rising,
        Self::Falling,
        Self::Alternating,
        Self::AllCrossing,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::OneLevel => "one level",
            Self::Rising => "rising",
            Self::Falling => "falling",
            Self::Alternating => "alternating",
            Self::AllCrossing => "all crossing",
        }
    }

    /// The words of an auction of `count` orders, always the same ones.
    pub(crate) fn words(self, count: usize) -> Vec<B256> {
        let mut random = StdRng::seed_from_u64(count as u64);
        (0..count)
            .map(|i| word(self.order(i, count, &mut random)))
            .collect()
    }

    fn order(self, i: usize, count: usize, random: &mut StdRng) -> Order {
        let by_turns = if i.is_multiple_of(2) {
            Side::Bid
        } else {
            Side::Ask
        };
        let [place, last] = [i as i32, count as i32 - 1];
        let (side, price, quantity) = match self {
            Self::Uniform => (
                if random.random() {
                    Side::Bid
                } else {
                    Side::Ask
                },
                random.random_range(-50_000..50_000),
                random.random_range(1..10_000),
            ),
            Self::OneLevel => (
                if i.is_multiple_of(3) {
                    Side::Ask
                } else {
                    Side::Bid
                },
                1_000,
                random.random_range(1..1 << 40),
            ),
            Self::Rising => (by_turns, place, random.random_range(1..10_000)),
            Self::Falling => (by_turns, last - place, random.random_range(1..10_000)),
            Self::Alternating => (
                by_turns,
                if i.is_multiple_of(2) {
                    last - place / 2
                } else {
                    place / 2
                },
                random.random_range(1..10_000),
            ),
            Self::AllCrossing => (
                by_turns,
                match by_turns {
                    Side::Bid => random.random_range(0..i32::MAX),
                    Side::Ask => random.random_range(i32::MIN..0),
                },
                1_000,
            ),
        };
        Order {
            side,
            price: Ticks(price),
            quantity: WattHours(quantity),
            trader: Address::from(random.random::<[u8; 20]>()),
        }
    }
}

fn word(order: Order) -> B256 {
    order.encode().unwrap()
}

/// As many random numbers.
pub(crate) fn numbers(count: usize) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(count as u64);
    (0..count).map(|_| random.random()).collect()
}
