//! The genesis builder: runs the contracts' deployment and set-up in an EVM and writes the
//! resulting accounts, with the chain's configuration, into a genesis file. Of a file that it wrote
//! it makes another with other nodes ([`with_nodes`]), for which no compiled contracts are needed.

mod artifacts;
mod build;
mod config;
mod members;
mod nodes;
mod predeploys;
mod world;

pub use artifacts::{ArtifactError, Artifacts};
pub use build::{GenesisBuildError, build, to_json};
pub use config::{
    Account, Clique, FirstMember, GenesisConfig, GenesisConfigError, MemberRole, Roles, Token,
};
pub use members::MemberError;
pub use nodes::{Nodes, with_nodes};
pub use world::{World, WorldError};
