//! Metrics for Prometheus and a health check, on a port of their own.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Histograms collect samples until they are drained; scrapes alone may be too rare for that.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How a program is: what `/health` answers, as JSON.
#[derive(Clone, Debug)]
pub struct Health<T> {
    /// Whether it does what it is for: HTTP 200, else 503.
    pub healthy: bool,
    /// The details.
    pub details: T,
}

/// Another recorder collects this process's metrics.
#[derive(Debug, thiserror::Error)]
#[error("this process records metrics already")]
pub struct AlreadyRecording;

/// Collects the metrics of the whole process.
#[derive(Debug)]
pub struct MetricsRecorder(PrometheusHandle);

impl MetricsRecorder {
    /// Collects metrics from here on. What it collects is drained by a [`StatusServer`] only, so a
    /// program without one installs no recorder.
    ///
    /// # Errors
    ///
    /// When the process has a recorder already.
    pub fn install() -> Result<Self, AlreadyRecording> {
        match PrometheusBuilder::new().install_recorder() {
            Ok(handle) => Ok(Self(handle)),
            Err(_) => Err(AlreadyRecording),
        }
    }
}

/// A bound listener for `/metrics` and `/health`; binding apart from serving makes a port in use
/// an error of the start.
pub struct StatusServer {
    listener: TcpListener,
    router: Router,
    recorder: PrometheusHandle,
    others: Option<Source>,
}

/// Metrics of a part that does not record them with the rest of the process, in Prometheus' text
/// format.
type Source = Arc<dyn Fn() -> String + Send + Sync>;

impl StatusServer {
    /// Binds `addr`. Each request for `/health` asks `health`, which must not block.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn bind<T: Serialize>(
        addr: SocketAddr,
        MetricsRecorder(recorder): MetricsRecorder,
        health: impl Fn() -> Health<T> + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let answer = async move || {
            let Health { healthy, details } = health();
            let code = if healthy {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            (code, Json(details))
        };
        Ok(Self {
            listener,
            router: Router::new().route("/health", get(answer)),
            recorder,
            others: None,
        })
    }

    /// Shows the metrics of a part that keeps its own, in Prometheus' text format, after those of
    /// the process.
    #[must_use]
    pub fn with_metrics_of(mut self, part: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.others = Some(Arc::new(part));
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let (recorder, others) = (self.recorder.clone(), self.others);
        let rendered = async move || {
            let mut text = recorder.render();
            if let Some(others) = &others {
                text.push_str(&others());
            }
            text
        };
        let router = self.router.route("/metrics", get(rendered));
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                ticks.tick().await;
                self.recorder.run_upkeep();
            }
        };
        let server =
            axum::serve(self.listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::select! {
            served = server => served,
            never = upkeep => never,
        }
    }
}

impl fmt::Debug for StatusServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusServer")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_answered_until_shutdown() {
        let recorder = MetricsRecorder::install().expect("the first");
        assert!(MetricsRecorder::install().is_err());
        metrics::counter!("test_things_total").increment(3);
        let healthy = Arc::new(AtomicBool::new(true));
        let shown = healthy.clone();
        let health = move || Health {
            healthy: shown.load(Ordering::Relaxed),
            details: json!({"things": 3}),
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = StatusServer::bind(addr, recorder, health)
            .await
            .expect("binds")
            .with_metrics_of(|| "part_things 4\n".to_owned());
        let addr = server.local_addr().expect("address");
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.run(shutdown.clone()));

        let metrics = get(addr, "/metrics").await;
        assert!(metrics.contains("test_things_total 3"), "{metrics}");
        assert!(metrics.contains("\npart_things 4\n"), "{metrics}");
        let well = get(addr, "/health").await;
        assert!(well.starts_with("HTTP/1.1 200 "), "{well}");
        assert!(well.ends_with(r#"{"things":3}"#), "{well}");
        healthy.store(false, Ordering::Relaxed);
        let ill = get(addr, "/health").await;
        assert!(ill.starts_with("HTTP/1.1 503 "), "{ill}");
        assert!(ill.ends_with(r#"{"things":3}"#), "{ill}");

        shutdown.cancel();
        serving.await.expect("no panic").expect("served");
        assert!(TcpStream::connect(addr).await.is_err(), "it still listens");
    }
}
