//! The chain as the crates above it see it.

#![allow(clippy::unwrap_used)]

mod future;
mod import;
mod reorganise;
mod snapshots;
