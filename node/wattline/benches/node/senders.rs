//! The accounts that send, and what they sign.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use rayon::prelude::*;
use wattline_market::{abi::ISettlementToken, predeploys::SETTLEMENT_TOKEN};

use crate::peer::CHAIN_ID;

/// The fee per gas that every transaction offers, in wei.
const FEE: u128 = 1_000_000_000;

pub(crate) struct Senders {
    keys: Vec<PrivateKeySigner>,
    nonce: u64,
}

impl Senders {
    pub(crate) fn new(count: usize) -> Self {
        let keys = (0..count).map(|index| {
            let secret = keccak256(format!("wattline bench {index}"));
            PrivateKeySigner::from_bytes(&secret).expect("a valid key")
        });
        Self {
            keys: keys.collect(),
            nonce: 0,
        }
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(PrivateKeySigner::address).collect()
    }

    /// The nonce that follows everything signed so far; the same for all.
    pub(crate) const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// `count` transfers of one wei, each sender in its turn.
    pub(crate) fn transfers(&mut self, count: usize) -> Vec<Bytes> {
        self.sign(count, |index| TxEip1559 {
            gas_limit: 21_000,
            to: TxKind::Call(recipient(index)),
            value: U256::ONE,
            ..transaction()
        })
    }

    /// `count` transfers of one base unit of the market's currency.
    pub(crate) fn token_transfers(&mut self, count: usize) -> Vec<Bytes> {
        self.sign(count, |index| {
            let call = ISettlementToken::transferCall {
                to: recipient(index),
                value: U256::ONE,
            };
            TxEip1559 {
                gas_limit: 80_000,
                to: TxKind::Call(SETTLEMENT_TOKEN),
                input: call.abi_encode().into(),
                ..transaction()
            }
        })
    }

    fn sign(&mut self, count: usize, make: impl Fn(usize) -> TxEip1559 + Sync) -> Vec<Bytes> {
        let first = self.nonce;
        let signed = (0..count).into_par_iter().map(|index| {
            let nonce = first + (index / self.keys.len()) as u64;
            let key = &self.keys[index % self.keys.len()];
            sign(
                TxEip1559 {
                    nonce,
                    ..make(index)
                },
                key,
            )
        });
        let signed = signed.collect();
        self.nonce += (count / self.keys.len()) as u64;
        signed
    }
}

/// A thousand accounts in turn.
fn recipient(index: usize) -> Address {
    Address::from_word(keccak256((index % 1_000).to_be_bytes()))
}

fn transaction() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        max_fee_per_gas: FEE,
        max_priority_fee_per_gas: FEE,
        ..TxEip1559::default()
    }
}

/// Gives every account a million base units; signed by the bank.
pub(crate) fn mint(bank: &PrivateKeySigner, accounts: Vec<Address>) -> Bytes {
    let call = ISettlementToken::mintManyCall {
        to: accounts,
        value: U256::from(1_000_000),
    };
    let transaction = TxEip1559 {
        gas_limit: 5_000_000,
        to: TxKind::Call(SETTLEMENT_TOKEN),
        input: call.abi_encode().into(),
        ..transaction()
    };
    sign(transaction, bank)
}

fn sign(transaction: TxEip1559, key: &PrivateKeySigner) -> Bytes {
    let hash: B256 = transaction.signature_hash();
    let signature = key.sign_hash_sync(&hash).expect("a local key signs");
    TxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}
