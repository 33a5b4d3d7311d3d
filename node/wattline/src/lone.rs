//! The blocks of a chain with one signer: each is final as soon as it is sealed.

use std::{path::PathBuf, thread, time::Duration};

use alloy_primitives::B256;
use commonware_runtime::{Clock, Runner as _, Spawner, tokio as runtime};
use eyre::WrapErr;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use wattline_chain::{Chain, ChainError};
use wattline_primitives::SealedHeader;
use wattline_producer::{Producer, ProducerError};

/// How long to wait for room on the disk before the next try to store a block.
const ROOM_RETRY: Duration = Duration::from_secs(2);
/// Threads for what waits; what works has threads of its own.
const WORKERS: usize = 1;

/// What makes the blocks.
#[derive(Clone)]
pub(crate) struct LoneSigner {
    pub(crate) chain: Chain,
    pub(crate) producer: Producer,
    pub(crate) shutdown: CancellationToken,
}

impl LoneSigner {
    /// Makes blocks on a thread and a runtime of their own, which keeps its files in `directory`,
    /// until the node is stopped.
    ///
    /// # Errors
    ///
    /// When no block can be made or stored any more; nothing that clients or transactions do leads
    /// to that.
    pub(crate) async fn run(self, directory: PathBuf) -> eyre::Result<()> {
        let (ended, end) = oneshot::channel();
        let config = runtime::Config::new()
            .with_storage_directory(directory)
            .with_worker_threads(WORKERS)
            .with_catch_panics(false);
        let make_blocks = move || {
            let outcome = runtime::Runner::new(config).start(|ctx| self.make_blocks(ctx));
            // Nobody asks any more if the node gave up on its tasks.
            let _ = ended.send(outcome);
        };
        thread::Builder::new()
            .name("producer".to_owned())
            .spawn(make_blocks)
            .wrap_err("cannot start the thread of the producer")?;
        end.await.wrap_err("the thread of the producer died")?
    }

    /// Builds each block while the one before is being stored.
    async fn make_blocks<E: Spawner + Clock>(self, ctx: E) -> eyre::Result<()> {
        let mut parent = (*self.chain.head()).clone();
        let mut storing = None;
        while let Some(block) = self.seal(&ctx, &parent).await? {
            if let Some(storing) = storing.take() {
                let stored: Result<eyre::Result<()>, _> = storing.await;
                stored??;
            }
            let (driver, hash) = (self.clone(), block.hash());
            let task = ctx.child("store");
            storing = Some(task.spawn(move |ctx| async move { driver.store(&ctx, hash).await }));
            parent = block;
        }
        match storing {
            Some(storing) => storing.await?,
            None => Ok(()),
        }
    }

    /// Seals a block on `parent`; none if the node is stopped first.
    async fn seal<E: Spawner + Clock>(
        &self,
        ctx: &E,
        parent: &SealedHeader,
    ) -> eyre::Result<Option<SealedHeader>> {
        // All signers decide, as far as one signer's chain goes.
        let built = self
            .producer
            .build(ctx, parent, |after| after.signers.clone());
        let built = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Ok(None),
            built = built => built,
        };
        match built {
            Ok(block) => {
                let block = self.chain.adopt(block)?;
                self.chain.set_pending(block.block.hash());
                Ok(Some(block.block.clone_sealed_header()))
            }
            Err(ProducerError::Declined(reason)) => {
                info!("not sealing: {reason}");
                self.shutdown.cancelled().await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the block of `hash` final, as soon as there is room for it.
    async fn store<E: Spawner + Clock>(&self, ctx: &E, hash: B256) -> eyre::Result<()> {
        loop {
            let chain = self.chain.clone();
            let task = ctx.child("commit").shared(true);
            let stored = task.spawn(move |_| async move { chain.finalize(hash, &|_| Ok(())) });
            match stored.await? {
                Err(ChainError::Storage(error)) if error.is_out_of_space() => {
                    error!(%error, "no block is sealed until there is room for it");
                }
                stored => return Ok(stored?),
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                () = ctx.sleep(ROOM_RETRY) => {}
            }
        }
    }
}
