//! The simulated neighbourhood: plays the households of a village on a Wattline chain.
//!
//! It registers the households of a [`dataset`] with their meters, funds them, and for each coming
//! interval bids what each expects to need or to have left over, at a price of its own between the
//! zone's surplus and shortage price. It clears and settles what they trade. Reading their meters
//! is the meter oracle's part.

mod config;
pub mod dataset;
mod household;
mod interval;
mod meterd;
mod report;
mod run;
mod setup;
pub mod table;

pub use config::{
    DEVELOPMENT_CHAIN_ID, DEVELOPMENT_MNEMONIC, KEEPER_INDEX, METERD_INDEX, NeighbourhoodConfig,
    OPERATOR_INDEX, development_key,
};
pub use household::{Household, Intent, PriceSpan};
pub use meterd::{MeterdError, write_meterd};
pub use report::{IntervalReport, Report, Totals};
pub use run::{Event, NeighbourhoodError, Ready, run};
pub use setup::SetupError;
