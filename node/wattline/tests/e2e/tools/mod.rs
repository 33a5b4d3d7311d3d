//! The tools that people bring, each tried against a node that has just started, as its users
//! would use it. How to connect them is in `docs/tools.md`.

mod alloy_provider;
mod cast;
mod forge;
mod javascript;
mod process;
mod python;
