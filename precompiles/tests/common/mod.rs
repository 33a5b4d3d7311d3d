//! What the tests, the benchmark and the fuzz target share. Each uses a part of it.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod evm;
pub mod oracle;
pub mod reference;
pub mod vectors;
