//! Ports for nodes that must find each other again after a restart.

use std::{collections::BTreeSet, net::TcpListener};

use rand::Rng as _;

/// Below those that systems give to outgoing connections.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// So many ports on which nothing listens.
pub(super) fn free_ports(count: usize) -> Vec<u16> {
    let mut ports = BTreeSet::new();
    while ports.len() < count {
        let port = rand::rng().random_range(RANGE);
        if is_free(port) {
            ports.insert(port);
        }
    }
    ports.into_iter().collect()
}

/// The first of so many ports in a row on which nothing listens.
pub(super) fn free_row(count: u16) -> u16 {
    loop {
        let first = rand::rng().random_range(RANGE);
        if (first..first + count).all(is_free) {
            return first;
        }
    }
}
