use crate::{ChainSpecError, WattlineConfig};
use alloy_consensus::{Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{B64, B256};
use alloy_trie::root::state_root_ref_unhashed;
use std::fmt::Display;

/// Least block gas limit (as on Ethereum).
const MIN_GAS_LIMIT: u64 = 5_000;
/// Greatest block gas limit (as on Ethereum: it must fit a signed 64-bit integer).
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// The genesis block's header, with every field of a present-day block.
pub(crate) fn genesis_header(
    genesis: &Genesis,
    config: &WattlineConfig,
) -> Result<Header, ChainSpecError> {
    check_fields(genesis)?;
    if let Some(found) = genesis.base_fee_per_gas
        && found != u128::from(config.base_fee_per_gas)
    {
        return Err(ChainSpecError::BaseFeeConflict {
            found,
            expected: config.base_fee_per_gas,
        });
    }
    Ok(Header {
        state_root: state_root_ref_unhashed(&genesis.alloc),
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        nonce: B64::ZERO,
        base_fee_per_gas: Some(config.base_fee_per_gas),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    })
}

/// The genesis block is a checkpoint without a vote: what every later checkpoint must leave zero
/// is zero here too.
fn check_fields(genesis: &Genesis) -> Result<(), ChainSpecError> {
    zero("nonce", &genesis.nonce)?;
    zero("number", &genesis.number.unwrap_or_default())?;
    zero("blobGasUsed", &genesis.blob_gas_used.unwrap_or_default())?;
    zero(
        "excessBlobGas",
        &genesis.excess_blob_gas.unwrap_or_default(),
    )?;
    zero("slotNumber", &genesis.slot_number.unwrap_or_default())?;
    zero("mixHash", &genesis.mix_hash)?;
    zero("parentHash", &genesis.parent_hash.unwrap_or_default())?;
    zero("coinbase", &genesis.coinbase)?;
    if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&genesis.gas_limit) {
        return Err(ChainSpecError::Invalid {
            key: "gasLimit".to_owned(),
            found: genesis.gas_limit.to_string(),
            expected: format!("from {MIN_GAS_LIMIT} to {MAX_GAS_LIMIT}"),
        });
    }
    Ok(())
}

fn zero<T: Default + PartialEq + Display>(key: &str, found: &T) -> Result<(), ChainSpecError> {
    if *found == T::default() {
        return Ok(());
    }
    Err(ChainSpecError::Invalid {
        key: key.to_owned(),
        found: found.to_string(),
        expected: "absent or zero".to_owned(),
    })
}
