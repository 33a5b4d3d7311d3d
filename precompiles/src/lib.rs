//! The batch auction precompile: a sealed double auction cleared at one price.
//!
//! [`matching`] is the auction itself, a pure function over packed orders ([`order`]) that knows
//! nothing of an EVM. [`abi`] and [`gas`] say how contracts reach it and what they pay, and
//! [`install`] puts it into the precompiles of an EVM.

pub mod abi;
mod call;
pub mod gas;
pub mod install;
pub mod matching;
pub mod order;
#[cfg(feature = "test-utils")]
pub mod test_utils;

use alloy_primitives::{Address, address};

/// Where the precompile lives unless the genesis file says otherwise.
pub const DEFAULT_ADDRESS: Address = address!("0x000000000000000000000000000000000000e1ec");
