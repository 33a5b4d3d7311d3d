//! What the node cannot sign, seal or vote on.

use alloy_primitives::Address;
use wattline_producer::ProposalError;

/// What the node cannot sign, seal or vote on.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The node has no key of this account.
    #[error("unknown account {address}: {}", no_key(*.development))]
    UnknownAccount {
        /// The account.
        address: Address,
        /// Whether the node has keys of others.
        development: bool,
    },
    /// This node has no signer.
    #[error("this node seals no blocks: start it with --signer to vote")]
    NoSigner,
    /// The vote would end the chain, or the signers could not be read.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// A seal that recovers to no address.
    #[error("the block has no valid seal: {0}")]
    Seal(String),
}

/// What to do where the node does not sign.
const fn no_key(development: bool) -> &'static str {
    if development {
        "this node signs for the accounts of eth_accounts only"
    } else {
        "this node holds no keys; sign in a wallet and send with eth_sendRawTransaction"
    }
}
