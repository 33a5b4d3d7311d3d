//! The daemon: from the source into the outbox, from the outbox to the chain.

use crate::{
    Base, Config, Fault, Meter, MeterId, Observation, Outbox, OutboxError, Reading, Registers,
    Source,
    backoff::Backoff,
    chain::{Chain, ChainError},
    config::{CsvInput, SourceConfig},
    source::{IntervalReader, IntervalsError, Replay, ReplayPlan, ReplaySource},
    submitter::{Submitter, now},
    telemetry::{self, ServeError, Telemetry},
};
use eyre::WrapErr;
use std::{fs::File, io::BufReader, io::Read, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How far clocks may differ, in seconds.
pub(crate) const CLOCK_TOLERANCE: u64 = 60;

/// Why the daemon cannot begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// The replay would begin before what is known of a meter.
    #[error(
        "the replay starts at {start}, but meter {meter} has readings up to {known} and none at the start; choose a \
         later `start`"
    )]
    StartsInThePast {
        /// The meter.
        meter: MeterId,
        /// The wanted start.
        start: u64,
        /// The last boundary known.
        known: u64,
    },
}

/// Runs the daemon until `shutdown`.
///
/// # Errors
///
/// The configuration contradicts itself, the outbox cannot be used, the source cannot be opened, or the node is on
/// another chain. A node that does not answer is no error: readings wait.
pub async fn run(config: Config, shutdown: CancellationToken) -> eyre::Result<()> {
    serve(&config, &shutdown, false).await
}

/// Runs the daemon until `shutdown`, or until the source has ended and every reading is on the chain.
///
/// # Errors
///
/// As [`run`].
pub async fn run_to_end(config: Config, shutdown: CancellationToken) -> eyre::Result<()> {
    serve(&config, &shutdown, true).await
}

async fn serve(config: &Config, shutdown: &CancellationToken, ends: bool) -> eyre::Result<()> {
    config.validate()?;
    let telemetry = Arc::new(Telemetry::new(config.max_age_seconds));
    let (path, chain_id, contract) = (config.outbox.clone(), config.chain_id, config.contract);
    let outbox =
        tokio::task::spawn_blocking(move || Outbox::open(&path, chain_id, contract)).await??;
    let chain = Chain::new(config.rpc.clone(), config.chain_id, config.contract)
        .wrap_err("cannot speak HTTP")?;
    let SourceConfig::Csv { input, plan } = &config.source;
    let reader = open(input)?;

    // Whatever ends first, the rest ends with it.
    let stop = shutdown.child_token();
    let _stop_guard = stop.clone().drop_guard();
    let mut server = match config.listen {
        Some(address) => {
            let metrics = telemetry::record()?;
            tokio::spawn(telemetry::serve(
                address,
                metrics,
                telemetry.clone(),
                stop.clone(),
            ))
        }
        None => tokio::spawn(idle(stop.clone())),
    };
    let work = async {
        work(
            config,
            *plan,
            reader,
            outbox,
            chain,
            telemetry,
            stop.clone(),
        )
        .await?;
        if !ends {
            stop.cancelled().await;
        }
        Ok(())
    };
    tokio::select! {
        done = work => done,
        ended = &mut server => Ok(ended.wrap_err("the metrics server died")??),
    }
}

async fn idle(stop: CancellationToken) -> Result<(), ServeError> {
    stop.cancelled().await;
    Ok(())
}

async fn work(
    config: &Config,
    plan: ReplayPlan,
    reader: IntervalReader<Box<dyn Read + Send>>,
    outbox: Outbox,
    chain: Chain,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> eyre::Result<()> {
    info!(meters = config.meters.len(), outbox = %config.outbox.display(), node = %config.rpc, "meterd starts");
    let registers = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        bases = bases(&config.meters, plan.start, &outbox, &chain) => bases?,
    };
    let meters = config
        .meters
        .iter()
        .zip(registers)
        .map(|(meter, at)| (meter.name.clone(), meter.id, at));
    let mut source = ReplaySource::new(Replay::new(reader, plan, meters));

    let keys = config
        .meters
        .iter()
        .map(|meter| (meter.id, meter.key.clone()))
        .collect();
    let submitter = Submitter::new(
        chain,
        outbox.clone(),
        config.submission,
        config.submitter.clone(),
        keys,
        telemetry.clone(),
    );
    let (news, drain) = (Arc::new(Notify::new()), CancellationToken::new());
    let submit = submitter.run(news.clone(), drain.clone(), stop.clone());
    let collect = async {
        let ended = collect(&mut source, &outbox, &telemetry, &news, &stop).await;
        drain.cancel();
        ended
    };
    let (collected, submitted) = futures::join!(guard(collect, &stop), guard(submit, &stop));
    collected?;
    submitted?;
    Ok(())
}

/// A failed part stops the other.
async fn guard<E>(
    part: impl Future<Output = Result<(), E>>,
    stop: &CancellationToken,
) -> Result<(), E> {
    let done = part.await;
    if done.is_err() {
        stop.cancel();
    }
    done
}

