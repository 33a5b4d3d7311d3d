//! The daemon: from the source into the outbox, from the outbox to the chain.

use crate::{
    Fault, Observation, OracleConfig, Outbox, OutboxError, Reading, Source,
    history::RegisterHistory,
    submitter::{Submitter, now},
    telemetry::Telemetry,
};
use eyre::WrapErr;
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wattline_daemon::{MetricsRecorder, StatusServer};
use wattline_market::{Client, Metering};

/// How far clocks may differ, in seconds.
pub(crate) const CLOCK_TOLERANCE: u64 = 60;

/// Runs the daemon until `shutdown`.
///
/// # Errors
///
/// The configuration contradicts itself, the outbox cannot be used, the source cannot be opened, or
/// the node is on another chain. A node that does not answer is no error: readings wait.
pub async fn run(config: OracleConfig, shutdown: CancellationToken) -> eyre::Result<()> {
    serve(&config, &shutdown, false).await
}

/// Runs the daemon until `shutdown`, or until the source has ended and every reading is on the
/// chain.
///
/// # Errors
///
/// As [`run`].
pub async fn run_to_end(config: OracleConfig, shutdown: CancellationToken) -> eyre::Result<()> {
    serve(&config, &shutdown, true).await
}

async fn serve(
    config: &OracleConfig,
    shutdown: &CancellationToken,
    ends: bool,
) -> eyre::Result<()> {
    config.validate()?;
    let (path, chain_id, contract) = (config.outbox.clone(), config.chain_id, config.contract);
    let outbox =
        tokio::task::spawn_blocking(move || Outbox::open(&path, chain_id, contract)).await??;
    let client = Client::new(config.rpc.clone(), config.chain_id)?;
    let metering = Metering::new(client, config.contract);
    let (telemetry, server) = observe(config.listen, config.max_age_seconds).await?;

    // Whatever ends first, the rest ends with it.
    let stop = shutdown.child_token();
    let _stop_guard = stop.clone().drop_guard();
    // Answers until the work is done: if it ended with `stop`, why the work failed would be lost.
    let answer = async {
        match server {
            Some(server) => server.run(CancellationToken::new()).await,
            None => std::future::pending().await,
        }
    };
    let work = async {
        work(config, outbox, metering, telemetry, stop.clone()).await?;
        if !ends {
            stop.cancelled().await;
        }
        Ok(())
    };
    tokio::select! {
        done = work => done,
        ended = answer => ended.wrap_err("the metrics server failed"),
    }
}

/// What counts, and the server that tells of it if an address is given.
async fn observe(
    listen: Option<SocketAddr>,
    max_age_seconds: u64,
) -> eyre::Result<(Arc<Telemetry>, Option<StatusServer>)> {
    let Some(addr) = listen else {
        return Ok((Arc::new(Telemetry::new(max_age_seconds)), None));
    };
    let recorder = MetricsRecorder::install().wrap_err("leave `listen` out")?;
    let telemetry = Arc::new(Telemetry::new(max_age_seconds));
    let shown = telemetry.clone();
    let server = StatusServer::bind(addr, recorder, move || shown.health())
        .await
        .wrap_err_with(|| {
            format!("cannot serve metrics on {addr}; choose another `listen` address")
        })?;
    Ok((telemetry, Some(server)))
}

async fn work(
    config: &OracleConfig,
    outbox: Outbox,
    metering: Metering,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> eyre::Result<()> {
    info!(
        meters = config.meters.len(), outbox = %config.outbox.display(), node = %config.rpc,
        "meterd starts"
    );
    let meters = config
        .meters
        .iter()
        .map(|meter| (meter.name.clone(), meter.id))
        .collect();
    let history = RegisterHistory {
        outbox: &outbox,
        metering: &metering,
    };
    let mut source = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        opened = config.source.open(&meters, &history) => opened?,
    };

    let keys = config
        .meters
        .iter()
        .map(|meter| (meter.id, meter.key.clone()))
        .collect();
    let submitter = Submitter::new(
        metering,
        outbox.clone(),
        config.submission,
        config.submitter.clone(),
        keys,
        telemetry.clone(),
    );
    let (news, drain) = (Arc::new(Notify::new()), CancellationToken::new());
    let submit = submitter.run(news.clone(), drain.clone(), stop.clone());
    let collect = async {
        let ended = collect(source.as_mut(), &outbox, &telemetry, &news, &stop).await;
        drain.cancel();
        ended
    };
    let (collected, submitted) =
        futures::join!(stop_on_error(collect, &stop), stop_on_error(submit, &stop));
    collected?;
    submitted?;
    Ok(())
}

/// A failed part stops the other.
async fn stop_on_error<E>(
    part: impl Future<Output = Result<(), E>>,
    stop: &CancellationToken,
) -> Result<(), E> {
    let done = part.await;
    if done.is_err() {
        stop.cancel();
    }
    done
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Base, Meter, MeterId, Registers, SourceConfig, Submission,
        source::{CsvInput, CsvReplay, ReplayPlan},
    };
    use alloy::signers::local::PrivateKeySigner;
    use axum::{Json, Router, routing::post};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;
    use wattline_market::predeploys::METERING;

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
    #[tokio::test]
    async fn it_ends_with_the_reason_of_the_part_that_failed() {
        // A node of another chain.
        let node = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let rpc = format!("http://{}", node.local_addr().expect("address"));
        let answer = async |Json(request): Json<Value>| {
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))
        };
        let router = Router::new().route("/", post(answer));
        tokio::spawn(async move { axum::serve(node, router).await });

        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("outbox.redb");
        let (id, start) = (MeterId::from_name("M001").expect("name"), 1_000);
        let registers = Registers::default();
        // The source knows where the registers stand, so it is the submitter that asks the node.
        Outbox::open(&path, 57_836, METERING)
            .expect("opens")
            .set_bases(&[(id, Base { start, registers })])
            .expect("remembers");
        let config = OracleConfig {
            rpc: rpc.parse().expect("url"),
            chain_id: 57_836,
            contract: METERING,
            outbox: path,
            listen: Some(([127, 0, 0, 1], 0).into()),
            max_age_seconds: 60,
            submitter: PrivateKeySigner::random(),
            submission: Submission::default(),
            meters: vec![Meter {
                name: "M001".to_owned(),
                id,
                key: PrivateKeySigner::random(),
            }],
            source: SourceConfig::Csv(CsvReplay {
                input: CsvInput::Text {
                    name: "x.csv".to_owned(),
                    text: "interval_start,meter,consumption_wh,generation_wh\n".into(),
                },
                plan: ReplayPlan {
                    from: jiff::Timestamp::UNIX_EPOCH,
                    data_seconds: 900,
                    start,
                    interval_seconds: 15,
                    intervals: None,
                },
            }),
        };
        let error = run_to_end(config, CancellationToken::new())
            .await
            .expect_err("another chain");
        assert!(
            error
                .to_string()
                .ends_with("is on chain 1, the configuration says 57836"),
            "{error}"
        );
    }
}
