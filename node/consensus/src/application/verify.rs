//! Judging a block that another node proposes.

use std::{
    future::pending,
    time::{Duration, UNIX_EPOCH},
};

use commonware_consensus::{Epochable as _, marshal::ancestry::Ancestry};
use futures::StreamExt as _;
use tracing::{debug, warn};
use wattline_clique::{CliqueError, keeps_going, recover_signer};
use wattline_primitives::{Millis, SealedHeader};

use super::{Execution, ancestry::Obstacle};
use crate::{
    AgreedBlock, CommitteeError,
    rules::Rule,
    runtime::{Context, Runtime},
};

/// How far a block may be ahead of this node's clock. It is judged when its time has come.
const MAX_AHEAD: Duration = Duration::from_millis(500);

/// Why this node does not vote for a block. All but the time is so for every honest node.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// It is from the future.
    #[error("block of {time} ms: expected at most {} ms after {now} ms, this node's time", MAX_AHEAD.as_millis())]
    Future { time: Millis, now: Millis },
    /// Nobody sealed it.
    #[error("the seal cannot be read: {0}")]
    Seal(#[from] CliqueError),
    /// Another one sealed it than the leader of the view.
    #[error("sealed by {got}: expected {expected:?}, the signer of the leader of the view")]
    NotTheLeader {
        got: alloy_primitives::Address,
        expected: Option<alloy_primitives::Address>,
    },
    /// It breaks a rule of the chain, or an ancestor does.
    #[error(transparent)]
    Invalid(Obstacle),
    /// After it the chain could stand still.
    #[error(
        "with the signers after this block the chain could stand still: expected enough of them \
         in the committee"
    )]
    WouldStall,
}

/// What keeps this node from a verdict.
#[derive(Debug, thiserror::Error)]
enum Unsettled {
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    #[error(transparent)]
    Committee(#[from] CommitteeError),
}

impl Execution {
    /// Whether to vote for the newest block of `ancestry`. Does not come back without a verdict:
    /// whatever is missing here may be there in another view.
    pub(super) async fn verdict<E: Runtime>(
        &self,
        ctx: &E,
        round: &Context,
        ancestry: impl Ancestry<AgreedBlock>,
    ) -> bool {
        let view = round.round;
        match self.judge(ctx, round, ancestry).await {
            Ok(Ok(())) => true,
            Ok(Err(refusal)) => {
                warn!(%view, leader = %round.leader, %refusal, "not voting for a block");
                false
            }
            Err(error) => {
                debug!(%view, %error, "no verdict on a block");
                pending().await
            }
        }
    }

    async fn judge<E: Runtime>(
        &self,
        ctx: &E,
        round: &Context,
        mut ancestry: impl Ancestry<AgreedBlock>,
    ) -> Result<Result<(), Refusal>, Unsettled> {
        let block = ancestry.next().await.ok_or(Obstacle::Missing)?;
        let header = block.inner().block().sealed_header().clone();
        if let Err(refusal) = self.check_leader(round, &header)? {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = wait_until_due(ctx, &header).await {
            return Ok(Err(refusal));
        }
        if !Rule::ExecuteBeforeVote.holds() {
            return Ok(Ok(()));
        }
        if let Err(obstacle) = self.execute(ctx, block, ancestry).await {
            return if obstacle.is_verdict() {
                Ok(Err(Refusal::Invalid(obstacle)))
            } else {
                Err(obstacle.into())
            };
        }
        self.check_signers(round, &header)
    }

    /// The leader of the view sealed the block. Only who votes can tell: a header names no view.
    fn check_leader(
        &self,
        round: &Context,
        header: &SealedHeader,
    ) -> Result<Result<(), Refusal>, Unsettled> {
        let committee = self.inner.committees.expect(round.epoch())?;
        let expected = committee.signer_of(&round.leader);
        Ok(match recover_signer(header) {
            Ok(got) if Some(got) == expected => Ok(()),
            Ok(got) => Err(Refusal::NotTheLeader { got, expected }),
            Err(error) => Err(error.into()),
        })
    }

    /// If the block changes the signers, the chain still goes on with as many of the committee gone
    /// as it can bear.
    fn check_signers(
        &self,
        round: &Context,
        header: &SealedHeader,
    ) -> Result<Result<(), Refusal>, Unsettled> {
        let (chain, committees) = (&self.inner.chain, &self.inner.committees);
        let before = chain.snapshot(header.parent_hash).map_err(Obstacle::from)?;
        let after = chain.snapshot(header.hash()).map_err(Obstacle::from)?;
        if before.signers == after.signers {
            return Ok(Ok(()));
        }
        let deciders = committees.deciding(round.epoch(), &after, header.hash())?;
        if keeps_going(&deciders, &after) || !Rule::KeepGoing.holds() {
            return Ok(Ok(()));
        }
        Ok(Err(Refusal::WouldStall))
    }
}

/// Waits until the block's time has come, unless that is too long.
async fn wait_until_due<E: Runtime>(ctx: &E, header: &SealedHeader) -> Result<(), Refusal> {
    let time = Millis::of(header);
    let now = ctx.current().duration_since(UNIX_EPOCH);
    let now = Millis::from_epoch(now.unwrap_or_default());
    if !Rule::LimitTime.holds() {
        return Ok(());
    }
    if time.saturating_since(now) > MAX_AHEAD {
        return Err(Refusal::Future { time, now });
    }
    ctx.sleep(time.saturating_since(now)).await;
    Ok(())
}
