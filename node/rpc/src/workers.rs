//! Bounded threads for reading and executing.
//!
//! Reading the database can wait for the disk and executing takes the processor, so neither runs
//! on the threads that serve connections. Two semaphores bound how many do so at the same time;
//! what comes beyond waits its turn, and what nobody waits for any more is stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::{RpcError, RpcLimits};

/// Runs the work of requests off the asynchronous threads.
#[derive(Debug)]
pub(crate) struct Workers {
    reads: Semaphore,
    calls: Semaphore,
    timeout: Duration,
}

impl Workers {
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self {
            reads: Semaphore::new(limits.concurrent_reads.max(1)),
            calls: Semaphore::new(limits.concurrent_calls.max(1)),
            timeout: limits.call_timeout,
        }
    }

    /// Short work that waits for the disk at most.
    ///
    /// # Errors
    ///
    /// What the work returns.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        run(&self.reads, work).await
    }

    /// Work that takes the processor and ends when `Stop` tells it to: after the time limit, or
    /// when the client has gone.
    ///
    /// # Errors
    ///
    /// What the work returns; [`RpcError::Timeout`] if it has to wait for its turn too long.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let _guard = SetOnDrop(Arc::clone(&abandoned));
        let timeout = self.timeout;
        run(&self.calls, move || {
            work(Stop {
                abandoned,
                deadline: Instant::now() + timeout,
                timeout,
            })
        })
        .await
    }

    /// Work that must run to its end once begun, such as taking a transaction into the pool.
    ///
    /// # Errors
    ///
    /// What the work returns.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        run(&self.reads, work).await
    }
}

async fn run<T: Send + 'static>(
    turns: &Semaphore,
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let _turn = turns
        .acquire()
        .await
        .map_err(|error| RpcError::Internal(error.to_string()))?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| RpcError::Internal(format!("the request's task failed: {error}")))?
}

/// Tells work when to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    abandoned: Arc<AtomicBool>,
    deadline: Instant,
    timeout: Duration,
}

impl Stop {
    /// Whether the work's time is up or nobody waits for it any more.
    pub(crate) fn requested(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    /// # Errors
    ///
    /// [`RpcError::Timeout`] if the work has to end.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        if self.requested() {
            Err(self.error())
        } else {
            Ok(())
        }
    }

    /// What to answer after having stopped.
    pub(crate) const fn error(&self) -> RpcError {
        RpcError::Timeout(self.timeout)
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
