//! The ports of a node, each free before anything is made.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
};

use eyre::{WrapErr, eyre};

/// Where a node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) rpc: u16,
    pub(super) p2p: u16,
    pub(super) metrics: u16,
}

impl Ports {
    /// The ports of so many nodes, of which the first has these.
    ///
    /// # Errors
    ///
    /// When there are not so many, or a port would be used twice.
    pub(super) fn of(self, nodes: u16) -> eyre::Result<Vec<Self>> {
        let mut used = BTreeMap::new();
        let mut claim = |base: u16, place: u16, option: &'static str| {
            let port = base.checked_add(place).ok_or_else(|| {
                eyre!("{nodes} nodes have no room above {option} {base}: choose a lower one")
            })?;
            match used.insert(port, option) {
                None => Ok(port),
                Some(other) => Err(eyre!(
                    "port {port} would be used twice, by {other} and {option}: each takes {nodes} \
                     ports from its first one on"
                )),
            }
        };
        (0..nodes)
            .map(|place| {
                Ok(Self {
                    rpc: claim(self.rpc, place, "--rpc-port")?,
                    p2p: claim(self.p2p, place, "--p2p-port")?,
                    metrics: claim(self.metrics, place, "--metrics-port")?,
                })
            })
            .collect()
    }

    /// Looks whether each port of the node `name` is free. Those for peers stand in the genesis
    /// file, so they can be chosen only while there is none.
    ///
    /// # Errors
    ///
    /// When one is in use, with what to do about it.
    pub(super) fn check_free(&self, name: &str, peers_can_be_chosen: bool) -> eyre::Result<()> {
        let p2p = if peers_can_be_chosen {
            "end what listens there, or choose others with --p2p-port BASE"
        } else {
            "end what listens there: the genesis file has it, so it cannot be changed"
        };
        for (port, what, advice) in [
            (
                self.rpc,
                "JSON-RPC",
                "end what listens there, or choose others with --rpc-port BASE",
            ),
            (self.p2p, "peers", p2p),
            (
                self.metrics,
                "metrics",
                "end what listens there, or choose others with --metrics-port BASE",
            ),
        ] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).wrap_err_with(|| {
                format!("port {port}, for {what} of {name}, cannot be used: {advice}")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(rpc: u16, p2p: u16, metrics: u16) -> Ports {
        Ports { rpc, p2p, metrics }
    }

    #[test]
    fn node_by_node_the_next_port() {
        let ports = first(8545, 30303, 6060).of(3).unwrap();
        assert_eq!((ports.len(), ports[2]), (3, first(8547, 30305, 6062)));
    }

    #[test]
    fn ranges_that_meet_or_end_are_refused() {
        let error = |ports: Ports, nodes| ports.of(nodes).unwrap_err().to_string();
        assert_eq!(
            error(first(8545, 30303, 8547), 4),
            "port 8547 would be used twice, by --metrics-port and --rpc-port: each takes 4 ports \
             from its first one on"
        );
        assert_eq!(
            error(first(8545, 65534, 6060), 3),
            "3 nodes have no room above --p2p-port 65534: choose a lower one"
        );
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = first(port, 1, 1)
            .check_free("validator-2", true)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "port {port}, for JSON-RPC of validator-2, cannot be used: end what listens there, \
                 or choose others with --rpc-port BASE"
            )
        );
    }
}
