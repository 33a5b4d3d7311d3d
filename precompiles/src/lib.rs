//! The batch auction precompile: a sealed double auction cleared at one price.
//!
//! [`matching`] is the auction itself, a pure function over packed orders ([`order`]) that knows
//! nothing of an EVM. [`abi`] and [`gas`] say how contracts reach it and what they pay, and
//! [`install`] puts it into the precompiles of an EVM.
//!
//! ```
//! use alloy_primitives::Address;
//! use wattline_precompiles::{
//!     matching,
//!     order::{Order, Side, Ticks, WattHours},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let order = |side, price, quantity, trader| Order {
//!     side,
//!     price: Ticks(price),
//!     quantity: WattHours(quantity),
//!     trader: Address::with_last_byte(trader),
//! };
//! let words = [
//!     order(Side::Bid, 12_000, 300, 1).encode()?,
//!     order(Side::Ask, 8_000, 300, 2).encode()?,
//! ];
//! // The 300 Wh can trade at any price from 8,000 to 12,000 ticks: they do at the midpoint.
//! let (clearing, fills) = matching::fills(&words)?;
//! assert_eq!(clearing.price, Ticks(10_000));
//! assert_eq!(fills, [300, 300]);
//! # Ok(())
//! # }
//! ```

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
