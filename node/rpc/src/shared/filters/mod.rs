//! Filters that clients poll: what each wants and how far it has told.
//!
//! Nothing is collected for a filter. It remembers where it stood, and a poll reads from there to
//! the head. One thing cannot be read later and is kept for all filters together, while any wants
//! it: the hashes of transactions as they arrived, a bounded number of them.
//!
//! What is kept is brought up to date by each poll, and between polls by a task, which also removes
//! filters that nobody polls any more and ends with the last that wants transactions, or with the
//! node. Other filters that nobody polls give their place to the next that is installed.

mod arrivals;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use alloy_primitives::{B256, BlockNumber};
use alloy_rpc_types_eth::Filter;
use parking_lot::Mutex;
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    task::AbortHandle,
    time::MissedTickBehavior,
};
use wattline_chain::Chain;
use wattline_pool::{Pool, PooledTransaction};

use crate::{RpcError, RpcLimits, shared::error::FilterError};
use arrivals::Arrivals;

/// So many addresses and topics of a log filter take the place of one more filter.
const ALTERNATIVES_PER_PLACE: usize = 64;
/// Shortest pause between two looks for filters that have expired.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// What a filter wants, and how far it has told.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Hashes of the blocks after one.
    Blocks(BlockNumber),
    /// Logs of the blocks after one.
    Logs(Arc<WantedLogs>, BlockNumber),
    /// Transactions from a place in the order of arrival on.
    Transactions {
        /// Whole transactions instead of their hashes.
        full: bool,
        /// The place.
        from: u64,
    },
}

/// Which logs a filter wants.
#[derive(Debug)]
pub(crate) struct WantedLogs {
    /// As the client gave it.
    pub(crate) filter: Filter,
    /// The first block that it asks for; `None` for any.
    pub(crate) from: Option<BlockNumber>,
    /// The last block that it asks for; `None` for all to come.
    pub(crate) to: Option<BlockNumber>,
}

/// A filter as a poll takes it: one poll at a time.
pub(crate) type SharedFilter = Arc<tokio::sync::Mutex<Wanted>>;

/// All filters of a node.
#[derive(Debug)]
pub(crate) struct Filters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    lifetime: Duration,
    state: Mutex<FilterState>,
}

#[derive(Debug)]
struct FilterState {
    filters: HashMap<String, Installed>,
    /// Present while there are filters for transactions.
    pool: Option<Followed>,
    arrivals: Arrivals,
}

#[derive(Debug)]
struct Installed {
    wanted: SharedFilter,
    transactions: bool,
    places: usize,
    polled: Instant,
}

