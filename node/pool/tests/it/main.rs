//! The pool as the crates above it see it.

mod chain;
mod durability;
mod rules;
