//! Bounded threads for reading and executing.
//!
//! Reading the database can wait for the disk and executing takes the processor, so neither runs
//! on the threads that serve connections. Calls have threads of their own, which go from one call
//! to the next without a pause, and so have traces, which take so long that calls must not wait
//! for them. What comes beyond waits its turn, and what nobody waits for any more is stopped.
//!
//! Most calls, though, take less time than handing them to another thread and back. They are tried
//! inline, on the thread of their connection; those that take longer than a millisecond begin anew
//! on a thread for calls.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{RpcError, RpcLimits, shared::error::CallError};

/// How long a call may keep the thread of its connection.
const INLINE_TIME: Duration = Duration::from_millis(1);
/// How many calls are not tried there after one that took longer: others may be like it.
const CAUTION: u32 = 64;

/// Runs the work of requests off the asynchronous threads.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Calls to come that are not tried on the thread of their connection.
    inline_pause: AtomicU32,
    reads: Arc<Semaphore>,
    calls: WorkerPool,
    traces: WorkerPool,
    call_timeout: Duration,
    trace_timeout: Duration,
}

impl Workers {
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(crate) fn new(limits: &RpcLimits) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self {
            inline_pause: AtomicU32::new(0),
            reads: Arc::new(Semaphore::new(limits.concurrent_reads.max(1))),
            calls: WorkerPool::new("calls", limits.concurrent_calls)?,
            traces: WorkerPool::new("traces", limits.concurrent_traces)?,
            call_timeout: limits.call_timeout,
            trace_timeout: limits.trace_timeout,
        })
    }

    /// Short work that waits for the disk at most. Once begun it runs to its end, whether or not
    /// the client stays.
    ///
    /// # Errors
    ///
    /// What the work returns.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        blocking(turn(&self.reads).await?, work).await
    }

    /// Work that takes the processor and ends when `Stop` tells it to: after the time limit of a
    /// call, or when the client has gone.
    ///
    /// # Errors
    ///
    /// What the work returns; [`RpcError::LimitExceeded`] if its turn does not come in time.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.call_within(self.call_timeout, work).await
    }

    /// Leave to do the work of a call inline, for a millisecond; `None` after a call that took
    /// longer. If the work is stopped, [`Self::inline_overran`] has to be told, and [`Self::call`]
    /// does it from the beginning.
    pub(crate) fn try_inline(&self) -> Option<Stop> {
        let fewer = |calls: u32| calls.checked_sub(1);
        self.inline_pause
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .err()
            .map(|_| Stop {
                abandoned: Arc::default(),
                deadline: Instant::now() + INLINE_TIME,
                timeout: INLINE_TIME,
                inline: true,
            })
    }

    /// A call took too long for doing it inline.
    pub(crate) fn inline_overran(&self) {
        self.inline_pause.store(CAUTION, Ordering::Relaxed);
    }

    /// The same with a time limit of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Self::call`].
    pub(crate) async fn call_within<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.calls.run(timeout, work).await
    }

    /// As [`Self::call`], for work that may take much longer: within the limit for traces, or
    /// less if the client wants less.
    ///
    /// # Errors
    ///
    /// What the work returns; [`RpcError::LimitExceeded`] if its turn does not come in time.
    pub(crate) async fn trace<T: Send + 'static>(
        &self,
        timeout: Option<Duration>,
        work: impl FnOnce(Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let limit = self.trace_timeout;
        let timeout = timeout.map_or(limit, |timeout| timeout.min(limit));
        self.traces.run(timeout, work).await
    }
}

/// Threads for one kind of work.
#[derive(Debug)]
struct WorkerPool {
    kind: &'static str,
    threads: ThreadPool,
}

impl WorkerPool {
    fn new(kind: &'static str, threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(move |index| format!("rpc-{kind}-{index}"))
            .build()?;
        Ok(Self { kind, threads })
    }

    /// Work with a time limit, and as long to wait for its turn.
    async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(Stop) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let begun = Arc::new(AtomicBool::new(false));
        let (answer, mut answered) = oneshot::channel();
        let _guard = SetOnDrop(Arc::clone(&abandoned));
        let begins = Arc::clone(&begun);
        self.threads.spawn_fifo(move || {
            begins.store(true, Ordering::Relaxed);
            if abandoned.load(Ordering::Relaxed) {
                return;
            }
            let stop = Stop {
                abandoned,
                deadline: Instant::now() + timeout,
                timeout,
                inline: false,
            };
            // A fault in one request must not take its thread from the others.
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(stop)));
            let _ = answer.send(outcome.unwrap_or_else(|_| {
                Err(RpcError::Internal("the request's work failed".to_owned()))
            }));
        });
        let outcome = match tokio::time::timeout(timeout, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) if begun.load(Ordering::Relaxed) => answered.await,
            Err(_) => {
                return Err(RpcError::LimitExceeded(format!(
                    "the node is busy with other {}: try again later",
                    self.kind
                )));
            }
        };
        outcome.map_err(|_| RpcError::Internal("the request's work was dropped".to_owned()))?
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, RpcError> {
    let turn = Arc::clone(turns).acquire_owned().await;
    turn.map_err(|error| RpcError::Internal(error.to_string()))
}

