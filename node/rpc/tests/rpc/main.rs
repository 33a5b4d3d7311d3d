//! The server as clients see it: over real HTTP and WebSocket, on a real chain.

mod access;
mod accounts;
mod bundles;
mod calls;
mod chain;
mod client;
mod clique;
mod conformance;
mod debug;
mod discover;
mod fees;
mod filters;
mod hostile;
mod limits;
mod logs;
mod proofs;
mod pubsub;
mod reads;
mod simulate;
mod storage_range;
mod submit;
mod trace;
mod traced;
