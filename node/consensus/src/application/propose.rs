//! Making a block when it is this node's turn.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use commonware_consensus::{Epochable as _, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use futures::StreamExt as _;
use tracing::{debug, warn};
use wattline_clique::Snapshot;
use wattline_producer::ProducerError;

use super::Execution;
use crate::{
    AgreedBlock,
    rules::Rule,
    runtime::{Context, Runtime},
};

impl Execution {
    /// The block that this node proposes in a view that it leads. `None` declines: the others go on
    /// to the next view at once.
    pub(super) async fn proposal<E: Runtime>(
        &self,
        ctx: &E,
        round: &Context,
        mut ancestry: impl Ancestry<AgreedBlock>,
    ) -> Option<Digested<AgreedBlock>> {
        let producer = self.inner.producer.as_ref()?;
        let view = round.round;
        let parent = ancestry.next().await?;
        if let Err(error) = self.execute(ctx, parent.clone(), ancestry).await {
            debug!(%view, %error, "declining to propose: the parent is not executed here");
            return None;
        }
        let header = parent.inner().block().sealed_header();
        let built = producer.build(ctx, header, self.deciders(round)).await;
        match built.map(|block| self.inner.chain.adopt(block)) {
            Ok(Ok(block)) => Some(AgreedBlock::new(block.block.sealed_block().clone()).digested()),
            Ok(Err(error)) => {
                warn!(%view, %error, "declining to propose: the chain refuses the block made here");
                None
            }
            Err(ProducerError::Declined(reason)) => {
                debug!(%view, %reason, "declining to propose");
                None
            }
            Err(error) => {
                warn!(%view, %error, "declining to propose");
                None
            }
        }
    }

    /// Those who decide the block after the one that is proposed in `round`, by the signers after
    /// it: the committee, or the next one after the last block of an epoch. What the block itself
    /// changes in the Consortium contract is left out of account; the others would notice.
    fn deciders(
        &self,
        round: &Context,
    ) -> impl Fn(&Snapshot) -> BTreeSet<Address> + Send + 'static {
        let committees = self.inner.committees.clone();
        let (epoch, parent) = (round.epoch(), round.parent.1.0);
        move |after| {
            if !Rule::KeepGoing.holds() {
                return after.signers.clone();
            }
            let deciders = committees.deciding(epoch, after, parent);
            deciders.unwrap_or_else(|error| {
                warn!(%error, "the committee is not known: casting no vote");
                BTreeSet::new()
            })
        }
    }
}
