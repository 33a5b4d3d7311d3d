//! Real signers and really signed chains.

mod forge;
mod genesis;
mod import;
mod signers;
mod transactions;

pub use forge::{Forge, Template};
pub use genesis::{TEST_GAS_LIMIT, TestGenesis};
pub use import::import;
pub use signers::Signers;
pub use transactions::{call, create, sign, transfer};
