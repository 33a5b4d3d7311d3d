//! From a genesis file to a typed chain configuration.
//!
//! The file is a geth-style genesis: chain id, forks, `config.clique`, signers in `extraData`,
//! `alloc`. Our own settings sit under `config.wattline`. Everything that could silently change
//! consensus (an unknown key, a missing fork, an unsorted signer list) is refused with an error
//! that names the key, what was found and what is expected.

mod config;
mod error;
mod extra_data;
mod forks;
mod header;
mod periods;
mod spec;

pub use config::{CliqueConfig, DEFAULT_AUCTION, WattlineConfig};
pub use error::ChainSpecError;
pub use extra_data::{SEAL_LENGTH, VANITY_LENGTH, genesis_extra_data};
pub use spec::ChainSpec;
