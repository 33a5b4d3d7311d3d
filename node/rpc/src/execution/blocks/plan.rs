//! Which blocks a simulation consists of.

use alloy_consensus::BlockHeader as _;
use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::{
    BlockOverrides,
    simulate::{MAX_SIMULATE_BLOCKS, SimBlock},
};
use wattline_primitives::SealedHeader;

use crate::shared::error::SimulationError;

/// Blocks of one simulation, those included that fill gaps.
pub(crate) const MAX_BLOCKS: u64 = MAX_SIMULATE_BLOCKS;

/// The blocks with a number and a time each, rising from the base's, without gaps between them.
///
/// # Errors
///
/// [`SimulationError::BlockNumber`], [`SimulationError::BlockTime`],
/// [`SimulationError::TooManyBlocks`].
pub(super) fn plan(
    base: &SealedHeader,
    period: u64,
    blocks: Vec<SimBlock>,
) -> Result<Vec<SimBlock>, SimulationError> {
    let highest = base.number().saturating_add(MAX_BLOCKS);
    let (mut number, mut time) = (base.number(), base.timestamp());
    let mut planned = Vec::with_capacity(blocks.len());
    for block in blocks {
        let overrides = block.block_overrides.clone().unwrap_or_default();
        let wanted = overrides.number.unwrap_or(U256::from(number) + U256::ONE);
        if wanted <= U256::from(number) {
            return Err(SimulationError::BlockNumber {
                found: wanted,
                parent: number,
            });
        }
        if wanted > U256::from(highest) {
            return Err(SimulationError::TooManyBlocks);
        }
        let wanted = wanted.saturating_to();
        while number + 1 < wanted {
            number += 1;
            time = time.saturating_add(period);
            planned.push(at(SimBlock::default(), number, time));
        }
        let next = overrides.time.unwrap_or(time.saturating_add(period));
        if next <= time {
            return Err(SimulationError::BlockTime {
                found: next,
                parent: time,
            });
        }
        (number, time) = (wanted, next);
        planned.push(at(block, number, time));
    }
    Ok(planned)
}

fn at(mut block: SimBlock, number: u64, time: u64) -> SimBlock {
    let overrides = block
        .block_overrides
        .get_or_insert_with(BlockOverrides::default);
    overrides.number = Some(U256::from(number));
    overrides.time = Some(time);
    block
}

/// Checks that precompiles move to places of their own.
///
/// # Errors
///
/// [`SimulationError::MovesToItself`], [`SimulationError::MovesToOne`].
pub(super) fn check_moves(moves: &[(Address, Address)]) -> Result<(), SimulationError> {
    for (index, (from, to)) in moves.iter().enumerate() {
        if from == to {
            return Err(SimulationError::MovesToItself(*from));
        }
        if moves.iter().take(index).any(|(_, other)| other == to) {
            return Err(SimulationError::MovesToOne(*to));
        }
    }
    Ok(())
}
