//! Puts the parts of a node together, runs them and takes them down again.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_signer_local::PrivateKeySigner;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519::PrivateKey;
use eyre::WrapErr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use wattline_chain::Chain;
use wattline_daemon::{MetricsRecorder, StatusServer, keystore};
use wattline_pool::{Pool, PoolConfig};
use wattline_producer::{Producer, ProducerConfig};
use wattline_rpc::{RpcConfig, RpcContext};
use wattline_rpc_server::RpcServerHandle;
use wattline_storage::{ChainIdentity, Storage, StorageConfig};

use crate::{
    agreement::{AgreementParts, PeerConfig},
    health::health,
    space::{MinFree, SpaceWatcher},
    spec::LoadedSpec,
};

/// Where a data directory keeps the votes of the agreement.
const AGREEMENT: &str = "agreement";
/// Where a data directory keeps the pool's journal.
const POOL_JOURNAL: &str = "pool.journal";
/// How long the tasks of a stopping node may take; blocks are committed or not by then.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What a node is started with.
pub(crate) struct NodeConfig {
    pub(crate) datadir: PathBuf,
    pub(crate) chain: LoadedSpec,
    pub(crate) storage: StorageConfig,
    /// What must be free on the disk of the data directory.
    pub(crate) min_free: MinFree,
    /// The key that seals blocks; none: the node only follows.
    pub(crate) signer: Option<PrivateKeySigner>,
    /// How it meets its peers.
    pub(crate) peers: PeerConfig,
    pub(crate) rpc: RpcConfig,
    pub(crate) pool: PoolConfig,
    /// Metrics and health; none: not served.
    pub(crate) metrics: Option<SocketAddr>,
    /// Accounts that clients may send and sign with, for development.
    pub(crate) accounts: Vec<PrivateKeySigner>,
}

