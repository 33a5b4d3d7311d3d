//! The chain as the crates above it see it.

#![allow(clippy::unwrap_used)]

mod execute;
mod finalize;
mod snapshots;
mod unstored;
