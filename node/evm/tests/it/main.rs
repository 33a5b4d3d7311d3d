//! Block execution as the rest of the node sees it.

mod build;
mod common;
mod consortium;
mod environment;
mod factories;
mod permission;
mod requests;
mod validate;