/// A running node.
pub(crate) struct Node {
    chain: Chain,
    rpc: RpcServerHandle,
    metrics: Option<SocketAddr>,
    tasks: JoinSet<(&'static str, eyre::Result<()>)>,
    shutdown: CancellationToken,
}

/// Opens the database of a data directory, creating it from the genesis file where there is none.
///
/// # Errors
///
/// When the directory holds another chain or schema, or cannot be read or written.
pub(crate) fn open_storage(
    datadir: &Path,
    chain: &LoadedSpec,
    config: &StorageConfig,
) -> eyre::Result<Storage> {
    let spec = &chain.spec;
    let identity = ChainIdentity {
        genesis_header: spec.genesis_header(),
        alloc: &spec.genesis().alloc,
        config_json: serde_json::to_string(&spec.genesis().config)?,
    };
    let storage = Storage::open_with(datadir, identity, config)
        .wrap_err_with(|| format!("cannot open the data directory {}", datadir.display()))?;
    chain.keep_in(datadir)?;
    Ok(storage)
}

/// The node key in the file `path`, made where there is none.
///
/// # Errors
///
/// When the file is damaged, can be read by others, or can neither be read nor made.
pub(crate) fn node_key(path: &Path) -> eyre::Result<PrivateKey> {
    let secret = keystore::node_secret(path)?;
    PrivateKey::decode(Copying(secret.as_bytes()))
        .wrap_err_with(|| format!("the node key {} is no ed25519 key", path.display()))
}

impl Node {
    /// Starts every part; the node answers RPC when this returns.
    ///
    /// # Errors
    ///
    /// When a part cannot start, which then names what to change.
    pub(crate) async fn start(config: NodeConfig) -> eyre::Result<Self> {
        let NodeConfig {
            datadir,
            chain: loaded,
            storage: config,
            min_free,
            signer,
            peers,
            rpc,
            pool,
            metrics,
            accounts,
        } = config;
        // Before anything runs that counts; without a server nothing would drain the samples.
        let metrics = match metrics {
            Some(addr) => Some((addr, MetricsRecorder::install()?)),
            None => None,
        };
        let directory = datadir.join(AGREEMENT);
        let (chain, pool, space) = tokio::task::spawn_blocking(move || {
            let storage = open_storage(&datadir, &loaded, &config)?;
            let chain = Chain::open(storage.clone(), loaded.spec)?;
            let pool = Pool::open(
                pool,
                Some(&datadir.join(POOL_JOURNAL)),
                storage.clone(),
                chain.evm().clone(),
            )?;
            let space = SpaceWatcher::new(datadir, storage, pool.clone(), min_free);
            eyre::Ok((chain, pool, space))
        })
        .await??;

        let shutdown = CancellationToken::new();
        // The agreement's thread must not go on without the rest.
        let guard = shutdown.clone().drop_guard();
        let mut tasks = JoinSet::new();
        let status = match metrics {
            Some((addr, recorder)) => {
                let shown = chain.clone();
                let server = StatusServer::bind(addr, recorder, move || health(&shown));
                Some(server.await.wrap_err_with(|| {
                    format!(
                        "cannot serve metrics on {addr}; choose another port with --metrics.port"
                    )
                })?)
            }
            None => None,
        };
        let metrics = status.as_ref().map(StatusServer::local_addr).transpose()?;

        let producer = signer.map(|key| {
            Producer::new(
                chain.clone(),
                pool.clone(),
                key.into(),
                ProducerConfig::default(),
            )
        });
        let voting = producer.as_ref().map(Producer::handle);
        // A chain without a Consortium contract has one node that matters, the one that seals.
        let agreement = if chain.spec().consortium().is_some() || producer.is_some() {
            let parts = AgreementParts {
                chain: chain.clone(),
                pool: pool.clone(),
                producer,
                key: node_key(&peers.node_key)?,
                peers,
                directory,
            };
            Some(parts.start(shutdown.clone()).await?)
        } else {
            None
        };
        let context = RpcContext {
            chain: chain.clone(),
            pool: pool.clone(),
            producer: voting,
            agreement: agreement
                .as_ref()
                .map(|running| running.agreement.clone() as _),
            peers: agreement.as_ref().map(|running| running.peers.clone() as _),
            dev_accounts: accounts,
        };
        let rpc = wattline_rpc::serve(rpc, context).await?;

        if let Some(mut server) = status {
            if let Some(running) = &agreement {
                server = server.with_metrics_of(running.metrics());
            }
            let token = shutdown.clone();
            tasks.spawn(async move { ("metrics", server.run(token).await.map_err(Into::into)) });
        }
        let maintained = pool.maintain(chain.subscribe(), shutdown.clone());
        tasks.spawn(async move { ("pool", maintained.await.map_err(Into::into)) });
        if let Some(running) = agreement {
            tasks.spawn(async move { ("agreement", running.ended().await) });
        }

        let token = shutdown.clone();
        tasks.spawn(async move { ("space watcher", space.run(token).await) });

        let head = chain.head();
        info!(number = head.number, hash = %head.hash(), rpc = %rpc.local_addr(), "node started");
        guard.disarm();
        Ok(Self {
            chain,
            rpc,
            metrics,
            tasks,
            shutdown,
        })
    }

    /// The listeners of RPC.
    pub(crate) const fn rpc(&self) -> &RpcServerHandle {
        &self.rpc
    }

    /// Where RPC is served over HTTP and WebSocket.
    pub(crate) fn rpc_addr(&self) -> SocketAddr {
        self.rpc.local_addr()
    }

    /// Where metrics are served.
    pub(crate) const fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Waits for the first part that ends by itself, which none should.
    ///
    /// # Errors
    ///
    /// Always: a part that ends before the node is stopped has failed.
    pub(crate) async fn failed(&mut self) -> eyre::Report {
        match self.tasks.join_next().await {
            Some(Ok((name, Err(report)))) => report.wrap_err(format!("the {name} task failed")),
            Some(Ok((name, Ok(())))) => eyre::eyre!("the {name} task ended early"),
            Some(Err(error)) => eyre::Report::new(error).wrap_err("a task of the node died"),
            None => std::future::pending().await,
        }
    }

    /// Stops taking requests, lets every part finish what it is at, and ends.
    pub(crate) async fn stop(mut self) {
        info!("stopping");
        self.shutdown.cancel();
        self.rpc.stop();
        let stopped = self.rpc.stopped();
        let drained = tokio::time::timeout(STOP_TIMEOUT, async {
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((name, Err(report))) => error!("the {name} task failed: {report:#}"),
                    Err(error) => error!("a task of the node died: {error}"),
                }
            }
            stopped.await;
        });
        if drained.await.is_err() {
            error!("some tasks did not end within {STOP_TIMEOUT:?}; ending without them");
        }
        info!(number = self.chain.head().number, "stopped");
    }
}
