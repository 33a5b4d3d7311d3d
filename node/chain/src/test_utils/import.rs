use wattline_primitives::SealedBlock;

use crate::{Chain, ChainError};

/// Executes a child of the head and makes it final at once.
///
/// # Errors
///
/// Those of [`Chain::execute`] and [`Chain::finalize`].
pub fn import(chain: &Chain, block: SealedBlock) -> Result<(), ChainError> {
    let executed = chain.execute(block, &|_| None)?;
    chain.finalize(executed.block.hash(), &|_| Ok(()))
}
