//! The real binary, driven as its users drive it.

mod anvil;
mod cli;
mod cluster;
mod common;
mod crash;
mod disk;
mod market;
mod tools;
