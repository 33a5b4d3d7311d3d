use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Most characters of a DNS name.
const MAX_NAME: usize = 253;
/// Most characters between two dots of a DNS name.
const MAX_LABEL: usize = 63;

/// Where a node is reached: `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The machine.
    pub host: Host,
    /// The TCP port, not 0.
    pub port: u16,
}

/// A machine on the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name, still to be looked up.
    Name(String),
    /// An IPv4 address, or an IPv6 address, which is written in brackets.
    Ip(IpAddr),
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no port behind a colon.
    #[error("`{0}` has no port: expected host:port, such as node.example:30303")]
    NoPort(String),
    /// The port is no number of a port.
    #[error("`{0}` is no port: expected a number from 1 to 65535")]
    Port(String),
    /// The host is neither a DNS name nor an address.
    #[error(
        "`{0}` is no host: expected a DNS name, an IPv4 address or an IPv6 address in brackets"
    )]
    Host(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| EndpointError::NoPort(text.to_owned()))?;
        // The standard library also takes a plus sign and leading zeros.
        let is_plain = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse()
            .ok()
            .filter(|_| is_plain)
            .ok_or_else(|| EndpointError::Port(port.to_owned()))?;
        let host = host.parse()?;
        Ok(Self { host, port })
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Host(text.to_owned());
        if let Some(bracketed) = text.strip_prefix('[') {
            let address = bracketed.strip_suffix(']').ok_or_else(wrong)?;
            let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
            return Ok(Self::Ip(address.into()));
        }
        match text.parse() {
            Ok(address @ IpAddr::V4(_)) => Ok(Self::Ip(address)),
            Err(_) if is_name(text) => Ok(Self::Name(text.to_owned())),
            _ => Err(wrong()),
        }
    }
}

/// Whether it is a DNS name as hosts have them: letters, digits and inner hyphens between dots.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(is_inner)
    };
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let name = |name: &str| Host::Name(name.to_owned());
        let ip = |address: &str| Host::Ip(address.parse().unwrap());
        for (text, host, port) in [
            ("validator-1:30303", name("validator-1"), 30_303),
            ("Grid.example:1", name("Grid.example"), 1),
            ("10.0.0.7:65535", ip("10.0.0.7"), 65_535),
            ("[2001:db8::1]:30304", ip("2001:db8::1"), 30_304),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(endpoint, Endpoint { host, port });
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert_eq!(error("nowhere"), EndpointError::NoPort("nowhere".into()));
        assert_eq!(error(""), EndpointError::NoPort(String::new()));
        for port in ["", "0", "080", "+80", "65536", "http", "1 "] {
            let expected = EndpointError::Port(port.to_owned());
            assert_eq!(error(&format!("node.example:{port}")), expected);
        }
        let long = format!("{}.example", "a".repeat(64));
        let longest = ["a".repeat(50).as_str(); 5].join(".");
        for host in [
            "",
            "two words",
            "under_score",
            "-a",
            "a-",
            "a..b",
            "a.",
            "2001:db8::1",
            "[10.0.0.7]",
            "[::1",
            "[]",
            "höst",
            &long,
            &longest,
        ] {
            let expected = EndpointError::Host(host.to_owned());
            assert_eq!(error(&format!("{host}:1")), expected);
        }
    }
}
