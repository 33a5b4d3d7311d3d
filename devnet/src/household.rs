//! A household: its keys, what it expects, and what it bids.

use crate::dataset::{Dataset, MeterInfo};
use alloy::{
    primitives::{Address, B256, keccak256},
    signers::local::PrivateKeySigner,
};
use wattline_market::{MeterId, Side, Ticks, WattHours};

/// How far a forecast strays from what happens: its standard deviation, in thousandths.
const FORECAST_ERROR: i64 = 100;
/// The standard deviation of the sum of four numbers drawn evenly from 0 to 1000.
const SUM_DEVIATION: i64 = 577;
/// What a meter's rating leaves room for above the data's peak, in thousandths.
const RATING: u64 = 1_500;
/// The least rating of a meter, in Wh an interval.
const LEAST_RATING: u64 = 100;

/// An order that a household wants to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its side.
    pub side: Side,
    /// Its limit price.
    pub price: Ticks,
    /// Its quantity, at least 1 Wh.
    pub quantity: WattHours,
}

/// The prices between which households bid: what the zone pays for a surplus and asks for a
/// shortage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceSpan {
    /// What the zone pays.
    pub surplus: Ticks,
    /// What the zone asks; not below `surplus`.
    pub shortage: Ticks,
}

/// A household of the neighbourhood: one connection point, one meter, one trading account.
#[derive(Clone, Debug)]
pub struct Household {
    /// The meter's name in the data.
    pub name: String,
    /// The meter's identifier on the chain: its name's ASCII text, padded with zeros on the right.
    pub meter: MeterId,
    /// The key that signs the meter's readings.
    pub meter_key: PrivateKeySigner,
    /// The key of the trading account.
    pub trader: PrivateKeySigner,
    /// The most its meter can take in an interval, in Wh.
    pub max_import: u64,
    /// The most its meter can deliver in an interval, in Wh.
    pub max_export: u64,
    /// Whether it has solar panels.
    pub renewable: bool,
}

impl Household {
    /// The household behind a meter. Its keys follow from `root` and the meter's name, so that
    /// every run on one chain plays the same households.
    fn new(root: &PrivateKeySigner, meter: &MeterInfo, (import, export): (u64, u64)) -> Self {
        let rating = |peak: u64| {
            (peak.saturating_mul(RATING) / 1_000).clamp(LEAST_RATING, WattHours::MAX_ORDER.0)
        };
        Self {
            name: meter.name.clone(),
            meter: MeterId(B256::right_padding_from(meter.name.as_bytes())),
            meter_key: derive(root, "meter", &meter.name),
            trader: derive(root, "trader", &meter.name),
            max_import: rating(import),
            max_export: rating(export),
            renewable: meter.pv_kw > 0.0,
        }
    }

    /// All households of a data set, in the order of its meters.
    pub fn all(root: &PrivateKeySigner, dataset: &Dataset) -> Vec<Self> {
        let households = dataset.meters().iter().enumerate();
        households
            .map(|(place, meter)| Self::new(root, meter, dataset.peak(place)))
            .collect()
    }

    /// The trading account.
    pub const fn account(&self) -> Address {
        self.trader.address()
    }

    /// What the household orders for an interval in which it will import so much more than it
    /// exports (in Wh; negative: it exports). It does not know that yet: it goes by a forecast, and
    /// bids to buy or to sell what it expects.
    ///
    /// Buyers would rather pay more than go short, sellers rather take less than be left with their
    /// surplus, each to its own degree, a little different each time. The same seed gives the same
    /// orders.
    pub fn intent(
        &self,
        seed: u64,
        interval: i64,
        net_import: i64,
        span: PriceSpan,
    ) -> Option<Intent> {
        let draw = Draw::new(seed, &self.name, interval);
        let error = (draw.number(0) + draw.number(1) + draw.number(2) + draw.number(3) - 2_000)
            * FORECAST_ERROR;
        let forecast = net_import + net_import * (error / SUM_DEVIATION) / 1_000;
        let (side, most) = if forecast > 0 {
            (Side::Bid, self.max_import)
        } else {
            (Side::Ask, self.max_export)
        };
        let quantity = forecast.unsigned_abs().min(most);
        if quantity == 0 {
            return None;
        }
        let temper = Draw::new(seed, &self.name, i64::MIN).number(0);
        let mood = draw.number(4) / 10;
        let place = match side {
            Side::Bid => 400 + temper / 2 + mood,
            Side::Ask => temper / 2 + mood,
        };
        let width = i64::from(span.shortage.0) - i64::from(span.surplus.0);
        let price = i64::from(span.surplus.0) + width * place.clamp(0, 1_000) / 1_000;
        Some(Intent {
            side,
            price: i32::try_from(price).map_or(span.shortage, Ticks),
            quantity: WattHours(quantity),
        })
    }
}