/// What the pool announces, and the task that keeps its channel from overflowing.
#[derive(Debug)]
struct Followed {
    receiver: Receiver<Arc<PooledTransaction>>,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    fn next(&mut self) -> Option<Arc<PooledTransaction>> {
        loop {
            match self.receiver.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}

impl Filters {
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self(Arc::new(Shared {
            max: limits.max_filters,
            lifetime: limits.filter_lifetime,
            state: Mutex::new(FilterState {
                filters: HashMap::new(),
                pool: None,
                arrivals: Arrivals::new(limits.filter_arrivals),
            }),
        }))
    }

    /// A filter for the hashes of blocks to come; returns its id.
    ///
    /// # Errors
    ///
    /// [`RpcError::LimitExceeded`].
    pub(crate) fn install_blocks(&self, chain: &Chain) -> Result<String, RpcError> {
        self.install(1, |_| Wanted::Blocks(chain.head().number))
    }

    /// A filter for the logs of blocks to come; returns its id.
    ///
    /// # Errors
    ///
    /// [`RpcError::LimitExceeded`].
    pub(crate) fn install_logs(&self, chain: &Chain, logs: WantedLogs) -> Result<String, RpcError> {
        let topics = logs.filter.topics.iter().map(|topic| topic.len());
        let alternatives = topics.sum::<usize>() + logs.filter.address.len();
        self.install(1 + alternatives / ALTERNATIVES_PER_PLACE, |_| {
            Wanted::Logs(Arc::new(logs), chain.head().number)
        })
    }

    /// A filter for transactions that become executable; returns its id.
    ///
    /// # Errors
    ///
    /// [`RpcError::LimitExceeded`].
    pub(crate) fn install_transactions(&self, pool: &Pool, full: bool) -> Result<String, RpcError> {
        self.install(1, |state| {
            if state.pool.is_none() {
                state.pool = Some(self.follow(|| pool.subscribe()));
            }
            state.catch_up();
            let from = state.arrivals.end();
            Wanted::Transactions { full, from }
        })
    }

    fn install(
        &self,
        places: usize,
        wanted: impl FnOnce(&mut FilterState) -> Wanted,
    ) -> Result<String, RpcError> {
        let mut state = self.0.state.lock();
        state.expire(Instant::now(), self.0.lifetime);
        let taken: usize = state.filters.values().map(|filter| filter.places).sum();
        if places > self.0.max.saturating_sub(taken) {
            return Err(RpcError::LimitExceeded(format!(
                "too many filters on this node, limit {}: uninstall those not needed, try again \
                 later, or subscribe over WebSocket",
                self.0.max
            )));
        }
        let wanted = wanted(&mut state);
        let id = format!("{:#x}", rand::random::<u128>());
        state.filters.insert(
            id.clone(),
            Installed {
                transactions: matches!(wanted, Wanted::Transactions { .. }),
                wanted: Arc::new(tokio::sync::Mutex::new(wanted)),
                places,
                polled: Instant::now(),
            },
        );
        Ok(id)
    }

    fn follow(&self, subscribe: impl Fn() -> Receiver<Arc<PooledTransaction>>) -> Followed {
        let pause = (self.0.lifetime / 4).max(MIN_PAUSE);
        let task = tokio::spawn(tend(Arc::downgrade(&self.0), subscribe(), pause));
        Followed {
            receiver: subscribe(),
            task: task.abort_handle(),
        }
    }

    /// A filter that is about to be polled, which prolongs its life.
    ///
    /// # Errors
    ///
    /// [`RpcError::Filter`].
    pub(crate) fn get(&self, id: &str) -> Result<SharedFilter, RpcError> {
        let mut state = self.0.state.lock();
        let (now, lifetime) = (Instant::now(), self.0.lifetime);
        let filter = state.filters.get_mut(id);
        let filter = filter.filter(|filter| !filter.expired(now, lifetime));
        let filter = filter.ok_or(FilterError::NotFound)?;
        filter.polled = now;
        Ok(Arc::clone(&filter.wanted))
    }

    /// Removes a filter; whether there was one.
    pub(crate) fn uninstall(&self, id: &str) -> bool {
        let mut state = self.0.state.lock();
        let removed = state.filters.remove(id);
        state.release();
        removed.is_some_and(|filter| !filter.expired(Instant::now(), self.0.lifetime))
    }

    /// Hashes of transactions that arrived at or after a place, at most `count`, as far as they
    /// are kept; with the place after each.
    pub(crate) fn arrivals(&self, from: u64, count: usize) -> Vec<(B256, u64)> {
        let mut state = self.0.state.lock();
        state.catch_up();
        state.arrivals.since(from).take(count).collect()
    }
}

impl Installed {
    fn expired(&self, now: Instant, lifetime: Duration) -> bool {
        now.saturating_duration_since(self.polled) >= lifetime
    }
}

impl FilterState {
    /// Takes over what the pool announced.
    fn catch_up(&mut self) {
        while let Some(transaction) = self.pool.as_mut().and_then(Followed::next) {
            self.arrivals.push(transaction.hash());
        }
    }

    fn expire(&mut self, now: Instant, lifetime: Duration) {
        let before = self.filters.len();
        self.filters
            .retain(|_, filter| !filter.expired(now, lifetime));
        if self.filters.len() < before {
            self.release();
        }
    }

    /// Lets go of what no filter needs any more.
    fn release(&mut self) {
        if !self.filters.values().any(|filter| filter.transactions) {
            self.pool = None;
            self.arrivals.clear();
        }
    }
}

/// Empties the channel whenever something is in it and removes expired filters, until the node ends
/// or nobody needs the channel any more, which aborts this.
async fn tend(shared: Weak<Shared>, mut wake: Receiver<Arc<PooledTransaction>>, pause: Duration) {
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let woken = tokio::select! {
            woken = wake.recv() => Some(woken),
            _ = ticks.tick() => None,
        };
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut state = shared.state.lock();
        match woken {
            Some(Err(RecvError::Closed)) => return,
            Some(_) => {
                state.catch_up();
                // What else was in the channel has been taken over too.
                wake = wake.resubscribe();
            }
            None => state.expire(Instant::now(), shared.lifetime),
        }
    }
}

#[cfg(test)]
mod tests;
