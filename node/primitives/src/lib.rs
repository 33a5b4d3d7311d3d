//! The block, transaction and receipt types of the chain: today's Ethereum, as Reth and alloy
//! define it, named once so that every crate of the node speaks of the same types; times of blocks
//! and places of nodes.

mod endpoint;
mod millis;
mod update;

use alloy_consensus::{EthereumReceipt, EthereumTxEnvelope, Header, TxEip4844, TxType};
use reth_primitives_traits::Recovered;

pub use endpoint::{Endpoint, EndpointError, Host};
pub use millis::Millis;
pub use update::CanonicalUpdate;

/// A signed transaction of any type. Type 3 (blob) decodes, and is refused by the rules.
pub type TransactionSigned = EthereumTxEnvelope<TxEip4844>;
/// A signed transaction with its recovered sender.
pub type RecoveredTransaction = Recovered<TransactionSigned>;
/// A receipt as the chain stores it: type, status, cumulative gas and logs.
pub type Receipt = EthereumReceipt<TxType>;
/// An unsealed block.
pub type Block = alloy_consensus::Block<TransactionSigned>;
/// Transactions, ommers and withdrawals of a block.
pub type BlockBody = alloy_consensus::BlockBody<TransactionSigned>;
/// A header with its hash.
pub type SealedHeader = reth_primitives_traits::SealedHeader<Header>;
/// A block with its hash.
pub type SealedBlock = reth_primitives_traits::SealedBlock<Block>;
/// A sealed block with the senders of its transactions.
pub type RecoveredBlock = reth_primitives_traits::RecoveredBlock<Block>;

/// A block of the chain with what its execution left behind for readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockWithReceipts {
    /// The block and its senders.
    pub block: RecoveredBlock,
    /// One receipt per transaction, in their order.
    pub receipts: Vec<Receipt>,
}
