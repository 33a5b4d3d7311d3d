//! Energy, prices and money, each a type of its own, with arithmetic that never wraps or rounds.

use alloy::primitives::{
    I256, U256,
    aliases::U40,
    utils::{ParseUnits, format_units},
};
use std::fmt;

/// Energy in Wh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WattHours(pub u64);

/// A price in ticks of 0.01 currency/MWh, that is 10⁻⁵ currency/kWh. May be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub i32);

/// Money in base units of the settlement token, of which 10¹⁸ are one unit of currency. Negative
/// where it is owed or earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub I256);

/// A quantity that the contracts' type for it cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Too much energy for one order.
    #[error("{0} are more than an order can name, which is at most {max}", max = WattHours::MAX_ORDER)]
    TooMuchEnergy(WattHours),
    /// Money below zero where there can be none.
    #[error("{0} is negative")]
    Negative(Money),
    /// More base units than a signed amount holds.
    #[error("{0} base units are too much")]
    TooMuchMoney(U256),
}

impl WattHours {
    /// The greatest quantity of one order: what 40 bits hold.
    pub const MAX_ORDER: Self = Self((1 << 40) - 1);

    /// The sum, or `None` if it does not fit into 64 bits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, zero where it would be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Ticks {
    /// Base units that one Wh costs at one tick.
    const UNIT: I256 = I256::from_raw(U256::from_limbs([10_000_000_000, 0, 0, 0]));

    /// What so much energy is worth at this price: price × energy × 10¹⁰ base units, exactly. No
    /// price and energy are too great for it.
    pub fn value(self, energy: WattHours) -> Money {
        let price = I256::unchecked_from(self.0);
        let energy = I256::from_raw(U256::from(energy.0));
        // 2³¹ × 2⁶⁴ × 10¹⁰ < 2¹²⁹.
        Money(price.wrapping_mul(energy).wrapping_mul(Self::UNIT))
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(I256::ZERO);

    /// Whole units of currency.
    pub const fn whole(units: u64) -> Self {
        let base = units as u128 * 10u128.pow(18);
        let limbs = [base as u64, (base >> 64) as u64, 0, 0];
        Self(I256::from_raw(U256::from_limbs(limbs)))
    }

    /// The sum, or `None` if it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` if it does not fit.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl TryFrom<WattHours> for U40 {
    type Error = UnitError;

    fn try_from(energy: WattHours) -> Result<Self, UnitError> {
        if energy > WattHours::MAX_ORDER {
            return Err(UnitError::TooMuchEnergy(energy));
        }
        Ok(Self::from_limbs([energy.0]))
    }
}

impl From<U40> for WattHours {
    fn from(energy: U40) -> Self {
        Self(energy.to())
    }
}

impl TryFrom<Money> for U256 {
    type Error = UnitError;

    fn try_from(money: Money) -> Result<Self, UnitError> {
        if money.0.is_negative() {
            return Err(UnitError::Negative(money));
        }
        Ok(money.0.into_raw())
    }
}

impl TryFrom<U256> for Money {
    type Error = UnitError;

    fn try_from(amount: U256) -> Result<Self, UnitError> {
        I256::try_from(amount)
            .map(Self)
            .map_err(|_| UnitError::TooMuchMoney(amount))
    }
}

impl fmt::Display for WattHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Wh", self.0)
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks", self.0)
    }
}

/// Units of currency, with as many decimals as there are.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_units(ParseUnits::I256(self.0), "ether").map_err(|_| fmt::Error)?;
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base_units(text: &str) -> Money {
        Money(text.parse().expect("a number"))
    }

    #[test]
    fn a_kilowatt_hour_at_thirty_cents_is_thirty_cents() {
        let money = Ticks(30_000).value(WattHours(1_000));
        assert_eq!(money, base_units("300000000000000000"));
        assert_eq!(money.to_string(), "0.3");
        assert_eq!(Ticks(-1).value(WattHours(1)), base_units("-10000000000"));
        assert_eq!(Money::whole(7), base_units("7000000000000000000"));
        assert_eq!(Money::whole(u64::MAX).to_string(), "18446744073709551615");
        assert_eq!(Money::ZERO.to_string(), "0");
        assert_eq!(Money::whole(10).to_string(), "10");
    }

    #[test]
    fn no_price_and_energy_are_too_great() {
        assert_eq!(
            Ticks(i32::MIN).value(WattHours(u64::MAX)),
            base_units("-396140812571321687946244915200000000000")
        );
    }

    #[test]
    fn what_a_type_cannot_hold_is_refused_by_name() {
        assert_eq!(
            U40::try_from(WattHours(1 << 40)),
            Err(UnitError::TooMuchEnergy(WattHours(1 << 40)))
        );
        assert_eq!(
            UnitError::TooMuchEnergy(WattHours(1 << 40)).to_string(),
            "1099511627776 Wh are more than an order can name, which is at most 1099511627775 Wh"
        );
        let owed = Ticks(-1).value(WattHours(1));
        assert_eq!(U256::try_from(owed), Err(UnitError::Negative(owed)));
        assert_eq!(owed.to_string(), "-0.00000001");
        assert_eq!(
            Money::try_from(U256::MAX),
            Err(UnitError::TooMuchMoney(U256::MAX))
        );
        assert_eq!(Money(I256::MAX).checked_add(Money(I256::ONE)), None);
        assert_eq!(Money(I256::MIN).checked_sub(Money(I256::ONE)), None);
        assert_eq!(WattHours(u64::MAX).checked_add(WattHours(1)), None);
    }

    proptest! {
        #[test]
        fn energy_of_two_costs_what_both_cost(price: i32, one in 0..u64::MAX / 2, other in 0..u64::MAX / 2) {
            let price = Ticks(price);
            let both = WattHours(one).checked_add(WattHours(other)).expect("fits");
            prop_assert_eq!(
                price.value(WattHours(one)).checked_add(price.value(WattHours(other))),
                Some(price.value(both))
            );
        }

        #[test]
        fn quantities_of_orders_convert_both_ways(energy in 0..=WattHours::MAX_ORDER.0) {
            let quantity = U40::try_from(WattHours(energy)).expect("fits");
            prop_assert_eq!(quantity.to::<u64>(), energy);
            prop_assert_eq!(WattHours::from(quantity), WattHours(energy));
        }

        #[test]
        fn amounts_convert_both_ways(amount: [u64; 3]) {
            let amount = U256::from_limbs([amount[0], amount[1], amount[2], 0]);
            let money = Money::try_from(amount).expect("fits");
            prop_assert_eq!(U256::try_from(money), Ok(amount));
        }
    }
}
