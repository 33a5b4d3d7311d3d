use alloy_primitives::{Address, U256};

/// Why a genesis file is not a chain that this node can run. Every message names the key, what
/// the file says, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainSpecError {
    /// The text is not JSON, or not of a genesis file's shape.
    #[error("the genesis file cannot be read: {0}")]
    Json(String),
    /// A required key is absent.
    #[error("genesis key `{key}` is missing: expected {expected}")]
    Missing {
        /// Path of the key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A key holds a value that the rules do not allow.
    #[error("genesis key `{key}` is {found}: expected {expected}")]
    Invalid {
        /// Path of the key.
        key: String,
        /// The value found.
        found: String,
        /// What is allowed there.
        expected: String,
    },
    /// A key of `config` that this node does not know.
    #[error(
        "unknown genesis key `config.{0}`: expected chainId, clique, wattline and fork activations \
         only; remove it or correct its spelling"
    )]
    UnknownConfigKey(String),
    /// A key of `config.wattline` that this node does not know.
    #[error(
        "unknown genesis key `config.wattline.{0}`: expected one of baseFeePerGas, \
         transactionGasCap, permissions, consortium, auction, periodMilliseconds, idlePeriodMilliseconds"
    )]
    UnknownWattlineKey(String),
    /// Blocks could come faster than a verifier of EIP-225 accepts them.
    #[error(
        "genesis key `config.wattline.periodMilliseconds` is {busy}: expected at least {clique}, \
         the milliseconds of `config.clique.period`; a chain with several blocks a second has \
         `config.clique.period` 0"
    )]
    PeriodBelowClique {
        /// Milliseconds between blocks.
        busy: u64,
        /// Milliseconds of `config.clique.period`.
        clique: u64,
    },
    /// A block without transactions would be due before one with them.
    #[error(
        "genesis key `config.wattline.idlePeriodMilliseconds` is {idle}: expected at least {busy}, \
         the period"
    )]
    IdlePeriodTooShort {
        /// Milliseconds between blocks when no transaction waits.
        idle: u64,
        /// Milliseconds between blocks.
        busy: u64,
    },
    /// A fork of the required set is not activated.
    #[error(
        "fork `config.{key}` is missing: every fork through Osaka must be active at genesis, set it to 0"
    )]
    ForkMissing {
        /// The fork's key in `config`.
        key: &'static str,
    },
    /// A fork of the required set is activated after genesis.
    #[error(
        "fork `config.{key}` is activated at {found}: every fork through Osaka must be active at \
         genesis, set it to 0"
    )]
    ForkNotAtGenesis {
        /// The fork's key in `config`.
        key: &'static str,
        /// Its activation block, time or difficulty.
        found: U256,
    },
    /// A fork that this node does not implement.
    #[error(
        "fork `config.{key}` is not supported: this node's rules end with Osaka, remove the key"
    )]
    ForkUnsupported {
        /// The fork's key in `config`.
        key: &'static str,
    },
    /// `extraData` has a length that holds no whole number of signers.
    #[error(
        "genesis key `extraData` is {found} bytes long: expected 32 bytes of vanity, 20 bytes for \
         each signer (at least one) and 65 zero bytes"
    )]
    ExtraDataLength {
        /// Its length in bytes.
        found: usize,
    },
    /// `extraData` lists nobody who could seal a block.
    #[error(
        "genesis key `extraData` names no signer: expected at least one 20-byte address between \
         the 32 bytes of vanity and the 65 zero bytes"
    )]
    NoSigners,
    /// The signers are not strictly ascending.
    #[error(
        "genesis key `extraData` lists signer {second} after {first}: expected every signer once, \
         in ascending order"
    )]
    UnsortedSigners {
        /// The earlier of the two.
        first: Address,
        /// The later, not greater than the earlier.
        second: Address,
    },
    /// The zero address is listed as a signer.
    #[error(
        "genesis key `extraData` lists the zero address as a signer: expected addresses of keys"
    )]
    ZeroSigner,
    /// The genesis block carries a seal.
    #[error(
        "genesis key `extraData` ends with a seal: expected 65 zero bytes, nobody seals the \
         genesis block"
    )]
    GenesisSeal,
    /// The header's base fee contradicts the chain's constant.
    #[error(
        "genesis key `baseFeePerGas` is {found}: expected {expected}, the value of \
         `config.wattline.baseFeePerGas`; set both alike or remove the first"
    )]
    BaseFeeConflict {
        /// The header's value, in wei.
        found: u128,
        /// The chain's constant, in wei.
        expected: u64,
    },
    /// An account that EIP-161 would delete at its first touch.
    #[error(
        "genesis account `alloc.{0}` is empty: expected a balance, a nonce or code; an empty \
         account does not exist (EIP-161)"
    )]
    EmptyAccount(Address),
    /// A contract that the chain's rules need is not part of the genesis state.
    #[error(
        "genesis key `{key}` names {address}, which is not in `alloc`: predeploy the contract \
         there or remove the key"
    )]
    NotDeployed {
        /// The setting that names it.
        key: &'static str,
        /// Where it should be.
        address: Address,
    },
}
