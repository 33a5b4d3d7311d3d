//! JSON-RPC served by itself, without a chain behind it.

mod server;
