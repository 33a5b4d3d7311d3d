//! What the genesis builder makes.

#![allow(clippy::unwrap_used)]

mod committed;
mod members;
mod nodes;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
