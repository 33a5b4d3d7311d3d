use std::time::Duration;

/// Blocks of less gas than this say something of the fixed cost only.
const SMALL: u64 = 1_000_000;
/// What is added to an estimate, as its part, for what varies from block to block.
const MARGIN: u32 = 8;

/// A moving estimate of how long a step takes that has a fixed part and one in proportion to the
/// gas of the block: finishing a block with its state root.
///
/// It rises fast and falls slowly: a block that is late costs more than one that could have held
/// a few transactions more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    fixed: f64,
    per_gas: f64,
    /// What `per_gas` falls back to while blocks are too small to tell.
    usual_per_gas: f64,
}

impl Estimate {
    /// An estimate to start from: the fixed part, and nanoseconds per unit of gas.
    pub(crate) const fn new(fixed: Duration, per_gas: f64) -> Self {
        Self {
            fixed: fixed.as_nanos() as f64,
            per_gas,
            usual_per_gas: per_gas,
        }
    }

    /// How long the step is expected to take for a block of `gas`.
    pub(crate) fn expect(&self, gas: u64) -> Duration {
        Duration::from_nanos((self.fixed + self.per_gas * gas as f64) as u64)
    }

    /// A time within which the step is very likely to be done for a block of `gas`.
    pub(crate) fn bound(&self, gas: u64) -> Duration {
        let expected = self.expect(gas);
        expected + expected / MARGIN
    }

    /// Learns that the step took `took` for a block of `gas`.
    pub(crate) fn learn(&mut self, gas: u64, took: Duration) {
        let took = took.as_nanos() as f64;
        if gas < SMALL {
            self.fixed = follow(self.fixed, took);
            self.forget();
        } else {
            self.per_gas = follow(self.per_gas, (took - self.fixed).max(0.0) / gas as f64);
        }
    }

    /// Learns only the part in proportion to gas, from blocks large enough to tell.
    pub(crate) fn learn_rate(&mut self, gas: u64, took: Duration) {
        if gas >= SMALL {
            self.learn(gas, took);
        } else {
            self.forget();
        }
    }

    /// Lets one outlier fade that keeps blocks so small that they teach nothing better.
    fn forget(&mut self) {
        self.per_gas = follow(self.per_gas, self.per_gas.min(self.usual_per_gas));
    }
}

fn follow(estimate: f64, seen: f64) -> f64 {
    let weight = if seen > estimate { 0.5 } else { 0.2 };
    estimate + (seen - estimate) * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_full_block_is_expected_to_take_longer() {
        let mut estimate = Estimate::new(10 * MS, 0.0);
        estimate.learn(20_000_000, 90 * MS);
        estimate.learn(20_000_000, 90 * MS);
        // Two steps of a half towards 80 ms for 20 Mgas.
        assert_eq!(estimate.expect(20_000_000), 70 * MS);
        assert_eq!(estimate.expect(0), 10 * MS);
        assert_eq!(estimate.bound(20_000_000), 78 * MS + MS * 3 / 4);
    }

    #[test]
    fn small_blocks_move_the_fixed_part_fast_up_and_slowly_down() {
        let mut estimate = Estimate::new(10 * MS, 0.0);
        estimate.learn(0, 30 * MS);
        assert_eq!(estimate.expect(0), 20 * MS);
        estimate.learn(21_000, Duration::ZERO);
        assert_eq!(estimate.expect(0), 16 * MS);
    }

    #[test]
    fn an_outlier_fades_though_blocks_stay_small() {
        let mut estimate = Estimate::new(Duration::ZERO, 10.0);
        estimate.learn_rate(1_000_000, 10_000 * MS);
        assert!(estimate.expect(200_000) > 900 * MS);
        for _ in 0..50 {
            estimate.learn_rate(200_000, 2 * MS);
        }
        assert!(estimate.expect(200_000) < 3 * MS);
    }
}
