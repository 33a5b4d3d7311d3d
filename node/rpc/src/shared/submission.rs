//! Transactions that arrive at the same time go into the pool together: their senders are
//! recovered on all cores, and the pool's journal is written once for all of them.

use std::{mem, sync::Arc};

use alloy_primitives::B256;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use wattline_pool::{Pool, PoolError};
use wattline_primitives::TransactionSigned;

use crate::{RpcError, shared::error::SubmitError};

/// Transactions that are taken in at once. More wait, so that none waits long for its answer.
const GATHERED: usize = 512;

/// Transactions on their way into the pool.
#[derive(Debug)]
pub(crate) struct SubmissionQueue {
    pool: Pool,
    queue: Mutex<Waiting>,
}

/// As many as there are requests at work, which are bounded.
#[derive(Debug, Default)]
struct Waiting {
    waiting: Vec<Arrival>,
    /// Whether a thread is taking them in.
    working: bool,
}

#[derive(Debug)]
struct Arrival {
    transaction: TransactionSigned,
    answer: oneshot::Sender<Result<B256, PoolError>>,
}

impl SubmissionQueue {
    pub(crate) fn new(pool: Pool) -> Arc<Self> {
        Arc::new(Self {
            pool,
            queue: Mutex::default(),
        })
    }

    /// Checks a transaction and takes it in. Once called, it is taken in whether or not the
    /// client waits for the answer.
    ///
    /// # Errors
    ///
    /// Why the pool refused it.
    pub(crate) async fn add(
        self: &Arc<Self>,
        transaction: TransactionSigned,
    ) -> Result<B256, RpcError> {
        let (answer, answered) = oneshot::channel();
        let idle = {
            let mut queue = self.queue.lock();
            queue.waiting.push(Arrival {
                transaction,
                answer,
            });
            !mem::replace(&mut queue.working, true)
        };
        if idle {
            let queue = Arc::clone(self);
            tokio::task::spawn_blocking(move || queue.work());
        }
        let outcome = answered
            .await
            .map_err(|_| RpcError::Internal("the pool's thread failed".to_owned()))?;
        Ok(outcome.map_err(SubmitError::from)?)
    }

    /// Takes in whatever waits until nothing does.
    fn work(&self) {
        let _idle = IdleOnPanic(self);
        loop {
            let mut gathered = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.working = false;
                    return;
                }
                mem::take(&mut queue.waiting)
            };
            while !gathered.is_empty() {
                let rest = gathered.split_off(gathered.len().min(GATHERED));
                let (transactions, answers): (Vec<_>, Vec<_>) = gathered
                    .into_iter()
                    .map(|arrival| (arrival.transaction, arrival.answer))
                    .unzip();
                for (outcome, answer) in self.pool.add_many(transactions).into_iter().zip(answers) {
                    // A client that has gone wants no answer.
                    let _ = answer.send(outcome);
                }
                gathered = rest;
            }
        }
    }
}

/// After a fault while taking in, the next transaction must find a thread again.
struct IdleOnPanic<'a>(&'a SubmissionQueue);

impl Drop for IdleOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.queue.lock();
            queue.working = false;
            queue.waiting.clear();
        }
    }
}
