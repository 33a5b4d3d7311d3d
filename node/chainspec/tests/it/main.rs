//! From genesis files to chain configurations.

mod genesis;
