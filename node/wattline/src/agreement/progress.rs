//! How far a node that catches up has come.

use std::{cmp::Reverse, future::pending, time::Duration};

use alloy_primitives::BlockNumber;
use commonware_cryptography::ed25519::PublicKey;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::info;
use wattline_chain::Chain;
use wattline_network::{PeersHandle, Tip};

/// How often a node that catches up says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Blocks of the last moments are on their way anyhow.
const IN_STEP: Duration = Duration::from_secs(2);

/// The block that a node catches up with; `None` if it is in step, as far as it knows.
pub(super) fn target(chain: &Chain, peers: &PeersHandle) -> Option<BlockNumber> {
    let highest = highest(peers.tips())?;
    is_behind(chain.head().number, highest, chain.spec().period()).then_some(highest)
}

/// How far the chain has come by what peers say: more than a third of them have that block, so that
/// liars who are fewer make nobody wait for blocks that do not exist.
fn highest(mut tips: Vec<(PublicKey, Tip)>) -> Option<BlockNumber> {
    tips.sort_unstable_by_key(|(_, tip)| Reverse(tip.certified));
    tips.get(tips.len() / 3).map(|(_, tip)| tip.certified)
}

fn is_behind(head: BlockNumber, highest: BlockNumber, period: Duration) -> bool {
    let moments = IN_STEP.as_millis() / period.as_millis().max(1);
    u128::from(highest.saturating_sub(head)) > moments.max(1)
}

/// Says every few seconds how far this node is, as long as it catches up, and when it has.
pub(super) async fn report(chain: &Chain, peers: &PeersHandle) {
    let mut updates = chain.subscribe();
    let mut ticks = interval(SAY_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lap = Lap::new(chain.head().number, Instant::now());
    let mut was_behind = false;
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Ok(update) => {
                    let gas = update.committed.iter().map(|block| block.block.gas_used);
                    lap.gas += gas.sum::<u64>();
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return pending().await,
            },
            _ = ticks.tick() => {
                let (block, now) = (chain.head().number, Instant::now());
                let target = target(chain, peers);
                if let Some(target) = target {
                    let Pace { blocks, gas, left } = lap.pace(block, target, now);
                    info!(
                        block,
                        target,
                        blocks_per_second = format_args!("{blocks:.1}"),
                        mgas_per_second = format_args!("{gas:.1}"),
                        seconds_left = left.map(|left| left.as_secs()),
                        "catching up"
                    );
                } else if was_behind {
                    info!(block, "in step with the chain");
                }
                was_behind = target.is_some();
                lap = Lap::new(block, now);
            }
        }
    }
}

/// What was done since the last look.
#[derive(Debug)]
struct Lap {
    from: BlockNumber,
    since: Instant,
    gas: u64,
}

/// How fast a node catches up.
#[derive(Debug, PartialEq)]
struct Pace {
    /// Blocks in a second.
    blocks: f64,
    /// Millions of gas in a second.
    gas: f64,
    /// Until it is there, if it moves.
    left: Option<Duration>,
}

impl Lap {
    const fn new(from: BlockNumber, since: Instant) -> Self {
        Self {
            from,
            since,
            gas: 0,
        }
    }

    fn pace(&self, block: BlockNumber, target: BlockNumber, now: Instant) -> Pace {
        let seconds = (now - self.since).as_secs_f64().max(0.001);
        let blocks = block.saturating_sub(self.from) as f64 / seconds;
        let left = target.saturating_sub(block) as f64 / blocks;
        Pace {
            blocks,
            gas: self.gas as f64 / seconds / 1e6,
            left: Duration::try_from_secs_f64(left).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    fn tips(certified: &[u64]) -> Vec<(PublicKey, Tip)> {
        (0..)
            .zip(certified)
            .map(|(seed, certified)| {
                let tip = Tip {
                    certified: *certified,
                    ..Tip::default()
                };
                (PrivateKey::from_seed(seed).public_key(), tip)
            })
            .collect()
    }

    #[test]
    fn one_liar_in_four_moves_no_target() {
        assert_eq!(highest(tips(&[])), None);
        assert_eq!(highest(tips(&[9])), Some(9));
        assert_eq!(highest(tips(&[9, u64::MAX, 8, 10])), Some(10));
    }

    #[test]
    fn a_node_is_behind_by_time_and_not_by_blocks() {
        let behind =
            |blocks: u64, period| is_behind(100, 100 + blocks, Duration::from_millis(period));
        assert!(!behind(8, 250));
        assert!(behind(9, 250));
        assert!(!behind(1, 5_000));
        assert!(behind(2, 5_000));
        assert!(!is_behind(100, 90, Duration::from_millis(1)));
    }

    #[test]
    fn the_time_left_follows_from_the_pace() {
        let started = Instant::now();
        let mut lap = Lap::new(1_000, started);
        lap.gas = 50_000_000;
        let now = started + Duration::from_secs(5);
        assert_eq!(
            lap.pace(1_500, 11_500, now),
            Pace {
                blocks: 100.0,
                gas: 10.0,
                left: Some(Duration::from_secs(100)),
            }
        );
        assert_eq!(lap.pace(1_000, 11_500, now).left, None);
    }
}
