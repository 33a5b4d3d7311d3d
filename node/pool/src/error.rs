//! Why a transaction was refused.
//!
//! Wallets and libraries recognise geth's messages, so each message begins with the words that
//! geth uses for the same refusal.

use std::{io, sync::Arc};

use alloy_primitives::{Address, B256, U256};
use wattline_evm::PermissionError;
use wattline_storage::StorageError;

/// Why the pool refused a transaction, or could not work at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PoolError {
    /// The bytes are no transaction.
    #[error("no transaction: {0}")]
    Undecodable(String),
    /// The pool holds this very transaction.
    #[error("already known")]
    AlreadyKnown,
    /// A blob transaction (EIP-4844): the chain has no blobs.
    #[error(
        "transaction type not supported: blob transactions (EIP-4844) are refused on this chain"
    )]
    BlobRefused,
    /// The encoding is longer than the pool takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes of the encoded transaction.
        size: usize,
        /// Most bytes that are taken.
        limit: usize,
    },
    /// A legacy transaction without a chain id could be replayed on another chain.
    #[error("only replay-protected (EIP-155) transactions allowed: sign with chain id {expected}")]
    NotReplayProtected {
        /// This chain's id.
        expected: u64,
    },
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {found} want {expected}")]
    WrongChainId {
        /// The transaction's chain id.
        found: u64,
        /// This chain's id.
        expected: u64,
    },
    /// No sender can be recovered, or the signature is malleable (EIP-2).
    #[error(
        "invalid sender: the signature recovers no address, or its s value is in the upper half of the curve order"
    )]
    InvalidSignature,
    /// Init code beyond the limit of EIP-3860.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeTooLarge {
        /// Bytes of init code.
        size: usize,
        /// Most bytes of init code.
        limit: usize,
    },
    /// A set-code transaction (EIP-7702) without an authorization.
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    /// More gas than a block has.
    #[error(
        "exceeds block gas limit: transaction gas limit {gas_limit}, block gas limit {block_gas_limit}"
    )]
    ExceedsBlockGasLimit {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The head block's gas limit.
        block_gas_limit: u64,
    },
    /// More gas than this chain allows one transaction.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")]
    ExceedsGasCap {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The chain's cap for one transaction.
        cap: u64,
    },
    /// Less gas than the transaction needs before it executes anything.
    #[error("intrinsic gas too low: gas {gas_limit}, minimum needed {required}")]
    IntrinsicGasTooLow {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// Gas needed before execution.
        required: u64,
    },
    /// Less gas than its calldata costs at least (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas_limit}, minimum needed {required}")]
    FloorGasTooLow {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The floor of EIP-7623.
        required: u64,
    },
    /// The tip is higher than the whole fee.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveMaxFee {
        /// Wei per unit of gas.
        tip: u128,
        /// Wei per unit of gas.
        max_fee: u128,
    },
    /// The fee does not cover the chain's constant base fee, so no block could ever hold it.
    #[error(
        "max fee per gas less than block base fee: maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    MaxFeeBelowBaseFee {
        /// Wei per unit of gas.
        max_fee: u128,
        /// Wei per unit of gas.
        base_fee: u64,
    },
    /// The tip is below what this node asks for.
    #[error("transaction underpriced: gas tip {tip}, minimum needed {minimum}")]
    Underpriced {
        /// The effective tip, in wei per unit of gas.
        tip: u128,
        /// The node's minimum.
        minimum: u128,
    },
    /// Another transaction of this sender waits at the same nonce and the fees do not outbid it.
    #[error(
        "replacement transaction underpriced: need maxFeePerGas {required_max_fee} and maxPriorityFeePerGas {required_tip} to replace {replaced}"
    )]
    ReplacementUnderpriced {
        /// The waiting transaction.
        replaced: B256,
        /// The least that replaces it, in wei per unit of gas.
        required_max_fee: u128,
        /// The least that replaces it, in wei per unit of gas.
        required_tip: u128,
    },
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// The recovered sender.
        sender: Address,
        /// The hash of its code.
        code_hash: B256,
    },
    /// The nonce was used already.
    #[error("nonce too low: next nonce {expected}, tx nonce {found}")]
    NonceTooLow {
        /// The sender's nonce at the head.
        expected: u64,
        /// The transaction's nonce.
        found: u64,
    },
    /// The nonce is 2^64 - 1, which no transaction may have (EIP-2681).
    #[error("nonce has max value: a transaction's nonce must be below 2^64 - 1")]
    NonceMax,
    /// The balance does not cover this transaction and those of the sender that already wait.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}"
    )]
    InsufficientFunds {
        /// The sender's balance at the head, in wei.
        balance: U256,
        /// What the sender's executable transactions may cost, in wei.
        queued: U256,
        /// What this transaction may cost, in wei.
        cost: U256,
    },
    /// The chain's permission rule does not let this sender do this.
    #[error(transparent)]
    Permission(#[from] PermissionError),
    /// The sender has as many transactions waiting as one sender may have.
    #[error(
        "sender limit reached: {sender} has {count} transactions waiting, limit {limit}: wait until some are in a block"
    )]
    SenderLimit {
        /// The recovered sender.
        sender: Address,
        /// Its waiting transactions.
        count: usize,
        /// Most transactions of one sender.
        limit: usize,
    },
    /// The sender has delegated its account and has as many transactions waiting as such a
    /// sender may have.
    #[error(
        "in-flight transaction limit reached for delegated accounts: {sender} has {count} transactions waiting, limit {limit}: wait until some are in a block"
    )]
    DelegatedSenderLimit {
        /// The recovered sender.
        sender: Address,
        /// Its waiting transactions.
        count: usize,
        /// Most transactions of one delegated sender.
        limit: usize,
    },
    /// The sender's waiting transactions are as large as those of one sender may be.
    #[error(
        "sender limit reached: {sender} would have {bytes} bytes of transactions waiting, limit {limit}: wait until some are in a block"
    )]
    SenderBytesLimit {
        /// The recovered sender.
        sender: Address,
        /// Bytes of its transactions with the new one.
        bytes: usize,
        /// Most bytes of one sender.
        limit: usize,
    },
    /// The pool is full of transactions that go before this one.
    #[error(
        "txpool is full: {transactions} transactions of {bytes} bytes wait before this one: raise the fee or try again later"
    )]
    PoolFull {
        /// Waiting transactions.
        transactions: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The operator's node takes no transactions for now.
    #[error("this node takes no transactions at the moment: {0}")]
    Suspended(Arc<str>),
    /// The journal could not be written, so the transaction was not accepted.
    #[error(
        "the transaction was not accepted because the pool's journal could not be written: {0}"
    )]
    JournalWrite(Arc<io::Error>),
    /// The journal could not be opened or created.
    #[error("cannot open the pool's journal {path}: {source}")]
    JournalOpen {
        /// Its path.
        path: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The state could not be read.
    #[error("cannot read the state: {0}")]
    Storage(Arc<StorageError>),
}

