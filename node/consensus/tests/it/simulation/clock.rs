//! A runtime whose clock is off, and on which heavy work takes time.

use std::{
    convert::Infallible,
    fmt,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, Metrics, Name, Spawner, Storage, Supervisor,
    deterministic::Context,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use rand_core::{Rng as _, TryCryptoRng, TryRng};

/// The most milliseconds that heavy work takes: execution, a commit.
const HEAVY: u64 = 20;

/// The deterministic runtime, seen by a node whose clock is ahead, or behind. On it heavy work is
/// done at once, and nothing can come in between; here it takes a while.
pub(crate) struct Skewed {
    inner: Context,
    skew: Skew,
    is_heavy: bool,
}

/// By how much a clock is off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

impl Skew {
    pub(crate) const NONE: Self = Self::Ahead(Duration::ZERO);

    /// So many milliseconds ahead, or behind if they are negative.
    pub(crate) const fn of_millis(millis: i64) -> Self {
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 {
            Self::Behind(by)
        } else {
            Self::Ahead(by)
        }
    }

    fn shown(self, time: SystemTime) -> SystemTime {
        match self {
            Self::Ahead(by) => time + by,
            Self::Behind(by) => time.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    fn real(self, shown: SystemTime) -> SystemTime {
        match self {
            Self::Ahead(by) => shown.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH),
            Self::Behind(by) => shown + by,
        }
    }
}

impl Skewed {
    pub(crate) const fn new(inner: Context, skew: Skew) -> Self {
        Self {
            inner,
            skew,
            is_heavy: false,
        }
    }

    /// The time since the Unix epoch, whatever the node's clock says.
    pub(crate) fn time(&self) -> Duration {
        let time = self.inner.current().duration_since(SystemTime::UNIX_EPOCH);
        time.unwrap_or_default()
    }

    const fn with(&self, inner: Context) -> Self {
        Self::new(inner, self.skew)
    }
}

impl Supervisor for Skewed {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.with(self.inner.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl fmt::Display) -> Self {
        Self::new(self.inner.with_attribute(key, value), self.skew)
    }
}

impl Spawner for Skewed {
    fn shared(self, blocking: bool) -> Self {
        Self {
            is_heavy: blocking,
            ..Self::new(self.inner.shared(blocking), self.skew)
        }
    }

    fn dedicated(self) -> Self {
        Self::new(self.inner.dedicated(), self.skew)
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (skew, is_heavy) = (self.skew, self.is_heavy);
        self.inner.spawn(move |mut inner| async move {
            if is_heavy {
                let time = inner.next_u64() % HEAVY;
                inner.sleep(Duration::from_millis(time)).await;
            }
            f(Self::new(inner, skew)).await
        })
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl Metrics for Skewed {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(
        &self,
        name: N,
        help: H,
        metric: M,
    ) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl governor::clock::Clock for Skewed {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl governor::clock::ReasonablyRealtime for Skewed {}

impl Clone for Skewed {
    /// For the rate limiters of the library, which keep a clock.
    fn clone(&self) -> Self {
        self.child("clone")
    }
}

impl Clock for Skewed {
    fn current(&self) -> SystemTime {
        self.skew.shown(self.inner.current())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep(duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep_until(self.skew.real(deadline))
    }
}

impl TryRng for Skewed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        self.inner.try_fill_bytes(dest)
    }
}

impl TryCryptoRng for Skewed {}

impl Storage for Skewed {
    type Blob = <Context as Storage>::Blob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(Self::Blob, u64, BlobVersion), Error> {
        self.inner.open_versioned(partition, name, versions).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.inner.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.scan(partition).await
    }
}
