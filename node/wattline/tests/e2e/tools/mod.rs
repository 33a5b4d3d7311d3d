//! The tools that people bring, each tried against a node that has just started, as its users
//! would use it. How to connect them is in `docs/tools.md`.

mod alloy_provider;
mod cast;
mod forge;
mod javascript;
mod python;

use std::path::PathBuf;

/// The folder of what the tools run.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools"))
}
