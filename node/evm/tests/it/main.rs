//! Block execution as the rest of the node sees it.

mod build;
mod common;
mod environment;
mod permission;
mod requests;
mod validate;
