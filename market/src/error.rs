//! What can go wrong between here and the contracts.

use crate::UnitError;
use alloy::{
    primitives::Address,
    transports::{TransportError, http::reqwest},
};

/// Why the chain could not be asked, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// No HTTP client.
    #[error("cannot speak HTTP")]
    Http(#[from] reqwest::Error),
    /// The node does not answer, or not as it should.
    #[error("the node at {url} does not answer: {error}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What happened.
        error: Box<TransportError>,
    },
    /// Another chain.
    #[error("the node at {url} is on chain {found}, the configuration says {expected}")]
    WrongChain {
        /// The node.
        url: String,
        /// Its chain id.
        found: u64,
        /// The configured one.
        expected: u64,
    },
    /// No contract there.
    #[error(
        "there is no contract at {contract} on chain {chain_id}; check the contract's address if it is configured, and \
         use a genesis file with the market's contracts, such as genesis/dev.json"
    )]
    NoContract {
        /// The address.
        contract: Address,
        /// The chain.
        chain_id: u64,
    },
    /// The node has no head block.
    #[error("the node at {0} has no head block")]
    NoHead(String),
    /// A call or a transaction was refused.
    #[error("{what} is refused: {reason}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Why: the contract's error with its values, or what the node said.
        reason: String,
    },
    /// A transaction is in no block for long.
    #[error("{what} is in no block after {seconds} s; is the chain producing blocks?")]
    NotMined {
        /// What it was to do.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A view answered with something else than it declares.
    #[error("a view of {contract} answered with something unreadable: {reason}")]
    Unreadable {
        /// The contract.
        contract: Address,
        /// Why.
        reason: String,
    },
    /// A quantity that a call cannot say.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// An account whose key is not here.
    #[error("no key for account {0}")]
    NoKey(Address),
    /// A key cannot sign.
    #[error("cannot sign")]
    Sign(#[from] alloy::signers::Error),
}

impl MarketError {
    /// Whether asking again cannot help.
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Http(_)
                | Self::WrongChain { .. }
                | Self::NoContract { .. }
                | Self::Unit(_)
                | Self::NoKey(_)
                | Self::Sign(_)
        )
    }
}

/// Why a node does not take a transaction, with its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its nonce is used up.
    #[error("{0}")]
    NonceUsed(String),
    /// It offers too little for its gas.
    #[error("{0}")]
    Underpriced(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl Refusal {
    /// Understands what nodes say; `None`: the node has the transaction already.
    pub(crate) fn from_message(message: &str) -> Option<Self> {
        let text = message.to_ascii_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        let message = message.to_owned();
        if says(&["already known", "known transaction", "already imported"]) {
            None
        } else if says(&["nonce too low"]) {
            Some(Self::NonceUsed(message))
        } else if says(&[
            "underpriced",
            "fee cap",
            "max fee per gas less than",
            "gas price too low",
        ]) {
            Some(Self::Underpriced(message))
        } else {
            Some(Self::Other(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_nodes_are_understood() {
        let understood = Refusal::from_message;
        assert_eq!(understood("already known"), None);
        let message = "nonce too low: next nonce 4, tx nonce 3";
        assert_eq!(
            understood(message),
            Some(Refusal::NonceUsed(message.to_owned()))
        );
        let message = "replacement transaction underpriced";
        assert_eq!(
            understood(message),
            Some(Refusal::Underpriced(message.to_owned()))
        );
        let message = "Insufficient funds";
        assert_eq!(
            understood(message),
            Some(Refusal::Other(message.to_owned()))
        );
    }
}