impl PoolError {
    /// A short stable name of the reason, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::AlreadyKnown => "already_known",
            Self::BlobRefused => "blob",
            Self::Oversized { .. } => "oversized",
            Self::NotReplayProtected { .. } => "not_replay_protected",
            Self::WrongChainId { .. } => "wrong_chain_id",
            Self::InvalidSignature => "invalid_signature",
            Self::InitCodeTooLarge { .. } => "init_code_too_large",
            Self::EmptyAuthorizationList => "empty_authorization_list",
            Self::ExceedsBlockGasLimit { .. } => "exceeds_block_gas_limit",
            Self::ExceedsGasCap { .. } => "exceeds_gas_cap",
            Self::IntrinsicGasTooLow { .. } => "intrinsic_gas_too_low",
            Self::FloorGasTooLow { .. } => "floor_gas_too_low",
            Self::TipAboveMaxFee { .. } => "tip_above_max_fee",
            Self::MaxFeeBelowBaseFee { .. } => "max_fee_below_base_fee",
            Self::Underpriced { .. } => "underpriced",
            Self::ReplacementUnderpriced { .. } => "replacement_underpriced",
            Self::SenderNotEoa { .. } => "sender_not_eoa",
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::NonceMax => "nonce_max",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::Permission(PermissionError::State { .. }) | Self::Storage(_) => "storage",
            Self::Permission(_) => "permission",
            Self::SenderLimit { .. } => "sender_limit",
            Self::DelegatedSenderLimit { .. } => "delegated_sender_limit",
            Self::SenderBytesLimit { .. } => "sender_bytes_limit",
            Self::PoolFull { .. } => "pool_full",
            Self::Suspended(_) => "suspended",
            Self::JournalWrite(_) => "journal_write",
            Self::JournalOpen { .. } => "journal_open",
        }
    }

    /// Whether no node of this chain takes the transaction, whatever its settings, its head and
    /// what else waits there: a peer that passes such a one on has not checked it.
    pub const fn is_never_valid(&self) -> bool {
        matches!(
            self,
            Self::Undecodable(_)
                | Self::BlobRefused
                | Self::Oversized { .. }
                | Self::NotReplayProtected { .. }
                | Self::WrongChainId { .. }
                | Self::InvalidSignature
                | Self::InitCodeTooLarge { .. }
                | Self::EmptyAuthorizationList
                | Self::IntrinsicGasTooLow { .. }
                | Self::FloorGasTooLow { .. }
                | Self::TipAboveMaxFee { .. }
                | Self::MaxFeeBelowBaseFee { .. }
                | Self::NonceMax
        )
    }

    /// Whether the refusal is due to this node (its disk), not to the transaction.
    pub const fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::JournalWrite(_)
                | Self::JournalOpen { .. }
                | Self::Storage(_)
                | Self::Permission(PermissionError::State { .. })
        )
    }
}

impl From<StorageError> for PoolError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}
