//! The tools that people bring, each tried against a node that has just started, as its users
//! would use it. How to connect them is in `docs/tools.md`.

mod alloy_provider;
mod cast;
#[path = "../common/mod.rs"]
mod common;
mod forge;
mod javascript;
mod process;
mod python;
