use alloy_primitives::{Address, B64, B256, U256};
use wattline_primitives::Millis;

/// Why a header is not a valid child of its parent, or why its seal names no signer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CliqueError {
    /// The block does not follow its parent's number.
    #[error("block number {got}: expected {expected}, one more than the parent's")]
    Number {
        /// The header's number.
        got: u64,
        /// The parent's number plus one.
        expected: u64,
    },
    /// The block names another parent.
    #[error("parent hash {got}: expected {expected}")]
    ParentHash {
        /// The parent that the header names.
        got: B256,
        /// The parent's hash.
        expected: B256,
    },
    /// The snapshot is not the one after the parent block.
    #[error("voting snapshot of block {got}: expected that of the parent {expected}")]
    WrongSnapshot {
        /// The block that the snapshot belongs to.
        got: B256,
        /// The parent's hash.
        expected: B256,
    },
    /// The block comes sooner after its parent than the period allows.
    #[error("time {got}: expected at least {earliest}, the parent's plus the period")]
    TooEarly {
        /// The header's time.
        got: Millis,
        /// The parent's time plus the period.
        earliest: Millis,
    },
    /// `extraData` has no room for vanity.
    #[error("extraData of {got} bytes: expected 32 bytes of vanity first")]
    MissingVanity {
        /// Its length in bytes.
        got: usize,
    },
    /// `extraData` has no room for a seal after the vanity.
    #[error("extraData of {got} bytes: expected 65 bytes of seal after 32 bytes of vanity")]
    MissingSeal {
        /// Its length in bytes.
        got: usize,
    },
    /// A block that is not a checkpoint lists signers.
    #[error(
        "extraData holds {got} bytes between vanity and seal: expected none, block {number} is no checkpoint"
    )]
    UnexpectedSigners {
        /// Bytes between vanity and seal.
        got: usize,
        /// The header's number.
        number: u64,
    },
    /// A checkpoint's signer list is not a whole number of addresses.
    #[error("checkpoint signer list of {got} bytes: expected a multiple of 20")]
    CheckpointLength {
        /// Bytes between vanity and seal.
        got: usize,
    },
    /// A checkpoint lists other signers than the votes made.
    #[error("checkpoint lists signers {got:?}: expected {expected:?}")]
    CheckpointSigners {
        /// The signers listed.
        got: Vec<Address>,
        /// The signers of the snapshot, ascending.
        expected: Vec<Address>,
    },
    /// A checkpoint carries a vote.
    #[error(
        "checkpoint with beneficiary {beneficiary} and nonce {nonce}: expected both zero, a checkpoint carries no vote"
    )]
    CheckpointVote {
        /// The header's beneficiary.
        beneficiary: Address,
        /// The header's nonce.
        nonce: B64,
    },
    /// The nonce is no vote.
    #[error("nonce {got}: expected 0xffffffffffffffff to add a signer or zero to drop one")]
    InvalidVote {
        /// The header's nonce.
        got: B64,
    },
    /// `mixHash` is no number of milliseconds within a second.
    #[error(
        "mixHash {got}: expected at most 999 as a big-endian integer, the milliseconds above the \
         timestamp"
    )]
    MixHash {
        /// The header's mix hash.
        got: B256,
    },
    /// The block has ommers.
    #[error("ommersHash {got}: expected {expected}, that of the empty list")]
    OmmersHash {
        /// The header's ommers hash.
        got: B256,
        /// The hash of the empty list.
        expected: B256,
    },
    /// The difficulty is neither 1 nor 2.
    #[error("difficulty {got}: expected 2 in turn or 1 out of turn")]
    InvalidDifficulty {
        /// The header's difficulty.
        got: U256,
    },
    /// The difficulty does not match the signer's turn.
    #[error("difficulty {got} of signer {signer}: expected {expected}")]
    WrongDifficulty {
        /// The header's difficulty.
        got: U256,
        /// What the signer's turn demands.
        expected: u64,
        /// The recovered signer.
        signer: Address,
    },
    /// The gas limit is too low for any block.
    #[error("gas limit {got}: expected at least {minimum}")]
    GasLimitTooLow {
        /// The header's gas limit.
        got: u64,
        /// The least gas limit.
        minimum: u64,
    },
    /// The gas limit is too high for any block.
    #[error("gas limit {got}: expected at most {maximum}")]
    GasLimitTooHigh {
        /// The header's gas limit.
        got: u64,
        /// The greatest gas limit.
        maximum: u64,
    },
    /// The gas limit moved too far from the parent's.
    #[error(
        "gas limit {got} after {parent}: expected a change of at most {bound}, 1/1024 of the parent's"
    )]
    GasLimitChange {
        /// The header's gas limit.
        got: u64,
        /// The parent's gas limit.
        parent: u64,
        /// The greatest change.
        bound: u64,
    },
    /// More gas used than the limit allows.
    #[error("gas used {got}: expected at most the gas limit {limit}")]
    GasUsed {
        /// The header's gas used.
        got: u64,
        /// The header's gas limit.
        limit: u64,
    },
    /// The base fee is not the chain's constant.
    #[error("baseFeePerGas {got:?}: expected {expected}, the chain's constant")]
    BaseFee {
        /// The header's base fee, in wei.
        got: Option<u64>,
        /// The configured constant, in wei.
        expected: u64,
    },
    /// A field that exists for clients' sake does not hold its empty value.
    #[error("{field} {got}: expected {expected}")]
    EmptyField {
        /// The field's name.
        field: &'static str,
        /// What the header holds.
        got: String,
        /// Its empty value.
        expected: String,
    },
    /// The header has a field of a fork later than Osaka.
    #[error("field {field} is present: expected none, it belongs to a later fork")]
    UnknownField {
        /// The field's name.
        field: &'static str,
    },
    /// The seal's recovery id is neither 0 nor 1.
    #[error("seal with recovery id {got}: expected 0 or 1")]
    RecoveryId {
        /// The seal's last byte.
        got: u8,
    },
    /// No key could have made the seal.
    #[error("seal cannot be recovered: {0}")]
    InvalidSeal(String),
    /// The seal's `s` lies in the upper half of the curve's order: the twin of the signer's seal.
    #[error("seal has a high s: expected the signature with the low s")]
    HighS,
    /// Whoever sealed the block may not.
    #[error("unauthorized signer {signer} of block {number}")]
    UnauthorizedSigner {
        /// The recovered signer.
        signer: Address,
        /// The header's number.
        number: u64,
    },
    /// The signer sealed too recently to seal again.
    #[error("signer {signer} of block {number} recently signed block {last}")]
    RecentlySigned {
        /// The recovered signer.
        signer: Address,
        /// The header's number.
        number: u64,
        /// The recent block it sealed.
        last: u64,
    },
}
