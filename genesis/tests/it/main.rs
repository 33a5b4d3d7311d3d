//! What the genesis builder makes.

#![allow(clippy::unwrap_used)]

mod committed;
