//! The market's Rust face: what everything that talks to the contracts needs once.
//!
//! - Units and products as types: [`WattHours`], [`Ticks`], [`Money`], [`Product`], [`Order`],
//!   [`MeterId`], [`Reading`].
//! - The contracts' interfaces ([`abi`]) and addresses ([`predeploys`]).
//! - A [`Client`] of a node, with typed views of the contracts; [`Metering`], for those who bring
//!   readings; a [`TransactionSender`], for those who act.
//!
//! ```
//! use alloy::{primitives::U256, sol_types::SolCall};
//! use wattline_market::{Money, Product, Side, Ticks, WattHours, abi::IMarket};
//!
//! // A quarter hour in zone 1, and an order to buy 250 Wh in it at no more than 0.30 a kWh.
//! let product = Product::new(1, 1_795_373_100)?;
//! let (price, quantity) = (Ticks(30_000), WattHours(250));
//! let call = IMarket::submitCall {
//!     product: product.into(),
//!     side: Side::Bid.into(),
//!     price: price.0,
//!     quantity: quantity.try_into()?,
//! };
//! assert_eq!(call.product, U256::from(1) << 64 | U256::from(1_795_373_100));
//! assert_eq!(&call.abi_encode()[..4], IMarket::submitCall::SELECTOR);
//!
//! // It costs 7.5 cents at most, exactly.
//! let most: Money = price.value(quantity);
//! assert_eq!(most.to_string(), "0.075");
//! assert_eq!(U256::try_from(most)?, U256::from(75_000_000_000_000_000_u64));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod abi;
mod client;
mod error;
mod metering;
mod order;
pub mod predeploys;
mod product;
mod reading;
mod revert;
mod sender;
mod transaction;
mod units;
mod views;

pub use client::Client;
pub use error::{MarketError, Refusal};
pub use metering::{Metering, SignedReading};
pub use order::{InvalidOrder, Order, Side};
pub use product::{InvalidProduct, Product};
pub use reading::{InvalidMeterName, MeterId, Reading, ReadingKey, Registers};
pub use sender::TransactionSender;
pub use transaction::{ChainHead, ContractCall, GasFee};
pub use units::{Money, Ticks, UnitError, WattHours};
