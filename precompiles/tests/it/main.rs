//! The auction as contracts and the crates above it see it.

#![allow(clippy::unwrap_used)]

mod calls;
mod differential;
mod properties;
mod vectors;
