//! A small chain in memory to execute blocks on.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, address};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use revm::{
    bytecode::Bytecode,
    database::{BundleState, CacheDB, EmptyDB},
    state::AccountInfo,
};
use serde_json::{Value, json};
use std::sync::Arc;
use wattline_chainspec::{ChainSpec, genesis_extra_data};
use wattline_evm::{BuiltBlock, EvmConfig, NextBlock};
use wattline_primitives::{
    Block, Millis, RecoveredBlock, RecoveredTransaction, SealedHeader, TransactionSigned,
};

pub(crate) const SIGNER: Address = address!("0x00000000000000000000000000000000005e41e4");
pub(crate) const RECIPIENT: Address = address!("0x00000000000000000000000000000000000caffe");
pub(crate) const CHAIN_ID: u64 = 57_836;
pub(crate) const GAS_LIMIT: u64 = 30_000_000;
pub(crate) const BASE_FEE: u64 = 7;
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

pub(crate) type Db = CacheDB<EmptyDB>;

/// The key number `n` of the tests.
pub(crate) fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&alloy_primitives::B256::with_last_byte(n)).expect("a valid key")
}

/// A chain with the given `config.wattline` and accounts besides ten funded keys.
pub(crate) fn chain(wattline: &Value, accounts: &[(Address, Value)]) -> (EvmConfig, Db) {
    let mut alloc = serde_json::Map::new();
    for n in 1..=10 {
        let balance = json!({ "balance": U256::from(1_000 * ETHER) });
        alloc.insert(key(n).address().to_string(), balance);
    }
    for (address, account) in accounts {
        alloc.insert(address.to_string(), account.clone());
    }
    let genesis: Genesis = serde_json::from_value(json!({
        "config": {
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
            "osakaTime": 0, "clique": { "period": 1, "epoch": 30000 }, "wattline": wattline,
        },
        "nonce": "0x0", "timestamp": "0x0", "difficulty": "0x1",
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "extraData": genesis_extra_data([SIGNER]),
        "mixHash": alloy_primitives::B256::ZERO, "coinbase": Address::ZERO, "alloc": alloc,
    }))
    .expect("a genesis file");
    let mut db = Db::default();
    load(&mut db, &genesis);
    let spec = ChainSpec::from_genesis(genesis).expect("a valid chain");
    (EvmConfig::new(Arc::new(spec)), db)
}

/// Puts the accounts of a genesis file into the state.
pub(crate) fn load(db: &mut Db, genesis: &Genesis) {
    for (address, account) in &genesis.alloc {
        let code = Bytecode::new_raw(account.code.clone().unwrap_or_default());
        let info = AccountInfo::default()
            .with_balance(account.balance)
            .with_code(code);
        db.insert_account_info(*address, info);
        for (slot, value) in account.storage_slots() {
            db.insert_account_storage(*address, slot.into(), value)
                .expect("in memory");
        }
    }
}

/// A chain with [`BASE_FEE`] and nothing special.
pub(crate) fn plain_chain() -> (EvmConfig, Db) {
    chain(&json!({ "baseFeePerGas": BASE_FEE }), &[])
}

/// A transfer of 1 wei to [`RECIPIENT`] with a tip of 2 wei per gas.
pub(crate) fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000,
        max_priority_fee_per_gas: 2,
        to: TxKind::Call(RECIPIENT),
        value: U256::ONE,
        ..Default::default()
    }
}

/// A call with the given input and a generous gas limit.
pub(crate) fn call(nonce: u64, to: Address, input: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        to: TxKind::Call(to),
        gas_limit: 200_000,
        input: input.into(),
        value: U256::ZERO,
        ..transfer(nonce)
    }
}

/// Signs a transaction with key `n`.
pub(crate) fn sign<T>(n: u8, tx: T) -> RecoveredTransaction
where
    T: SignableTransaction<Signature>,
    TransactionSigned: From<alloy_consensus::Signed<T>>,
{
    let key = key(n);
    let signature = key
        .sign_hash_sync(&tx.signature_hash())
        .expect("a key in memory signs");
    let signed = TransactionSigned::from(tx.into_signed(signature));
    RecoveredTransaction::new_unchecked(signed, key.address())
}

pub(crate) fn next(timestamp: u64) -> NextBlock {
    NextBlock {
        time: Millis::from_secs(timestamp),
        gas_limit: GAS_LIMIT,
        signer: SIGNER,
    }
}

pub(crate) fn genesis(config: &EvmConfig) -> SealedHeader {
    config.spec().genesis_header().clone()
}

/// The built block as another node would receive it (its state root and seal left out).
pub(crate) fn recovered(built: &BuiltBlock) -> RecoveredBlock {
    let block = Block {
        header: built.header.clone(),
        body: built.body.clone(),
    };
    RecoveredBlock::new_unhashed(block, built.senders.clone())
}

/// Builds a block of the given transactions, every one of which must fit.
pub(crate) fn build(
    config: &EvmConfig,
    db: &Db,
    parent: &SealedHeader,
    transactions: Vec<RecoveredTransaction>,
) -> BuiltBlock {
    let mut builder = config
        .builder(db, parent, next(parent.timestamp + 1))
        .expect("the state is in memory");
    for tx in transactions {
        builder.execute(tx).expect("a valid transaction");
    }
    builder.finish().expect("the state is in memory")
}

/// Puts a block's changes into the state.
pub(crate) fn commit(db: &mut Db, state: &BundleState) {
    for (address, account) in &state.state {
        let mut info = account.info.clone().unwrap_or_default();
        if let Some(code) = state.contracts.get(&info.code_hash) {
            info.code = Some(code.clone());
        }
        db.insert_account_info(*address, info);
        for (slot, value) in &account.storage {
            db.insert_account_storage(*address, *slot, value.present_value)
                .expect("in memory");
        }
    }
}

/// The changed balance of an account in a block's changes.
pub(crate) fn balance(state: &BundleState, address: Address) -> U256 {
    let account = state
        .state
        .get(&address)
        .expect("the block touched the account");
    account.info.as_ref().expect("the account exists").balance
}
