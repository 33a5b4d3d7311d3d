//! The neighbourhood at play: households brought onto the chain, then interval after interval.

use crate::{
    config::NeighbourhoodConfig,
    dataset::DatasetError,
    household::Household,
    interval::{Players, TradedInterval},
    report::IntervalReport,
    setup::{self, SetupError},
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wattline_market::{Client, InvalidProduct, MarketError, TransactionSender, abi::IRegistry};

/// How often a block is looked for.
const POLL: Duration = Duration::from_millis(150);
/// How long the node may be away at the beginning.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait between two tries to reach a node that is away.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a run tells as it goes.
#[derive(Clone, Debug)]
pub enum Event {
    /// The households are on the chain and the first interval is fixed: now the meters can be read.
    Ready(Ready),
    /// What became of an interval: when all of it is settled, and once before if that takes long.
    Interval(IntervalReport),
}

/// How the data maps to the chain: the interval `from + k·data_seconds` of the data is the delivery
/// interval `start + k·interval_seconds` of the chain.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The chain.
    pub chain_id: u64,
    /// The zone.
    pub zone: u64,
    /// The first delivery interval's start, Unix seconds.
    pub start: u64,
    /// The length of a delivery interval, in seconds.
    pub interval_seconds: u32,
    /// The first interval's start in the data.
    pub from: Timestamp,
    /// The length of an interval in the data, in seconds.
    pub data_seconds: u32,
    /// How many intervals are played.
    pub intervals: u64,
    /// Who plays: names, meters and keys.
    pub households: Arc<[Household]>,
}

/// Why a neighbourhood stopped.
#[derive(Debug, thiserror::Error)]
pub enum NeighbourhoodError {
    /// The households cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] MarketError),
    /// The data lacks the wanted interval.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// An interval that cannot be traded.
    #[error(transparent)]
    Product(#[from] InvalidProduct),
    /// More intervals than there are.
    #[error("the data has {available} intervals from {from} on, {wanted} are wanted")]
    TooFewIntervals {
        /// The first interval.
        from: Timestamp,
        /// How many there are from there on.
        available: u64,
        /// How many are wanted.
        wanted: u64,
    },
}

/// Plays the neighbourhood until every interval is settled, or `shutdown`. Somebody else must read
/// the meters: see [`Event::Ready`].
///
/// # Errors
///
/// The data lacks the wanted intervals, the chain is another one or lacks the contracts, or the
/// households cannot be set up. Once they are, a node that is away is waited for.
pub async fn run(
    config: NeighbourhoodConfig,
    events: mpsc::Sender<Event>,
    shutdown: CancellationToken,
) -> Result<(), NeighbourhoodError> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        played = play(&config, &events) => played,
    }
}

async fn play(
    config: &NeighbourhoodConfig,
    events: &mpsc::Sender<Event>,
) -> Result<(), NeighbourhoodError> {
    let (first, intervals) = choose(config)?;
    let households = Household::all(&config.root, &config.dataset);
    let client = Client::new(config.rpc.clone(), config.chain_id)?;
    let traders = households.iter().map(|household| &household.trader);
    let keys = traders.chain([&config.operator, &config.keeper]).cloned();
    let mut sender = TransactionSender::new(client.clone(), keys);
    await_node(&client).await?;
    let settings = setup::set_up(&mut sender, config, &households).await?;
    let start = first_start(&client, config, &settings, &households).await?;
    let ready = Ready {
        chain_id: client.chain_id(),
        zone: config.zone,
        start,
        interval_seconds: config.interval_seconds,
        from: config
            .dataset
            .start_of(first)
            .unwrap_or(config.dataset.first()),
        data_seconds: u32::try_from(config.dataset.step().as_secs()).unwrap_or(u32::MAX),
        intervals,
        households: households.clone().into(),
    };
    info!(start, intervals, from = %ready.from, "the neighbourhood is ready");
    let players = Players {
        households,
        keeper: config.keeper.address(),
        settings,
        zone: config.zone,
        seed: config.seed,
    };
    if events.send(Event::Ready(ready)).await.is_err() {
        return Ok(());
    }
    trade(
        &mut sender,
        config,
        &players,
        Course {
            first,
            intervals,
            start,
        },
        events,
    )
    .await
}

