//! What became final, in order, on its way into the chain.

use std::{mem, sync::Arc};

use alloy_primitives::B256;
use commonware_actor::Feedback;
use commonware_consensus::{Heightable as _, Reporter, marshal::Update};
use commonware_cryptography::Digested;
use commonware_runtime::Spawner;
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact};
use tokio::sync::{mpsc, watch};
use wattline_chain::{Chain, ChainError};
use wattline_pool::Pool;

use crate::{AgreedBlock, AgreementError, rules::Rule, settings::MAX_PENDING_ACKS, store::Keeper};

/// Takes the engine's final blocks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    blocks: mpsc::UnboundedSender<(Digested<AgreedBlock>, Exact)>,
    /// The greatest height of which a certificate was seen.
    tip: watch::Sender<u64>,
}

impl Reporter for Delivery {
    type Activity = Update<AgreedBlock>;

    fn report(&mut self, update: Update<AgreedBlock>) -> Feedback {
        match update {
            Update::Tip(_, height, _) => {
                self.tip.send_replace(height.get());
                Feedback::Ok
            }
            // The engine waits for acknowledgements, so no more than that many wait here.
            Update::Block(block, ack) => match self.blocks.send((block, ack)) {
                Ok(()) => Feedback::Ok,
                Err(_) => Feedback::Closed,
            },
        }
    }
}

/// Executes final blocks that were not executed when they became final, and stores them.
pub(crate) struct Deliverer {
    chain: Chain,
    pool: Pool,
    keeper: Arc<Keeper>,
    blocks: mpsc::UnboundedReceiver<(Digested<AgreedBlock>, Exact)>,
    stored: watch::Sender<u64>,
}

impl Deliverer {
    /// The deliverer, where to hand it blocks, and what is told of its progress: the number of the
    /// last block that is stored, and of the last one that is known to be final.
    pub(crate) fn new(
        chain: Chain,
        pool: Pool,
        keeper: Arc<Keeper>,
    ) -> (Self, Delivery, watch::Receiver<u64>, watch::Receiver<u64>) {
        let head = chain.head().number;
        let (sender, blocks) = mpsc::unbounded_channel();
        let (stored, stored_receiver) = watch::channel(head);
        let (tip, tip_receiver) = watch::channel(head);
        let this = Self {
            chain,
            pool,
            keeper,
            blocks,
            stored,
        };
        let delivery = Delivery {
            blocks: sender,
            tip,
        };
        (this, delivery, stored_receiver, tip_receiver)
    }

    /// Takes in blocks until the engine ends.
    ///
    /// # Errors
    ///
    /// If a final block cannot be executed or stored: this node has a fault or a broken disk, and
    /// must not go on.
    pub(crate) async fn run<E: Spawner>(mut self, ctx: E) -> Result<(), AgreementError> {
        let mut batch = Vec::new();
        while self
            .blocks
            .recv_many(&mut batch, MAX_PENDING_ACKS.get())
            .await
            > 0
        {
            let (blocks, acks): (Vec<_>, Vec<_>) = mem::take(&mut batch).into_iter().unzip();
            let Some(last) = blocks.last().map(|block| block.height().get()) else {
                continue;
            };
            let mut acks = acks.into_iter();
            if !Rule::StoreBeforeAcknowledging.holds() {
                acks.by_ref().for_each(Exact::acknowledge);
            }
            let (chain, pool) = (self.chain.clone(), self.pool.clone());
            let keeper = self.keeper.clone();
            let job = ctx
                .child("take_in")
                .shared(true)
                .spawn(move |_| async move { take_in(&chain, &pool, &keeper, &blocks) });
            job.await??;
            acks.for_each(Exact::acknowledge);
            self.stored.send_replace(last);
        }
        Ok(())
    }
}

/// Executes and stores final blocks, in one commit. Blocking.
fn take_in(
    chain: &Chain,
    pool: &Pool,
    keeper: &Keeper,
    blocks: &[Digested<AgreedBlock>],
) -> Result<(), AgreementError> {
    let head = chain.head().number;
    let sender = |hash: &B256| Some(pool.get(hash)?.sender());
    let mut tip = None;
    for block in blocks {
        let block = block.inner().block();
        let (number, hash) = (block.number, block.hash());
        if number > head {
            match chain.execute(block.clone(), &sender) {
                // What was executed in time is stored by another job, maybe just now.
                Ok(_) | Err(ChainError::AlreadyFinal { .. }) => tip = Some((number, hash)),
                Err(error) => return Err(error.into()),
            }
            continue;
        }
        let stored = chain.storage().reader()?.block_hash(number)?;
        if stored != Some(hash) {
            return Err(AgreementError::Diverged {
                number,
                stored,
                agreed: hash,
            });
        }
    }
    match tip {
        Some((number, hash)) => Ok(keeper.take_in(number, hash)?),
        None => Ok(()),
    }
}
