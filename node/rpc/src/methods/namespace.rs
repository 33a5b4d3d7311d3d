//! Groups of methods that a listener serves or not.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use wattline_rpc_server::Groups;

/// A group of methods. `methods.json` says to which each belongs: that with which its name begins,
/// but for a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Blocks, accounts, transactions, calls and subscriptions.
    Eth,
    /// The chain's id and the node's peers.
    Net,
    /// The node's version, and hashing.
    Web3,
    /// Signers and how they take turns, for reading.
    Clique,
    /// `clique_propose` and `clique_discard`: who may call them decides who seals blocks.
    CliqueVote,
    /// How blocks became final, and evidence against those who broke the protocol.
    Consensus,
    /// Execution step by step, and raw data, in geth's forms.
    Debug,
    /// Execution call by call, in the forms of OpenEthereum.
    Trace,
    /// Transactions that wait.
    Txpool,
    /// The node itself and its peers.
    Admin,
    /// What the listener serves.
    Rpc,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Eth,
        Self::Net,
        Self::Web3,
        Self::Clique,
        Self::CliqueVote,
        Self::Consensus,
        Self::Debug,
        Self::Trace,
        Self::Txpool,
        Self::Admin,
        Self::Rpc,
    ];

    /// What it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eth => "eth",
            Self::Net => "net",
            Self::Web3 => "web3",
            Self::Clique => "clique",
            Self::CliqueVote => "clique-vote",
            Self::Consensus => "consensus",
            Self::Debug => "debug",
            Self::Trace => "trace",
            Self::Txpool => "txpool",
            Self::Admin => "admin",
            Self::Rpc => "rpc",
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no group of methods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown namespace \"{0}\": expected {list}, all or none", list = Namespaces::ALL)]
pub struct UnknownNamespace(String);

impl FromStr for Namespace {
    type Err = UnknownNamespace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|namespace| namespace.name() == text)
            .ok_or_else(|| UnknownNamespace(text.chars().take(64).collect()))
    }
}

/// A set of [`Namespace`]s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(u16);

impl Namespaces {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self::of(&Namespace::ALL);
    /// What anybody may be let use: reads and transactions that carry their own signature. What
    /// costs much to answer, tells about others' waiting transactions or changes the node is not
    /// among it.
    pub const PUBLIC: Self = Self::of(&[
        Namespace::Eth,
        Namespace::Net,
        Namespace::Web3,
        Namespace::Clique,
        Namespace::Consensus,
        Namespace::Rpc,
    ]);

    /// The set of these.
    pub const fn of(list: &[Namespace]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < list.len() {
            bits |= 1 << list[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `namespace` is in the set.
    pub const fn contains(self, namespace: Namespace) -> bool {
        self.0 & (1 << namespace as u16) != 0
    }

    /// Those in the set, in the order of [`Namespace::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Namespace> {
        Namespace::ALL
            .into_iter()
            .filter(move |namespace| self.contains(*namespace))
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("none");
        }
        for (index, namespace) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{namespace}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Namespaces> for Groups {
    fn from(namespaces: Namespaces) -> Self {
        namespaces.iter().map(Namespace::name).collect()
    }
}

impl From<&Groups> for Namespaces {
    fn from(groups: &Groups) -> Self {
        let served = |namespace: &Namespace| groups.contains(namespace.name());
        let namespaces: Vec<_> = Namespace::ALL.into_iter().filter(served).collect();
        Self::of(&namespaces)
    }
}

/// Names with commas between them; `all`; `none`.
impl FromStr for Namespaces {
    type Err = UnknownNamespace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::ALL),
            "none" | "" => Ok(Self::NONE),
            list => list.split(',').try_fold(Self::NONE, |set, name| {
                let namespace: Namespace = name.trim().parse()?;
                Ok(Self(set.0 | Self::of(&[namespace]).0))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_they_are_read() {
        for text in ["eth", "eth,net,web3", "clique,clique-vote,rpc", "none"] {
            let set: Namespaces = text.parse().expect("known names");
            assert_eq!(set.to_string(), text);
        }
        assert_eq!("all".parse(), Ok(Namespaces::ALL));
        assert_eq!("rpc, eth".parse(), "eth,rpc".parse::<Namespaces>());
        assert_eq!(Namespaces::ALL.iter().count(), Namespace::ALL.len());
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let error = "eth,personal".parse::<Namespaces>().expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "unknown namespace \"personal\": expected eth,net,web3,clique,clique-vote,consensus,\
             debug,trace,txpool,admin,rpc, all or none"
        );
    }

    #[test]
    fn names_are_those_of_the_document() {
        for namespace in Namespace::ALL {
            let name = serde_json::Value::from(namespace.name());
            assert_eq!(serde_json::from_value(name).ok(), Some(namespace));
        }
    }
}
