//! One block, from the decision to make it to its time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alloy_primitives::Address;
use commonware_runtime::{Clock, Error, Spawner};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::debug;
use wattline_clique::Snapshot;
use wattline_pool::PooledTransaction;
use wattline_primitives::SealedHeader;
use wattline_storage::ExecutedBlock;

use crate::{
    Producer, ProducerError,
    fill::{Pass, Work},
    metrics,
    plan::Plan,
    time,
};

/// How long arrivals are gathered at least before the pool is looked at again.
const GATHER: Duration = Duration::from_millis(5);
/// How long before the end the pool is looked at for the last time, rather than after the end of a
/// gathering, when it would be too late.
const LAST_LOOK: Duration = Duration::from_millis(2);
/// Looking through the pool again may take this part of the time.
const LOOKING: u32 = 4;

impl Producer {
    /// Builds and seals a block on `parent`, the chain's head or a block that was executed here, and
    /// returns it when its time has come: a period after the parent, or, for as long as nothing
    /// waits in the pool, an idle period after it. Neither chain nor pool have it then;
    /// [`Chain::adopt`](wattline_chain::Chain::adopt) takes it.
    ///
    /// `committee` names those who decide the block after this one, given the signers after this
    /// one: a vote after which too few of them could seal is not cast. If the future is dropped,
    /// nothing is left of the block.
    ///
    /// # Errors
    ///
    /// [`ProducerError::Declined`], at once, if this signer may not seal there; else why the block
    /// could not be built.
    pub async fn build<E, C>(
        &self,
        ctx: &E,
        parent: &SealedHeader,
        committee: C,
    ) -> Result<ExecutedBlock, ProducerError>
    where
        E: Spawner + Clock,
        C: Fn(&Snapshot) -> BTreeSet<Address> + Send + 'static,
    {
        // Should this future be dropped, the threads must not go on without it.
        let wanted = Arc::new(());
        let (producer, parent) = (self.clone(), parent.clone());
        let plan = blocking(ctx, move |_| producer.plan(parent)).await??;
        self.settled(&plan).await?;
        let mut work = Work::new(self, plan, &wanted);
        loop {
            // Before looking at the pool, so that nothing that arrives meanwhile is missed.
            let mut arrivals = self.pool.subscribe();
            let (back, pass) = blocking(ctx, move |clock| {
                let pass = work.pass(&|| time::now(&clock));
                (work, pass)
            })
            .await?;
            work = back;
            let Pass::Exhausted { idle } = pass? else {
                break;
            };
            let gather = GATHER.max(idle * LOOKING);
            if !gathered(ctx, &mut arrivals, work.stop_at(), gather).await {
                break;
            }
        }
        let finish = move |clock: E| work.finish(&|| time::now(&clock), &committee);
        let sealed = blocking(ctx, finish).await??;
        *self.pace.lock() = sealed.pace;
        time::sleep_until(ctx, sealed.release_at).await;

        let block = sealed.block;
        let late = time::now(ctx).saturating_sub(sealed.release_at);
        let (gas, transactions) = (block.block.gas_used, block.receipts.len());
        metrics::sealed(&metrics::Sealed {
            in_turn: sealed.in_turn,
            gas,
            transactions,
            execute: sealed.execute,
            finish: sealed.finish,
            late,
        });
        debug!(
            number = block.block.number,
            hash = %block.block.hash(),
            transactions,
            gas,
            in_turn = sealed.in_turn,
            execute = ?sealed.execute,
            finish = ?sealed.finish,
            ?late,
            "sealed a block"
        );
        Ok(block)
    }

    pub(crate) fn plan(&self, parent: SealedHeader) -> Result<Plan, ProducerError> {
        let signer = self.key.address();
        Plan::new(&self.chain, parent, signer, &self.config, &self.proposals)
    }

    /// Waits until the pool has seen all final blocks under the one to be made: until then it would
    /// offer what they hold already.
    async fn settled(&self, plan: &Plan) -> Result<(), ProducerError> {
        let mut updates = self.chain.subscribe();
        let mut seen = self.pool.subscribe_head();
        loop {
            let head = *seen.borrow_and_update();
            if plan.lineage.contains(&head) || head == self.chain.head().hash() {
                return Ok(());
            }
            // Either may be the last to get there: a pool that catches up reads the database, which
            // has a head before the chain tells of it.
            tokio::select! {
                biased;
                changed = seen.changed() => changed.map_err(|_| ProducerError::PoolEnded)?,
                _ = updates.recv() => {}
            }
        }
    }
}

/// Does heavy work where it holds up no other task.
async fn blocking<E: Spawner, T: Send + 'static>(
    ctx: &E,
    work: impl FnOnce(E) -> T + Send + 'static,
) -> Result<T, Error> {
    let ctx = ctx.child("build").shared(true);
    ctx.spawn(|ctx| async move { work(ctx) }).await
}

/// Waits for transactions, and `gather` longer for more, but not beyond the last look before
/// `stop_at`. False if that comes first.
async fn gathered(
    clock: &impl Clock,
    arrivals: &mut Receiver<Arc<PooledTransaction>>,
    stop_at: Duration,
    gather: Duration,
) -> bool {
    let gathered = async {
        // Lagging behind means arrivals too; a closed channel, that there are none any more.
        if matches!(arrivals.recv().await, Err(RecvError::Closed)) {
            std::future::pending::<()>().await;
        }
        let left = stop_at.saturating_sub(time::now(clock));
        let until_last_look = left.saturating_sub(LAST_LOOK);
        let gather = if until_last_look.is_zero() {
            gather
        } else {
            gather.min(until_last_look)
        };
        clock.sleep(gather).await;
    };
    tokio::select! {
        biased;
        () = time::sleep_until(clock, stop_at) => false,
        () = gathered => true,
    }
}
