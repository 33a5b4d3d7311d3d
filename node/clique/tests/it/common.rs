//! A chain of really sealed headers.

use alloy_consensus::{Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B64, B256, U256, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey};
use serde_json::{Value, json};
use wattline_chainspec::{ChainSpec, genesis_extra_data};
use wattline_clique::{NONCE_ADD, NONCE_DROP, Snapshot, seal};
use wattline_primitives::SealedHeader;

pub(crate) const PERIOD: u64 = 5;
pub(crate) const GAS_LIMIT: u64 = 30_000_000;
pub(crate) const BASE_FEE: u64 = 7;

/// The key of account number `n` (A is 1).
pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_byte_array([n; 32]).expect("a valid key")
}

pub(crate) fn account(n: u8) -> Address {
    let point = key(n).public_key(SECP256K1).serialize_uncompressed();
    let [_, point @ ..] = point;
    Address::from_word(keccak256(point))
}

/// r, s and recovery id of key `n` over the hash.
pub(crate) fn sign(n: u8, hash: B256) -> [u8; 65] {
    let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key(n));
    let (id, compact) = signature.serialize_compact();
    let mut seal = [0; 65];
    seal[..64].copy_from_slice(&compact);
    seal[64] = i32::from(id) as u8;
    seal
}

/// Seals a header with key `n`.
pub(crate) fn sealed(n: u8, header: Header) -> SealedHeader {
    let header = seal(header, |hash| {
        Ok::<_, std::convert::Infallible>(sign(n, hash))
    });
    SealedHeader::seal_slow(header.expect("there is room for a seal"))
}

pub(crate) fn spec(epoch: u64, signers: &[u8]) -> ChainSpec {
    spec_with(
        epoch,
        signers,
        PERIOD,
        &json!({ "baseFeePerGas": BASE_FEE }),
    )
}

/// The same with another `config.clique.period` and `config.wattline`.
pub(crate) fn spec_with(epoch: u64, signers: &[u8], period: u64, wattline: &Value) -> ChainSpec {
    let genesis: Genesis = serde_json::from_value(json!({
        "config": {
            "chainId": 57836, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
            "osakaTime": 0, "clique": { "period": period, "epoch": epoch },
            "wattline": wattline,
        },
        "nonce": "0x0", "timestamp": "0x64", "difficulty": "0x1",
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "extraData": genesis_extra_data(signers.iter().map(|n| account(*n))),
        "mixHash": B256::ZERO, "coinbase": Address::ZERO, "alloc": {},
    }))
    .expect("a genesis file");
    ChainSpec::from_genesis(genesis).expect("a valid chain")
}

/// A vote to add or to drop account `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ballot {
    pub(crate) account: u8,
    pub(crate) authorize: bool,
}

/// A valid unsealed child of `parent` for signer `n`, whose snapshot is `snapshot`.
pub(crate) fn child(
    spec: &ChainSpec,
    parent: &SealedHeader,
    snapshot: &Snapshot,
    n: u8,
    ballot: Option<Ballot>,
) -> Header {
    let number = parent.number + 1;
    let mut extra_data = vec![0; 32];
    if number.is_multiple_of(spec.clique().epoch) {
        snapshot
            .signers
            .iter()
            .for_each(|signer| extra_data.extend(signer.as_slice()));
    }
    extra_data.extend([0; 65]);
    let (beneficiary, nonce) = ballot.map_or((Address::ZERO, B64::ZERO), |ballot| {
        (
            account(ballot.account),
            if ballot.authorize {
                NONCE_ADD
            } else {
                NONCE_DROP
            },
        )
    });
    Header {
        parent_hash: parent.hash(),
        number,
        timestamp: parent.timestamp + PERIOD,
        beneficiary,
        nonce,
        difficulty: U256::from(snapshot.difficulty(number, account(n))),
        extra_data: extra_data.into(),
        gas_limit: parent.gas_limit,
        base_fee_per_gas: Some(spec.base_fee_per_gas()),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}
