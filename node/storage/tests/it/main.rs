//! The database as the crates above it see it.

#![allow(clippy::unwrap_used)]

mod agreement;
mod blocks;
mod crash;
mod damage;
mod full;
mod history;
mod logs;
mod open;
mod overlay;
mod proofs;
mod prune;
