//! The rules of proof of authority as the rest of the node sees them.

mod common;
mod header;
mod keeps_going;
mod scenarios;
mod seal;
mod snapshot;
