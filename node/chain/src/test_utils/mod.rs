//! Real signers, a clock that tests move, and really signed chains.

mod clock;
mod forge;
mod genesis;
mod signers;
mod transactions;

pub use clock::ManualClock;
pub use forge::{Forge, Template};
pub use genesis::{TEST_GAS_LIMIT, TestGenesis};
pub use signers::Signers;
pub use transactions::{call, create, sign, transfer};
