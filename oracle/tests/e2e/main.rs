//! The real `meterd`, driven as its users drive it, and with a real node.

mod chain;
mod cli;
mod daemon;
mod proxy;
mod village;
