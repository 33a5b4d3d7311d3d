//! The server as clients see it: over real HTTP and WebSocket, on a real chain.

mod calls;
mod chain;
mod client;
mod clique;
mod hostile;
mod logs;
mod pubsub;
mod reads;
mod submit;
