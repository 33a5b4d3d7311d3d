//! Any bytes as the body of a request end in a JSON-RPC answer.
//!
//! In `node/rpc/`: `cargo +nightly fuzz run raw fuzz/corpus/raw fuzz/seeds/raw`.

#![no_main]

#[allow(dead_code, reason = "the other target needs more")]
mod node;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    node::node().ask(data);
});
