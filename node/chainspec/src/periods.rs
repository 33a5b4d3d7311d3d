use crate::{ChainSpecError, CliqueConfig, WattlineConfig};
use std::time::Duration;

/// Greatest period in milliseconds: an hour.
const MAX_PERIOD: u64 = 3_600_000;

/// How far apart in time blocks are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periods {
    /// Least time between a block and its parent.
    pub(crate) busy: Duration,
    /// Time after which a block comes although no transaction waits.
    pub(crate) idle: Duration,
}

impl Periods {
    /// The periods that `config.wattline` gives, in milliseconds, or else `config.clique` in
    /// seconds.
    ///
    /// A header's time in milliseconds is at least its parent's plus the period; its `timestamp` is
    /// then at least its parent's plus `clique.period`, as EIP-225 asks, if that is not longer.
    pub(crate) fn of(
        clique: CliqueConfig,
        wattline: &WattlineConfig,
    ) -> Result<Self, ChainSpecError> {
        let clique = clique.period.saturating_mul(1_000);
        let busy = wattline.period_milliseconds.unwrap_or(clique);
        let idle = wattline.idle_period_milliseconds.unwrap_or(busy);
        check_range("config.wattline.periodMilliseconds", busy)?;
        check_range("config.wattline.idlePeriodMilliseconds", idle)?;
        if busy < clique {
            return Err(ChainSpecError::PeriodBelowClique { busy, clique });
        }
        if idle < busy {
            return Err(ChainSpecError::IdlePeriodTooShort { idle, busy });
        }
        Ok(Self {
            busy: Duration::from_millis(busy),
            idle: Duration::from_millis(idle),
        })
    }
}

fn check_range(key: &str, millis: u64) -> Result<(), ChainSpecError> {
    if (1..=MAX_PERIOD).contains(&millis) {
        return Ok(());
    }
    Err(ChainSpecError::Invalid {
        key: key.to_owned(),
        found: millis.to_string(),
        expected: format!(
            "from 1 to {MAX_PERIOD} milliseconds; where it is absent, `config.clique.period` in \
             seconds counts"
        ),
    })
}