fn open(input: &CsvInput) -> Result<IntervalReader<Box<dyn Read + Send>>, IntervalsError> {
    match input {
        CsvInput::File(path) => {
            let file = path.display().to_string();
            match File::open(path) {
                Ok(opened) => IntervalReader::new(file, Box::new(BufReader::new(opened))),
                Err(error) => Err(IntervalsError::Open { file, error }),
            }
        }
        CsvInput::Text { name, text } => IntervalReader::new(
            name,
            Box::new(std::io::Cursor::new(text.clone().into_owned())),
        ),
    }
}

/// Takes what the source says into the outbox, until it ends or `stop`.
async fn collect(
    source: &mut dyn Source,
    outbox: &Outbox,
    telemetry: &Telemetry,
    news: &Notify,
    stop: &CancellationToken,
) -> Result<(), OutboxError> {
    loop {
        let observations = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            next = source.next() => next,
        };
        let Some(observations) = observations else {
            info!("the source has ended");
            return Ok(());
        };
        let (readings, faults) = sort(observations, now());
        faults.iter().for_each(|fault| telemetry.fault(fault));
        let Some(boundary) = readings.first().map(|reading| reading.time) else {
            continue;
        };
        let recorded = outbox
            .blocking(move |outbox| outbox.record(&readings))
            .await?;
        recorded
            .faults
            .iter()
            .for_each(|fault| telemetry.fault(fault));
        telemetry.taken(recorded.taken);
        if recorded.taken > 0 {
            info!(
                boundary,
                taken = recorded.taken,
                known = recorded.known,
                "readings taken"
            );
            news.notify_one();
        }
    }
}

/// Parts readings from faults. A reading from further ahead than clocks may differ is a fault.
fn sort(observations: Vec<Observation>, now: u64) -> (Vec<Reading>, Vec<Fault>) {
    let (mut readings, mut faults) = (Vec::with_capacity(observations.len()), Vec::new());
    for observation in observations {
        match observation {
            Observation::Reading(Reading { meter, time, .. })
                if time > now.saturating_add(CLOCK_TOLERANCE) =>
            {
                faults.push(Fault::ClockOff { meter, time, now });
            }
            Observation::Reading(reading) => readings.push(reading),
            Observation::Fault(fault) => faults.push(fault),
        }
    }
    (readings, faults)
}

/// Each meter's registers as the replay starts: as remembered if this replay began before, otherwise the last known
/// ones, from the outbox or the chain. Asks the chain only when it must, and waits until it answers.
async fn bases(
    meters: &[Meter],
    start: u64,
    outbox: &Outbox,
    chain: &Chain,
) -> eyre::Result<Vec<Registers>> {
    let mut known = Vec::with_capacity(meters.len());
    for meter in meters {
        known.push(outbox.base(meter.id)?.filter(|base| base.start == start));
    }
    if let Some(all) = known
        .iter()
        .map(|base| base.map(|base| base.registers))
        .collect()
    {
        return Ok(all);
    }
    let ids = meters.iter().map(|meter| meter.id).collect::<Vec<_>>();
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let found = loop {
        match chain_bases(&ids, start, chain).await {
            Ok(found) => break found,
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => {
                let wait = backoff.wait();
                warn!(%error, again_in = ?wait, "waiting for the chain, to know where the registers stand");
                tokio::time::sleep(wait).await;
            }
        }
    };
    let mut new = Vec::new();
    let mut registers = Vec::with_capacity(meters.len());
    for ((meter, known), (latest, at_start)) in meters.iter().zip(known).zip(found) {
        let base = match known {
            Some(base) => base,
            None => {
                let recorded = outbox.last(meter.id)?;
                let last = recorded
                    .into_iter()
                    .chain(latest)
                    .max_by_key(|reading| reading.time);
                let registers = match last {
                    Some(last) if last.time > start => {
                        at_start.ok_or(StartError::StartsInThePast {
                            meter: meter.id,
                            start,
                            known: last.time,
                        })?
                    }
                    Some(last) => last.registers,
                    None => Registers::default(),
                };
                let base = Base { start, registers };
                new.push((meter.id, base));
                base
            }
        };
        registers.push(base.registers);
    }
    outbox
        .blocking(move |outbox| outbox.set_bases(&new))
        .await?;
    Ok(registers)
}

/// Each meter's latest reading on the chain, and its registers at `start` if the chain has them.
async fn chain_bases(
    ids: &[MeterId],
    start: u64,
    chain: &Chain,
) -> Result<Vec<(Option<Reading>, Option<Registers>)>, ChainError> {
    chain.check().await?;
    let latest = chain.latest(ids).await?;
    let keys = ids.iter().map(|id| (start, *id)).collect::<Vec<_>>();
    Ok(latest
        .into_iter()
        .zip(chain.registers(&keys).await?)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_from_the_future_is_a_fault() {
        let meter = MeterId::from_name("M001").expect("name");
        let at = |time| Reading {
            meter,
            time,
            registers: Registers::default(),
        };
        let observations = [1_060, 1_061]
            .map(|time| Observation::Reading(at(time)))
            .to_vec();
        let (readings, faults) = sort(observations, 1_000);
        assert_eq!(readings, [at(1_060)]);
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["meter M001: its reading is of 1061, but it is 1000 here; one of the clocks is off"]
        );
    }
}