/// Which intervals of the data are played.
fn choose(config: &NeighbourhoodConfig) -> Result<(usize, u64), NeighbourhoodError> {
    let data = &config.dataset;
    let first = match config.from {
        Some(from) => data.index_of(from)?,
        None => (0..data.intervals())
            .find(|index| {
                data.interval(*index)
                    .is_some_and(|energies| energies.iter().any(|e| e.export() > 0))
            })
            .unwrap_or(0),
    };
    let available = data.intervals().saturating_sub(first) as u64;
    let intervals = config.intervals.unwrap_or(available);
    if intervals > available {
        let from = data.start_of(first).unwrap_or(data.first());
        return Err(NeighbourhoodError::TooFewIntervals {
            from,
            available,
            wanted: intervals,
        });
    }
    Ok((first, intervals))
}

async fn await_node(client: &Client) -> Result<(), MarketError> {
    let begun = tokio::time::Instant::now();
    loop {
        match client.head().await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_fatal() || begun.elapsed() > PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// The first delivery interval: one whose book opens after now, as meters count only for products
/// that open after they were registered, and after all that the meters have said before.
async fn first_start(
    client: &Client,
    config: &NeighbourhoodConfig,
    settings: &IRegistry::ZoneSettings,
    households: &[Household],
) -> Result<u64, MarketError> {
    let head = client.head().await?.timestamp;
    let read = setup::latest_reading(client, households).await?;
    let earliest = head
        .saturating_add(settings.openLead.into())
        .saturating_add(1)
        .max(read);
    Ok(earliest.next_multiple_of(u64::from(config.interval_seconds)))
}

/// Where the play begins, in the data and on the chain, and how long it is.
#[derive(Clone, Copy, Debug)]
struct Course {
    first: usize,
    intervals: u64,
    start: u64,
}

async fn trade(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    players: &Players,
    course: Course,
    events: &mpsc::Sender<Event>,
) -> Result<(), NeighbourhoodError> {
    let length = u64::from(config.interval_seconds);
    let grace = (10 * length).max(60);
    let mut playing = Vec::<TradedInterval>::new();
    let mut next = 0;
    let mut seen = None;
    let mut wait = POLL;
    while next < course.intervals || !playing.is_empty() {
        tokio::time::sleep(wait).await;
        let head = match sender.client().head().await {
            Ok(head) => head,
            Err(error) => {
                wait = patience(wait, &error)?;
                continue;
            }
        };
        if seen == Some(head) && wait == POLL {
            continue;
        }
        seen = Some(head);
        wait = POLL;
        while next < course.intervals {
            let start = course.start.saturating_add(next.saturating_mul(length));
            if start.saturating_sub(players.settings.openLead.into()) > head.timestamp {
                break;
            }
            let index = course
                .first
                .saturating_add(usize::try_from(next).unwrap_or(usize::MAX));
            if let (Some(energies), Some(data)) = (
                config.dataset.interval(index),
                config.dataset.start_of(index),
            ) {
                playing.push(TradedInterval::new(players, start, data, energies)?);
            }
            next += 1;
        }
        for interval in &mut playing {
            if let Err(error) = interval.advance(sender, players, &head).await {
                wait = patience(wait, &error)?;
                break;
            }
        }
        for interval in &mut playing {
            if let Some(report) = interval.news(&head, grace)
                && events.send(Event::Interval(report)).await.is_err()
            {
                return Ok(());
            }
        }
        playing.retain(|interval| !interval.is_settled());
    }
    info!("every interval is settled");
    Ok(())
}

/// How long to wait after an error that may pass: twice as long as before.
fn patience(wait: Duration, error: &MarketError) -> Result<Duration, NeighbourhoodError> {
    let next = (wait * 2).min(LONGEST_WAIT);
    warn!(%error, again_in = ?next, "the chain does not do what was asked");
    Ok(next)
}