/// A key that follows from another one, a purpose and a name.
fn derive(root: &PrivateKeySigner, purpose: &str, name: &str) -> PrivateKeySigner {
    let mut secret = keccak256(
        [
            root.to_bytes().as_slice(),
            purpose.as_bytes(),
            b"/",
            name.as_bytes(),
        ]
        .concat(),
    );
    loop {
        // All but about one in 2^128 numbers of 256 bits are keys.
        match PrivateKeySigner::from_bytes(&secret) {
            Ok(key) => return key,
            Err(_) => secret = keccak256(secret),
        }
    }
}

/// Repeatable random numbers for one household and interval. A hash rather than a generator, so
/// that they depend on no library's version.
struct Draw(B256);

impl Draw {
    fn new(seed: u64, name: &str, interval: i64) -> Self {
        Self(keccak256(
            [
                &seed.to_be_bytes(),
                &interval.to_be_bytes(),
                name.as_bytes(),
            ]
            .concat(),
        ))
    }

    /// The number in a place from 0 to 7, evenly from 0 to 1000.
    fn number(&self, place: usize) -> i64 {
        let bytes = self.0.0.iter().skip(place * 4).take(4);
        i64::from(bytes.fold(0u32, |number, byte| number << 8 | u32::from(*byte)) % 1_001)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::OnceLock;

    const SPAN: PriceSpan = PriceSpan {
        surplus: Ticks(7_000),
        shortage: Ticks(32_000),
    };

    fn village() -> &'static (Dataset, Vec<Household>) {
        static VILLAGE: OnceLock<(Dataset, Vec<Household>)> = OnceLock::new();
        VILLAGE.get_or_init(|| {
            let dataset = Dataset::village().expect("reads");
            let root = PrivateKeySigner::from_bytes(&B256::with_last_byte(1)).expect("key");
            let households = Household::all(&root, &dataset);
            (dataset, households)
        })
    }

    #[test]
    fn keys_follow_from_the_root_and_the_name() {
        let (dataset, households) = village();
        let other = PrivateKeySigner::from_bytes(&B256::with_last_byte(2)).expect("key");
        let again = PrivateKeySigner::from_bytes(&B256::with_last_byte(1)).expect("key");
        assert_eq!(
            households[0].account(),
            Household::all(&again, dataset)[0].account()
        );
        assert_ne!(
            households[0].account(),
            Household::all(&other, dataset)[0].account()
        );
        let mut addresses: Vec<_> = households
            .iter()
            .flat_map(|h| [h.account(), h.meter_key.address()])
            .collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 2 * 93);
        assert_eq!(&households[0].meter.0[..5], b"M001\0");
    }

    #[test]
    fn ratings_leave_room_above_the_data() {
        let (dataset, households) = village();
        for (place, household) in households.iter().enumerate() {
            let (import, export) = dataset.peak(place);
            assert!(household.max_import >= import && household.max_export >= export);
        }
    }

    #[test]
    fn at_noon_both_sides_meet() {
        let (dataset, households) = village();
        for index in 140..148 {
            let energies = dataset.interval(index).expect("there");
            let intents: Vec<_> = households
                .iter()
                .zip(energies)
                .filter_map(|(household, energy)| {
                    let net = energy.import() as i64 - energy.export() as i64;
                    household.intent(1, index as i64, net, SPAN)
                })
                .collect();
            let best_bid = intents
                .iter()
                .filter(|i| i.side == Side::Bid)
                .map(|i| i.price)
                .max()
                .expect("bids");
            let best_ask = intents
                .iter()
                .filter(|i| i.side == Side::Ask)
                .map(|i| i.price)
                .min()
                .expect("asks");
            assert!(
                best_bid > best_ask,
                "interval {index}: {best_bid} {best_ask}"
            );
        }
    }

    proptest! {
        #[test]
        fn orders_are_repeatable_possible_and_between_the_zones_prices(
            seed: u64, interval in 0i64..10_000, net in -5_000i64..5_000, place in 0usize..93
        ) {
            let (_, households) = village();
            let household = &households[place];
            let intent = household.intent(seed, interval, net, SPAN);
            prop_assert_eq!(intent, household.intent(seed, interval, net, SPAN));
            if let Some(intent) = intent {
                prop_assert!((SPAN.surplus..=SPAN.shortage).contains(&intent.price));
                let most = if intent.side == Side::Bid { household.max_import } else { household.max_export };
                prop_assert!((1..=most).contains(&intent.quantity.0));
                prop_assert_eq!(intent.side == Side::Bid, net > 0);
            }
        }
    }
}
