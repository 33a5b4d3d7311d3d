use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use wattline_primitives::{RecoveredTransaction, TransactionSigned};

/// Chain id of test chains.
const CHAIN_ID: u64 = 57836;

/// A plain transfer of `value` wei without a tip.
pub fn transfer(
    key: &PrivateKeySigner,
    nonce: u64,
    to: Address,
    value: u64,
) -> RecoveredTransaction {
    let gas_limit = 21_000;
    sign(
        key,
        TxEip1559 {
            nonce,
            gas_limit,
            to: TxKind::Call(to),
            value: U256::from(value),
            ..TxEip1559::default()
        },
    )
}

/// A call of a contract.
pub fn call(
    key: &PrivateKeySigner,
    nonce: u64,
    to: Address,
    gas_limit: u64,
    input: impl Into<Bytes>,
) -> RecoveredTransaction {
    let input = input.into();
    sign(
        key,
        TxEip1559 {
            nonce,
            gas_limit,
            to: TxKind::Call(to),
            input,
            ..TxEip1559::default()
        },
    )
}

/// A creation of a contract by the given init code.
pub fn create(
    key: &PrivateKeySigner,
    nonce: u64,
    gas_limit: u64,
    code: impl Into<Bytes>,
) -> RecoveredTransaction {
    let input = code.into();
    sign(
        key,
        TxEip1559 {
            nonce,
            gas_limit,
            to: TxKind::Create,
            input,
            ..TxEip1559::default()
        },
    )
}

/// Signs a transaction for the test chain.
pub fn sign(key: &PrivateKeySigner, mut transaction: TxEip1559) -> RecoveredTransaction {
    transaction.chain_id = CHAIN_ID;
    let hash = transaction.signature_hash();
    let signature = key.sign_hash_sync(&hash).expect("local keys sign any hash");
    let signed = TransactionSigned::from(transaction.into_signed(signature));
    RecoveredTransaction::new_unchecked(signed, key.address())
}
