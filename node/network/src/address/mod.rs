//! Where a peer is dialled, in the library's words.

mod bootnode;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use commonware_p2p::{Address, Ingress};
use commonware_utils::Hostname;
use wattline_primitives::{Endpoint, EndpointError, Host};

pub use bootnode::{Bootnode, BootnodeError};

/// Reads `host:port`. Names are resolved at each attempt to connect, never here.
///
/// # Errors
/// It is something else.
pub fn parse(text: &str) -> Result<Ingress, EndpointError> {
    let Endpoint { host, port } = text.parse()?;
    match host {
        Host::Ip(ip) => Ok(Ingress::Socket((ip, port).into())),
        Host::Name(name) => match Hostname::new(name.as_str()) {
            Ok(host) => Ok(Ingress::Dns { host, port }),
            Err(_) => Err(EndpointError::Host(name)),
        },
    }
}

/// The address of a peer that is dialled at `ingress`. It may connect from anywhere: its key says
/// who it is.
pub const fn peer(ingress: Ingress) -> Address {
    Address::Asymmetric {
        ingress,
        egress: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
    }
}

/// `host:port`, as [`parse`] reads it.
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
            assert_eq!(ingress.ip().is_some(), text.parse::<SocketAddr>().is_ok());
        }
        assert_eq!(parse("a_b:1"), Err(EndpointError::Host("a_b".to_owned())));
    }

    proptest! {
        /// The library takes whatever name the consortium may hold.
        #[test]
        fn any_endpoint_is_an_address(name in "[a-zA-Z0-9-]{1,64}(\\.[a-zA-Z0-9-]{1,64}){0,4}") {
            let text = format!("{name}:30303");
            prop_assert_eq!(parse(&text).is_ok(), text.parse::<Endpoint>().is_ok());
        }

        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,400}") {
            if let Ok(ingress) = parse(&text) {
                prop_assert_eq!(parse(&display(&ingress)), Ok(ingress));
            }
        }
    }
}
