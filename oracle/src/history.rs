//! What is known of the meters' registers: by the outbox, and by the chain.

use crate::{Base, MeterId, Outbox, OutboxError, Reading, Registers, backoff::Backoff};
use std::time::Duration;
use tracing::warn;
use wattline_market::{MarketError, Metering};

/// Why it is not known where registers stand.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A replay would begin before what is known of a meter.
    #[error(
        "the replay starts at {start}, but meter {meter} has readings up to {known} and none at \
         the start; choose a later `start`"
    )]
    StartsInThePast {
        /// The meter.
        meter: MeterId,
        /// The wanted start.
        start: u64,
        /// The last boundary known.
        known: u64,
    },
    /// The outbox fails.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The chain cannot be asked, and asking again cannot help.
    #[error(transparent)]
    Chain(#[from] MarketError),
}

/// What a source that yields energies may ask for, to begin its registers with. One that reads
/// the registers themselves has no need of it.
#[derive(Debug)]
pub(crate) struct RegisterHistory<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) metering: &'a Metering,
}

impl RegisterHistory<'_> {
    /// The registers of each of `meters` as a replay from the boundary `start` begins: as
    /// remembered if it began before, otherwise the last known ones, which are remembered from
    /// here on. Asks the chain only when it must, and waits until it answers.
    ///
    /// The future may be dropped: what is remembered is remembered of all meters or of none.
    ///
    /// # Errors
    ///
    /// A meter has later readings and none at `start`, the outbox fails, or the node is that of
    /// another chain.
    pub(crate) async fn at(
        &self,
        start: u64,
        meters: &[MeterId],
    ) -> Result<Vec<Registers>, HistoryError> {
        let mut known = Vec::with_capacity(meters.len());
        for meter in meters {
            known.push(self.outbox.base(*meter)?.filter(|base| base.start == start));
        }
        if let Some(all) = known
            .iter()
            .map(|base| base.map(|base| base.registers))
            .collect()
        {
            return Ok(all);
        }
        let found = self.wait_for_chain(start, meters).await?;
        let mut new = Vec::new();
        let mut registers = Vec::with_capacity(meters.len());
        for ((meter, known), (latest, at_start)) in meters.iter().zip(known).zip(found) {
            let base = match known {
                Some(base) => base,
                None => {
                    let last = self
                        .outbox
                        .last(*meter)?
                        .into_iter()
                        .chain(latest)
                        .max_by_key(|reading| reading.time);
                    let registers = match last {
                        Some(last) if last.time > start => {
                            at_start.ok_or(HistoryError::StartsInThePast {
                                meter: *meter,
                                start,
                                known: last.time,
                            })?
                        }
                        Some(last) => last.registers,
                        None => Registers::default(),
                    };
                    let base = Base { start, registers };
                    new.push((*meter, base));
                    base
                }
            };
            registers.push(base.registers);
        }
        self.outbox
            .blocking(move |outbox| outbox.set_bases(&new))
            .await?;
        Ok(registers)
    }

    /// What the chain knows, as soon as it answers.
    async fn wait_for_chain(
        &self,
        start: u64,
        meters: &[MeterId],
    ) -> Result<Vec<(Option<Reading>, Option<Registers>)>, MarketError> {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        loop {
            match self.ask_chain(start, meters).await {
                Err(error) if !error.is_fatal() => {
                    let wait = backoff.wait();
                    warn!(
                        %error, again_in = ?wait,
                        "waiting for the chain, to know where the registers stand"
                    );
                    tokio::time::sleep(wait).await;
                }
                answered => return answered,
            }
        }
    }

    /// Each meter's latest reading on the chain, and its registers at `start` if the chain has
    /// them.
    async fn ask_chain(
        &self,
        start: u64,
        meters: &[MeterId],
    ) -> Result<Vec<(Option<Reading>, Option<Registers>)>, MarketError> {
        let metering = self.metering;
        metering.client().check(&[metering.contract()]).await?;
        let latest = metering.latest(meters).await?;
        let keys = meters.iter().map(|id| (start, *id)).collect::<Vec<_>>();
        let at_start = metering.registers(&keys).await?;
        Ok(latest.into_iter().zip(at_start).collect())
    }
}
