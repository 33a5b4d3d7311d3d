//! Metrics for Prometheus and a health check, on a port of their own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use eyre::WrapErr;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wattline_chain::{Chain, Clock, SystemClock};

/// A head older than this many periods means that the chain stands still.
const STALLED_AFTER_PERIODS: u64 = 10;
/// Shorter standstills are ordinary, however short the period.
const STALLED_AFTER_AT_LEAST: u64 = 30;

/// Histograms collect samples until they are drained; scrapes alone may be too rare for that.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What `/health` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    /// `ok`, or `stalled` when the head is older than it should be.
    status: &'static str,
    head_number: u64,
    head_hash: String,
    /// Seconds since the head's time.
    head_age_seconds: u64,
}

/// Installs the process-wide recorder that collects metrics from here on.
///
/// # Errors
///
/// When one is installed already.
pub(crate) fn install_recorder() -> eyre::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .install_recorder()
        .wrap_err("cannot collect metrics")
}

/// A bound listener for metrics and health; binding apart from serving makes a port in use an
/// error of the start.
pub(crate) struct StatusServer {
    listener: TcpListener,
    router: Router,
    recorder: PrometheusHandle,
}

impl StatusServer {
    /// Binds `addr`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub(crate) async fn bind(
        addr: SocketAddr,
        recorder: PrometheusHandle,
        chain: Chain,
    ) -> eyre::Result<Self> {
        let listener = TcpListener::bind(addr).await.wrap_err_with(|| {
            format!("cannot serve metrics on {addr}; choose another port with --metrics.port")
        })?;
        let rendered = recorder.clone();
        let router = Router::new()
            .route("/metrics", get(move || async move { rendered.render() }))
            .route("/health", get(health))
            .with_state(Arc::new(chain));
        Ok(Self {
            listener,
            router,
            recorder,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub(crate) fn local_addr(&self) -> eyre::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> eyre::Result<()> {
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                ticks.tick().await;
                self.recorder.run_upkeep();
            }
        };
        tokio::select! {
            served = axum::serve(self.listener, self.router)
                .with_graceful_shutdown(shutdown.cancelled_owned()) =>
            {
                served.wrap_err("the metrics server failed")
            }
            never = upkeep => never,
        }
    }
}

async fn health(State(chain): State<Arc<Chain>>) -> impl IntoResponse {
    let head = chain.head();
    let age = SystemClock.now().as_secs().saturating_sub(head.timestamp);
    let limit = (chain.spec().clique().period * STALLED_AFTER_PERIODS).max(STALLED_AFTER_AT_LEAST);
    let stalled = age > limit;
    let code = if stalled {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let health = Health {
        status: if stalled { "stalled" } else { "ok" },
        head_number: head.number,
        head_hash: head.hash().to_string(),
        head_age_seconds: age,
    };
    (code, Json(health))
}
