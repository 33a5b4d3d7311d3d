//! What all methods share.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use alloy_signer_local::PrivateKeySigner;
use rayon::ThreadPoolBuildError;
use wattline_chain::Chain;
use wattline_pool::Pool;
use wattline_producer::ProducerHandle;
use wattline_rpc_server::ServerLimits;
use wattline_storage::Reader;

use crate::{
    RpcConfig, RpcError, RpcLimits,
    execution::workers::Workers,
    shared::{
        agreement::AgreementSource, cache::Caches, error::SignerError, filters::Filters,
        peers::PeerSource, submission::SubmissionQueue,
    },
};

/// The parts of a node that JSON-RPC speaks for.
#[derive(Clone, Debug)]
pub struct RpcContext {
    /// The chain.
    pub chain: Chain,
    /// Transactions that wait.
    pub pool: Pool,
    /// Votes of this node's signer; `None` on a node that seals no blocks.
    pub producer: Option<ProducerHandle>,
    /// The agreement; `None` on a node that takes no part in one and follows none.
    pub agreement: Option<Arc<dyn AgreementSource>>,
    /// The network of peers; `None` on a node without one.
    pub peers: Option<Arc<dyn PeerSource>>,
    /// Accounts that every client may use, for their keys are public: what `eth_accounts` answers.
    /// Empty everywhere but on a development chain.
    pub dev_accounts: Vec<PrivateKeySigner>,
}

/// What the methods stand on: the node, and what they share of their own.
#[derive(Clone, Debug)]
pub(crate) struct Backend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: RpcContext,
    client_version: String,
    rpc_addr: OnceLock<SocketAddr>,
    limits: RpcLimits,
    server_limits: ServerLimits,
    workers: Workers,
    filters: Filters,
    caches: Caches,
    submissions: Arc<SubmissionQueue>,
}

impl Backend {
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(crate) fn new(
        context: RpcContext,
        config: &RpcConfig,
    ) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self(Arc::new(Inner {
            caches: Caches::new(&config.limits),
            submissions: SubmissionQueue::new(context.pool.clone()),
            context,
            client_version: config.client_version.clone(),
            rpc_addr: OnceLock::new(),
            limits: config.limits,
            server_limits: config.server.limits,
            workers: Workers::new(&config.limits)?,
            filters: Filters::new(&config.limits),
        })))
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.0.context.chain
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.context.pool
    }

    /// # Errors
    ///
    /// [`RpcError::Signer`] on a node that seals no blocks.
    pub(crate) fn producer(&self) -> Result<&ProducerHandle, RpcError> {
        self.0
            .context
            .producer
            .as_ref()
            .ok_or(RpcError::Signer(SignerError::NoSigner))
    }

    pub(crate) fn agreement(&self) -> Option<&dyn AgreementSource> {
        self.0.context.agreement.as_deref()
    }

    pub(crate) fn peers(&self) -> Option<&dyn PeerSource> {
        self.0.context.peers.as_deref()
    }

    pub(crate) fn dev_accounts(&self) -> &[PrivateKeySigner] {
        &self.0.context.dev_accounts
    }

    pub(crate) fn client_version(&self) -> &str {
        &self.0.client_version
    }

    /// Where HTTP and WebSocket are served; `None` before they are.
    pub(crate) fn rpc_addr(&self) -> Option<SocketAddr> {
        self.0.rpc_addr.get().copied()
    }

    /// Takes note of where HTTP and WebSocket are served.
    pub(crate) fn listens_on(&self, addr: SocketAddr) {
        // There is one such listener, which is opened once.
        let _ = self.0.rpc_addr.set(addr);
    }

    pub(crate) fn limits(&self) -> &RpcLimits {
        &self.0.limits
    }

    /// What a connection may take, whatever it asks for.
    pub(crate) fn server_limits(&self) -> &ServerLimits {
        &self.0.server_limits
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.0.filters
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.0.caches
    }

    pub(crate) fn submissions(&self) -> &Arc<SubmissionQueue> {
        &self.0.submissions
    }

    /// Looks a few entries up in one consistent snapshot of the database, on the thread of the
    /// connection: handing over to another thread takes ten times as long. For what is found in
    /// microseconds only; everything else is for [`Self::read`].
    ///
    /// # Errors
    ///
    /// What `work` returns, and [`RpcError::Storage`].
    pub(crate) fn look_up<T>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        work(&self.chain().storage().reader()?)
    }

    /// Reads from one consistent snapshot of the database.
    ///
    /// # Errors
    ///
    /// What `work` returns, and [`RpcError::Storage`].
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Reader) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let backend = self.clone();
        self.workers()
            .read(move || {
                let reader = backend.chain().storage().reader()?;
                work(&backend, &reader)
            })
            .await
    }
}
