//! Real programs for a test: it starts them, talks to them as their users do, and kills them.
//!
//! | module | idea |
//! | --- | --- |
//! | [`accounts`] | the accounts and the chain of development |
//! | [`program`] | where our programs are, built if they are not |
//! | [`process`] | a program that runs, stopped or killed at any instant |
//! | [`node`] | a real node, on a directory on which it can start again |
//! | [`tool`] | a tool of other people, run to its end |
//! | [`rpc`] | JSON-RPC by hand, answers as they come |
//! | [`story`] | what happens on a chain, told once and played on any node |
//! | [`wait`] | waiting for what must come |
//!
//! A dev-dependency only. The tests that move a clock need no program: their clock lies with the
//! chain, in `wattline_chain::test_utils`.

pub mod accounts;
pub mod node;
pub mod process;
pub mod program;
pub mod rpc;
pub mod story;
pub mod tool;
pub mod wait;

pub use accounts::{CHAIN_ID, MNEMONIC, dev_key};
pub use node::RunningNode;
pub use process::Process;
pub use wait::{PATIENCE, eventually, wait_for_block};

use std::path::Path;

/// The root of the repository.
pub fn repository() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder)
}
