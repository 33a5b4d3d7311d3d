//! Where a peer is dialled, as text: `HOST:PORT`, with a name or an address.

mod bootnode;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use commonware_p2p::{Address, Ingress};
use commonware_utils::{Hostname, hostname};

pub use bootnode::{Bootnode, BootnodeError};

/// Why something is no address of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no port.
    #[error("{found:?} has no port: expected HOST:PORT, such as node.example.org:30303")]
    NoPort {
        /// What was there instead.
        found: String,
    },
    /// The port is none.
    #[error("{port:?} in {found:?} is no port: expected a number from 1 to 65535")]
    Port {
        /// The whole address.
        found: String,
        /// What stands for the port.
        port: String,
    },
    /// The host is none.
    #[error("{host:?} in {found:?} is no host: {source}")]
    Host {
        /// The whole address.
        found: String,
        /// What stands for the host.
        host: String,
        /// What is wrong with it.
        source: hostname::Error,
    },
}

/// Reads `HOST:PORT`. An IPv6 address stands in brackets. Names are resolved at each attempt to
/// connect, never here.
///
/// # Errors
/// It is something else.
pub fn parse(text: &str) -> Result<Ingress, AddressError> {
    let found = || text.chars().take(300).collect::<String>();
    let port_error = |port: &str| AddressError::Port {
        found: found(),
        port: port.chars().take(80).collect(),
    };
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return match socket.port() {
            0 => Err(port_error("0")),
            _ => Ok(Ingress::Socket(socket)),
        };
    }
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| AddressError::NoPort { found: found() })?;
    let port = port
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| port_error(port))?;
    let host = Hostname::new(host).map_err(|source| AddressError::Host {
        found: found(),
        host: host.chars().take(300).collect(),
        source,
    })?;
    Ok(Ingress::Dns { host, port })
}

/// The address of a peer that is dialled at `ingress`. It may connect from anywhere: its key says
/// who it is.
pub const fn peer(ingress: Ingress) -> Address {
    Address::Asymmetric {
        ingress,
        egress: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
    }
}

/// `HOST:PORT`, as [`parse`] reads it.
pub fn display(ingress: &Ingress) -> String {
    match ingress {
        Ingress::Socket(socket) => socket.to_string(),
        Ingress::Dns { host, port } => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_written() {
        for text in [
            "localhost:1",
            "node-1.example.org:30303",
            "10.0.0.1:65535",
            "[::1]:9",
        ] {
            let ingress = parse(text).expect("an address");
            assert_eq!(display(&ingress), text);
            assert_eq!(peer(ingress.clone()).ingress(), ingress);
        }
        assert_eq!(
            parse("[::1]:9"),
            Ok(Ingress::Socket("[::1]:9".parse().expect("a socket")))
        );
    }

    #[test]
    fn what_is_no_address_is_named() {
        let message = |text: &str| parse(text).expect_err("no address").to_string();
        assert_eq!(
            message("node.example.org"),
            "\"node.example.org\" has no port: expected HOST:PORT, such as node.example.org:30303"
        );
        for port in ["", "0", "65536", "http", "-1"] {
            let text = format!("a:{port}");
            assert_eq!(
                message(&text),
                format!("{port:?} in {text:?} is no port: expected a number from 1 to 65535")
            );
        }
        assert_eq!(
            message("10.0.0.1:0"),
            "\"0\" in \"10.0.0.1:0\" is no port: expected a number from 1 to 65535"
        );
        assert_eq!(
            message("a_b:1"),
            "\"a_b\" in \"a_b:1\" is no host: hostname contains invalid character"
        );
        assert_eq!(
            message(":1"),
            "\"\" in \":1\" is no host: hostname is empty"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,400}") {
            if let Ok(ingress) = parse(&text) {
                prop_assert_eq!(parse(&display(&ingress)), Ok(ingress));
            }
        }
    }
}