/// The turn stays taken until the work ends, which may be after the client has gone.
async fn blocking<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let task = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    task.await
        .map_err(|error| RpcError::Internal(format!("the request's task failed: {error}")))?
}

/// Tells work when to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    abandoned: Arc<AtomicBool>,
    deadline: Instant,
    timeout: Duration,
    inline: bool,
}

impl Stop {
    /// Whether the work's time is up or nobody waits for it any more.
    pub(crate) fn requested(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    /// # Errors
    ///
    /// [`RpcError::Call`] if the work has to end.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        if self.requested() {
            Err(self.error())
        } else {
            Ok(())
        }
    }

    /// Whether the work keeps the thread of a connection.
    pub(crate) const fn inline(&self) -> bool {
        self.inline
    }

    /// What to answer after having stopped.
    pub(crate) const fn error(&self) -> RpcError {
        RpcError::Call(CallError::Timeout(self.timeout))
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn workers(timeout: Duration) -> Workers {
        let limits = RpcLimits {
            concurrent_calls: 1,
            call_timeout: timeout,
            ..RpcLimits::default()
        };
        Workers::new(&limits).expect("the system gives threads")
    }

    /// Keeps the only thread of a lane until the answer is dropped.
    fn hold(lane: &WorkerPool) -> mpsc::Sender<()> {
        let (held, released) = mpsc::channel();
        lane.threads.spawn_fifo(move || {
            let _ = released.recv();
        });
        held
    }

    #[tokio::test]
    async fn a_call_ends_when_its_client_leaves() {
        let workers = workers(Duration::from_secs(600));
        let (begun, wait_begun) = oneshot::channel();
        let (ended, wait_ended) = oneshot::channel();
        let call = workers.call(move |stop| {
            let _ = begun.send(());
            while !stop.requested() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
            Ok(())
        });
        tokio::select! {
            _ = call => panic!("nothing ends it"),
            _ = wait_begun => {}
        }
        wait_ended.await.expect("dropping the call ends its work");
    }

    #[tokio::test]
    async fn a_call_ends_when_its_time_is_up() {
        let workers = workers(Duration::from_millis(20));
        let result = workers.call(|stop| {
            loop {
                stop.check()?;
                std::thread::yield_now();
            }
        });
        let result: Result<(), _> = result.await;
        assert!(matches!(result, Err(RpcError::Call(CallError::Timeout(_)))));
    }

    #[tokio::test]
    async fn calls_wait_their_turn_but_not_forever() {
        let workers = workers(Duration::from_millis(20));
        let held = hold(&workers.calls);
        let result = workers.call(|_| Ok(())).await;
        assert!(matches!(result, Err(RpcError::LimitExceeded(_))));
        drop(held);
        workers.call(|_| Ok(())).await.expect("its turn");
    }

    #[test]
    fn long_calls_are_not_tried_again_at_once() {
        let workers = workers(Duration::from_secs(1));
        assert!(workers.try_inline().is_some_and(|stop| stop.inline()));
        workers.inline_overran();
        for _ in 0..CAUTION {
            assert!(workers.try_inline().is_none());
        }
        assert!(workers.try_inline().is_some());
    }

    #[tokio::test]
    async fn calls_do_not_wait_for_traces() {
        let limits = RpcLimits {
            concurrent_traces: 1,
            trace_timeout: Duration::from_millis(20),
            ..RpcLimits::default()
        };
        let workers = Workers::new(&limits).expect("the system gives threads");
        let _held = hold(&workers.traces);
        let result = workers.trace(None, |_| Ok(())).await;
        assert_eq!(
            result.expect_err("another trace runs").to_string(),
            "the node is busy with other traces: try again later"
        );
        workers.call(|_| Ok(())).await.expect("another queue");
    }

    #[tokio::test]
    async fn a_trace_has_the_time_its_client_gives_it_within_the_limit() {
        let limits = RpcLimits {
            trace_timeout: Duration::from_secs(7),
            ..RpcLimits::default()
        };
        let workers = Workers::new(&limits).expect("the system gives threads");
        for (asked, given) in [(None, 7), (Some(3), 3), (Some(100), 7)] {
            let asked = asked.map(Duration::from_secs);
            let stop = workers.trace(asked, Ok).await.expect("its turn");
            assert_eq!(stop.timeout, Duration::from_secs(given));
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let workers = workers(Duration::from_secs(1));
        let result: Result<(), _> = workers.read(|| panic!("a fault")).await;
        assert!(matches!(result, Err(RpcError::Internal(_))));
        let result: Result<(), _> = workers.call(|_| panic!("a fault")).await;
        assert!(matches!(result, Err(RpcError::Internal(_))));
        workers.call(|_| Ok(())).await.expect("the thread goes on");
    }
}
