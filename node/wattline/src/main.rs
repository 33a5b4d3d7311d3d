//! The node: command line, configuration, wiring and metrics.
fn main() {}
