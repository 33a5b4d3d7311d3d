use crate::{
    CliqueError, ExtraData, NONCE_DROP, Snapshot, recover_signer,
    snapshot::{
        DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN, check_child, is_checkpoint, vote_direction,
    },
};
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, U256};
use std::fmt::Debug;
use wattline_chainspec::{ChainSpec, CliqueConfig};
use wattline_primitives::{Millis, SealedHeader};

/// Least block gas limit (as on Ethereum).
const MIN_GAS_LIMIT: u64 = 5_000;
/// Greatest block gas limit (as on Ethereum).
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;
/// A block's gas limit differs from its parent's by at most this part of it.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;

/// Checks everything in a header that needs neither the clock nor execution, and returns the
/// account that sealed it. `snapshot` is that of the parent block.
///
/// # Errors
///
/// The [`CliqueError`] of the first rule that is broken.
pub fn validate_header(
    spec: &ChainSpec,
    header: &SealedHeader,
    parent: &SealedHeader,
    snapshot: &Snapshot,
) -> Result<Address, CliqueError> {
    check_child(header, parent.number, parent.hash())?;
    check_snapshot(snapshot, parent)?;
    check_time(header, parent, spec)?;
    check_extra_data(header, snapshot, spec.clique())?;
    check_vote(header, spec.clique())?;
    check_unused_fields(header)?;
    check_gas(header, parent)?;
    check_base_fee(header, spec)?;
    check_seal(header, snapshot)
}

/// The caller handed over the parent's snapshot and no other.
fn check_snapshot(snapshot: &Snapshot, parent: &SealedHeader) -> Result<(), CliqueError> {
    if snapshot.hash == parent.hash() {
        return Ok(());
    }
    Err(CliqueError::WrongSnapshot {
        got: snapshot.hash,
        expected: parent.hash(),
    })
}

/// A block comes at least a period after its parent, by whole seconds in `timestamp` and the
/// milliseconds above them in `mixHash`.
fn check_time(header: &Header, parent: &Header, spec: &ChainSpec) -> Result<(), CliqueError> {
    if Millis::above_the_second(header.mix_hash).is_none() {
        return Err(CliqueError::MixHash {
            got: header.mix_hash,
        });
    }
    let got = Millis::of(header);
    let earliest = Millis::of(parent).saturating_add(spec.period());
    if got < earliest {
        return Err(CliqueError::TooEarly { got, earliest });
    }
    Ok(())
}

/// Vanity, the sorted signers on a checkpoint and nothing elsewhere, a seal.
fn check_extra_data(
    header: &Header,
    snapshot: &Snapshot,
    clique: CliqueConfig,
) -> Result<(), CliqueError> {
    let extra_data = ExtraData::parse(&header.extra_data)?;
    let number = header.number;
    if !is_checkpoint(number, clique.epoch) {
        let got = extra_data.signers.len();
        return if got == 0 {
            Ok(())
        } else {
            Err(CliqueError::UnexpectedSigners { got, number })
        };
    }
    let got = extra_data.checkpoint_signers()?;
    if !got.iter().eq(&snapshot.signers) {
        let expected = snapshot.signers.iter().copied().collect();
        return Err(CliqueError::CheckpointSigners { got, expected });
    }
    Ok(())
}

/// The nonce is a vote; a checkpoint carries none.
fn check_vote(header: &SealedHeader, clique: CliqueConfig) -> Result<(), CliqueError> {
    vote_direction(header)?;
    let is_blank = header.beneficiary.is_zero() && header.nonce == NONCE_DROP;
    if is_checkpoint(header.number, clique.epoch) && !is_blank {
        return Err(CliqueError::CheckpointVote {
            beneficiary: header.beneficiary,
            nonce: header.nonce,
        });
    }
    Ok(())
}

/// Fields that a chain without mining, ommers and a beacon chain does not use hold their empty
/// values, and those of later forks are absent.
fn check_unused_fields(header: &Header) -> Result<(), CliqueError> {
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(CliqueError::OmmersHash {
            got: header.ommers_hash,
            expected: EMPTY_OMMER_ROOT_HASH,
        });
    }
    empty(
        "withdrawalsRoot",
        header.withdrawals_root,
        EMPTY_WITHDRAWALS,
    )?;
    empty("blobGasUsed", header.blob_gas_used, 0)?;
    empty("excessBlobGas", header.excess_blob_gas, 0)?;
    empty(
        "parentBeaconBlockRoot",
        header.parent_beacon_block_root,
        B256::ZERO,
    )?;
    empty("requestsHash", header.requests_hash, EMPTY_REQUESTS_HASH)?;
    absent("blockAccessListHash", header.block_access_list_hash)?;
    absent("slotNumber", header.slot_number)
}

fn empty<T: Copy + PartialEq + Debug>(
    field: &'static str,
    got: Option<T>,
    expected: T,
) -> Result<(), CliqueError> {
    match got {
        Some(value) if value == expected => Ok(()),
        got => Err(CliqueError::EmptyField {
            field,
            got: got.map_or_else(|| "missing".to_owned(), |value| format!("{value:?}")),
            expected: format!("{expected:?}"),
        }),
    }
}

fn absent<T: Copy>(field: &'static str, got: Option<T>) -> Result<(), CliqueError> {
    if got.is_some() {
        Err(CliqueError::UnknownField { field })
    } else {
        Ok(())
    }
}

/// The gas limit moves by at most 1/1024 of the parent's and bounds the gas used.
fn check_gas(header: &Header, parent: &Header) -> Result<(), CliqueError> {
    let got = header.gas_limit;
    if got < MIN_GAS_LIMIT {
        return Err(CliqueError::GasLimitTooLow {
            got,
            minimum: MIN_GAS_LIMIT,
        });
    }
    if got > MAX_GAS_LIMIT {
        return Err(CliqueError::GasLimitTooHigh {
            got,
            maximum: MAX_GAS_LIMIT,
        });
    }
    let bound = parent.gas_limit / GAS_LIMIT_BOUND_DIVISOR;
    if got.abs_diff(parent.gas_limit) > bound {
        return Err(CliqueError::GasLimitChange {
            got,
            parent: parent.gas_limit,
            bound,
        });
    }
    if header.gas_used > got {
        return Err(CliqueError::GasUsed {
            got: header.gas_used,
            limit: got,
        });
    }
    Ok(())
}

/// The base fee is the chain's constant.
fn check_base_fee(header: &Header, spec: &ChainSpec) -> Result<(), CliqueError> {
    let expected = spec.base_fee_per_gas();
    if header.base_fee_per_gas != Some(expected) {
        return Err(CliqueError::BaseFee {
            got: header.base_fee_per_gas,
            expected,
        });
    }
    Ok(())
}

/// A signer that may sign this block sealed it, with the difficulty of its turn.
fn check_seal(header: &SealedHeader, snapshot: &Snapshot) -> Result<Address, CliqueError> {
    let got = header.difficulty;
    if ![DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN]
        .map(U256::from)
        .contains(&got)
    {
        return Err(CliqueError::InvalidDifficulty { got });
    }
    let signer = recover_signer(header)?;
    snapshot.check_signer(header.number, signer)?;
    let expected = snapshot.difficulty(header.number, signer);
    if got != U256::from(expected) {
        return Err(CliqueError::WrongDifficulty {
            got,
            expected,
            signer,
        });
    }
    Ok(signer)
}
