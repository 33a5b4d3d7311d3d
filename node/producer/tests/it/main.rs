//! A producer of blocks, by a clock that the test moves.

#![allow(clippy::unwrap_used)]

mod blocks;
mod signers;
mod support;
