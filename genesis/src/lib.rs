//! The genesis builder: runs the contracts' deployment and set-up in an EVM and writes the
//! resulting accounts, with the chain's configuration, into a genesis file.

mod artifacts;
mod build;
mod config;
mod members;
mod predeploys;
mod world;

pub use artifacts::{ArtifactError, Artifacts};
pub use build::{GenesisBuildError, build, to_json};
pub use config::{
    Account, Clique, FirstMember, GenesisConfig, GenesisConfigError, MemberRole, Roles, Token,
};
pub use members::MemberError;
pub use world::{World, WorldError};
