//! The market of `wattline dev`: the neighbourhood and the meter oracle, both on the node's RPC as
//! if they ran elsewhere, and what they tell the user.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use eyre::WrapErr;
use jiff::Timestamp;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use wattline_devnet::{
    DEVELOPMENT_CHAIN_ID, Event, METERD_INDEX, Ready, Report, dataset, dataset::Dataset,
    development_key, table,
};
use wattline_market::predeploys::METERING;
use wattline_oracle::{
    Meter, OracleConfig, SourceConfig, Submission,
    source::{CsvInput, CsvReplay, ReplayPlan},
};

/// The age of the oldest waiting reading from which the oracle counts as unhealthy, in seconds.
const MAX_READING_AGE: u64 = 60;
/// Events that wait to be printed.
const EVENTS: usize = 64;

/// What the market is played with.
#[derive(Clone, Debug)]
pub(crate) struct MarketConfig {
    /// A folder with `meters.csv` and `intervals.csv`; none: the village that is built in.
    pub(crate) data: Option<PathBuf>,
    /// The first quarter hour of the data; none: the first with a surplus.
    pub(crate) from: Option<Timestamp>,
    /// How many intervals; none: to the end of the data.
    pub(crate) intervals: Option<u64>,
    /// Length of a delivery interval on the chain.
    pub(crate) interval_seconds: u32,
    /// What forecasts and prices follow from.
    pub(crate) seed: u64,
    /// Where the report goes.
    pub(crate) report: Option<PathBuf>,
    /// Where the oracle's outbox is kept.
    pub(crate) outbox: PathBuf,
}

/// A market that is ready to be played: its data is read.
pub(crate) struct Market {
    config: MarketConfig,
    dataset: Arc<Dataset>,
}

impl Market {
    /// Reads the data, so that what is wrong with it is said before anything is started.
    ///
    /// # Errors
    ///
    /// When the data cannot be read, has mistakes, or lacks the wanted quarter hour.
    pub(crate) fn new(config: MarketConfig) -> eyre::Result<Self> {
        let dataset = match &config.data {
            Some(folder) => Dataset::load(folder)?,
            None => Dataset::village()?,
        };
        if let Some(from) = config.from {
            dataset.index_of(from)?;
        }
        Ok(Self {
            config,
            dataset: Arc::new(dataset),
        })
    }

    /// Plays it on the node at `rpc`, has `say` print a line per interval and keeps the report up to date,
    /// until all intervals are settled or `shutdown`.
    ///
    /// # Errors
    ///
    /// When the neighbourhood or the oracle cannot go on, or the report cannot be written.
    pub(crate) async fn play(
        self,
        rpc: SocketAddr,
        say: impl Fn(&str),
        shutdown: CancellationToken,
    ) -> eyre::Result<()> {
        let meters = self.dataset.meters().len();
        let mut neighbourhood = wattline_devnet::NeighbourhoodConfig::development(
            self.url(rpc)?,
            Arc::clone(&self.dataset),
        )?;
        neighbourhood.from = self.config.from;
        neighbourhood.intervals = self.config.intervals;
        neighbourhood.interval_seconds = self.config.interval_seconds;
        neighbourhood.seed = self.config.seed;

        say(&format!(
            "{meters} households join the market; this takes some blocks …"
        ));
        let stop = shutdown.child_token();
        let (sender, mut events) = mpsc::channel(EVENTS);
        let mut households =
            tokio::spawn(wattline_devnet::run(neighbourhood, sender, stop.clone()));
        let mut oracle: Option<JoinHandle<eyre::Result<()>>> = None;
        let mut report = Report::default();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Ready(ready)) => {
                        let config = self.oracle(rpc, &ready)?;
                        oracle = Some(tokio::spawn(wattline_oracle::run(config, stop.clone())));
                        say(table::HEADING);
                    }
                    Some(Event::Interval(interval)) => {
                        say(&table::line(&interval, meters));
                        report.add(interval);
                        self.write(&report)?;
                    }
                    None => break,
                },
                // The oracle runs until it is told to stop: an end before that is a failure.
                ended = ended(&mut oracle) => {
                    stop.cancel();
                    ended.wrap_err("the meter oracle stopped")?;
                    break;
                }
            }
        }
        (&mut households)
            .await?
            .wrap_err("the neighbourhood stopped")?;
        stop.cancel();
        if let Some(oracle) = oracle.filter(|task| !task.is_finished()) {
            oracle.await?.wrap_err("the meter oracle stopped")?;
        }
        self.write(&report)
    }

    fn url<U: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        rpc: SocketAddr,
    ) -> eyre::Result<U> {
        Ok(format!("http://{rpc}").parse()?)
    }

    fn oracle(&self, rpc: SocketAddr, ready: &Ready) -> eyre::Result<OracleConfig> {
        if let Some(folder) = self.config.outbox.parent() {
            fs::create_dir_all(folder)
                .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        }
        let meters = ready.households.iter().map(|household| Meter {
            name: household.name.clone(),
            id: household.meter,
            key: household.meter_key.clone(),
        });
        let input = match &self.config.data {
            Some(folder) => CsvInput::File(folder.join("intervals.csv")),
            None => CsvInput::Text {
                name: "intervals.csv".to_owned(),
                text: dataset::VILLAGE_INTERVALS.into(),
            },
        };
        Ok(OracleConfig {
            rpc: self.url(rpc)?,
            chain_id: DEVELOPMENT_CHAIN_ID,
            contract: METERING,
            outbox: self.config.outbox.clone(),
            listen: None,
            max_age_seconds: MAX_READING_AGE,
            submitter: development_key(METERD_INDEX)?,
            submission: Submission::default(),
            meters: meters.collect(),
            source: SourceConfig::Csv(CsvReplay {
                input,
                plan: ReplayPlan {
                    from: ready.from,
                    data_seconds: ready.data_seconds,
                    start: ready.start,
                    interval_seconds: ready.interval_seconds,
                    intervals: Some(ready.intervals),
                },
            }),
        })
    }

    fn write(&self, report: &Report) -> eyre::Result<()> {
        let Some(path) = &self.config.report else {
            return Ok(());
        };
        let mut json = report.to_json()?;
        json.push('\n');
        fs::write(path, json)
            .wrap_err_with(|| format!("cannot write the report {}", path.display()))
    }
}

/// Waits for a task that may not have been started.
async fn ended(task: &mut Option<JoinHandle<eyre::Result<()>>>) -> eyre::Result<()> {
    match task {
        Some(task) => task.await?,
        None => std::future::pending().await,
    }
}
