//! What the tests, the benchmark and the fuzz target share.

#![allow(missing_docs, clippy::unwrap_used)]

pub mod evm;
pub mod oracle;
pub mod reference;
pub mod vectors;
