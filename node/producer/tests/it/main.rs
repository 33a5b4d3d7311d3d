//! A producer of blocks, in simulated time.

#![allow(clippy::unwrap_used)]

mod blocks;
mod parents;
mod signers;
mod slots;
mod support;
