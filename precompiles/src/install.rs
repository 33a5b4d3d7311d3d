//! Puts the precompile into an EVM.

use crate::call;
use alloy_evm::precompiles::{DynPrecompile, PrecompilesMap};
use alloy_primitives::Address;
use revm::precompile::PrecompileId;

/// Makes the batch auction answer at `address`, in place of any precompile there.
///
/// The address becomes warm from a transaction's start, as every precompile's does (EIP-2929).
/// Results must not be cached by calldata, and are not: `clearStored` depends on the state.
pub fn install(precompiles: &mut PrecompilesMap, address: Address) {
    let auction = DynPrecompile::new_stateful(PrecompileId::custom("BATCH_AUCTION"), call::run);
    precompiles.apply_precompile(&address, |_| Some(auction));
}
