use crate::common::*;
use alloy_consensus::Header;
use alloy_evm::{Evm, block::BlockExecutor};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes, hex};
use revm::{
    context::TxEnv,
    context_interface::result::ExecutionResult,
    database::{State, WrapDatabaseRef},
    inspector::NoOpInspector,
};
use serde_json::json;
use wattline_chainspec::DEFAULT_AUCTION;
use wattline_evm::{EvmConfig, NextBlock};
use wattline_precompiles::DEFAULT_ADDRESS;
use wattline_primitives::{Millis, Receipt};

const PROBE: Address = address!("0x0000000000000000000000000000000000000b0b");

fn call_at_genesis(config: &EvmConfig, db: &Db, to: Address, data: Bytes) -> ExecutionResult {
    call_at(config, db, &genesis(config), to, data)
}

fn call_at(
    config: &EvmConfig,
    db: &Db,
    header: &Header,
    to: Address,
    data: Bytes,
) -> ExecutionResult {
    let env = config.call_env(header, SIGNER);
    let mut evm = config.evm(WrapDatabaseRef(db), env);
    let tx = TxEnv {
        kind: TxKind::Call(to),
        data,
        gas_limit: 10_000_000,
        chain_id: None,
        ..Default::default()
    };
    evm.transact(tx).expect("a call without checks").result
}

/// The word that a contract of the given opcode returns.
fn opcode(op: u8) -> U256 {
    // op; PUSH0 MSTORE; PUSH1 32 PUSH0 RETURN
    let code = [&[op][..], &hex!("5f5260205ff3")].concat();
    let (config, db) = chain(
        &json!({ "baseFeePerGas": BASE_FEE }),
        &[(
            PROBE,
            json!({ "balance": "0x0", "code": Bytes::from(code) }),
        )],
    );
    let result = call_at_genesis(&config, &db, PROBE, Bytes::new());
    U256::from_be_slice(result.output().expect("a successful call"))
}

#[test]
fn contracts_see_the_signer_and_constant_values() {
    assert_eq!(
        opcode(0x41),
        U256::from_be_slice(SIGNER.as_slice()),
        "COINBASE"
    );
    assert_eq!(opcode(0x44), U256::ZERO, "PREVRANDAO");
    assert_eq!(opcode(0x45), U256::from(GAS_LIMIT), "GASLIMIT");
    assert_eq!(opcode(0x46), U256::from(CHAIN_ID), "CHAINID");
    assert_eq!(opcode(0x48), U256::from(BASE_FEE), "BASEFEE");
    assert_eq!(opcode(0x4a), U256::ONE, "BLOBBASEFEE");
}

#[test]
fn milliseconds_are_in_the_header_and_hidden_from_contracts() {
    // PREVRANDAO PUSH0 MSTORE TIMESTAMP PUSH1 32 MSTORE PUSH1 64 PUSH0 LOG0
    // PUSH1 64 PUSH0 RETURN
    let code = "0x445f524260205260405fa060405ff3";
    let (config, db) = chain(
        &json!({ "baseFeePerGas": BASE_FEE }),
        &[(PROBE, json!({ "balance": "0x0", "code": code }))],
    );
    let time = NextBlock {
        time: Millis::new(7_250),
        ..next(0)
    };
    let mut builder = config
        .builder(&db, &genesis(&config), time)
        .expect("in memory");
    let tx = sign(1, call(0, PROBE, bytes!("")));
    builder.execute(tx.clone()).expect("a valid transaction");
    let built = builder.finish().expect("in memory");
    let header = &built.header;
    assert_eq!((header.timestamp, Millis::of(header)), (7, time.time));
    assert_eq!(header.mix_hash, B256::with_last_byte(250));

    let seen = Bytes::from([[0; 32], U256::from(7).to_be_bytes()].concat());
    let logged = |receipts: &[Receipt]| receipts[0].logs[0].data.data.clone();
    assert_eq!(logged(&built.output.receipts), seen, "where it is built");
    let executed = config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
    assert_eq!(logged(&executed.receipts), seen, "where it is checked");
    let mut state = State::builder().with_database(WrapDatabaseRef(&db)).build();
    let mut replay = config.replay(&mut state, header, SIGNER, NoOpInspector);
    replay.apply_pre_execution_changes().expect("in memory");
    replay.execute_transaction(tx).expect("a valid block");
    assert_eq!(logged(replay.receipts()), seen, "where it is traced");
    let called = call_at(&config, &db, header, PROBE, bytes!(""));
    assert_eq!(called.output(), Some(&seen), "where it is called");
}

#[test]
fn osaka_is_active() {
    // CLZ (EIP-7939) of 1 is 255: PUSH1 1 CLZ PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let (config, db) = chain(
        &json!({}),
        &[(
            PROBE,
            json!({ "balance": "0x0", "code": "0x60011e5f5260205ff3" }),
        )],
    );
    let result = call_at_genesis(&config, &db, PROBE, Bytes::new());
    assert_eq!(
        U256::from_be_slice(result.output().expect("a result")),
        U256::from(255)
    );
    // P-256 verification (EIP-7951) answers an invalid signature with nothing and takes 6,900 gas.
    let p256 = address!("0x0000000000000000000000000000000000000100");
    let result = call_at_genesis(&config, &db, p256, vec![0; 160].into());
    assert!(result.is_success());
    // 21,000, 10 per zero byte as a floor of EIP-7623 is less than 4 per byte plus 6,900.
    assert_eq!(result.tx_gas_used(), 21_000 + 160 * 4 + 6_900);
}

#[test]
fn the_auction_answers_at_its_address() {
    // clear(bytes32[]) of no orders: a clearing of eight zero words.
    let empty = [
        &alloy_primitives::keccak256("clear(bytes32[])")[..4],
        &U256::from(32).to_be_bytes::<32>(),
        &[0; 32],
    ]
    .concat();
    assert_eq!(DEFAULT_AUCTION, DEFAULT_ADDRESS);
    let (config, db) = chain(&json!({}), &[]);
    let result = call_at_genesis(&config, &db, DEFAULT_AUCTION, empty.clone().into());
    assert!(result.is_success());
    assert_eq!(
        result.output().expect("an output"),
        &Bytes::from(vec![0; 8 * 32])
    );

    let (config, db) = chain(&json!({ "auction": PROBE }), &[]);
    let result = call_at_genesis(&config, &db, PROBE, empty.clone().into());
    assert_eq!(result.output().expect("an output").len(), 8 * 32);
    let result = call_at_genesis(&config, &db, DEFAULT_AUCTION, empty.into());
    assert_eq!(result.output().expect("an output"), &bytes!(""));
}

#[test]
fn calls_are_free_of_a_transactions_checks() {
    let (config, db) = plain_chain();
    let env = config.call_env(&genesis(&config), SIGNER);
    let mut evm = config.evm(WrapDatabaseRef(&db), env);
    let tx = TxEnv {
        caller: Address::repeat_byte(0x77),
        kind: TxKind::Call(RECIPIENT),
        nonce: 9,
        gas_limit: GAS_LIMIT * 2,
        chain_id: None,
        ..Default::default()
    };
    assert!(
        evm.transact(tx)
            .expect("no nonce, balance, fee or gas cap check")
            .result
            .is_success()
    );
}

#[test]
fn an_inspector_sees_the_steps() {
    #[derive(Default)]
    struct Steps(usize);
    impl<C> revm::Inspector<C> for Steps {
        fn step(&mut self, _: &mut revm::interpreter::Interpreter, _: &mut C) {
            self.0 += 1;
        }
    }
    // PUSH0 PUSH0 STOP
    let (config, db) = chain(
        &json!({}),
        &[(PROBE, json!({ "balance": "0x0", "code": "0x5f5f00" }))],
    );
    let env = config.call_env(&genesis(&config), SIGNER);
    let mut evm = config.evm_with_inspector(WrapDatabaseRef(&db), env, Steps::default());
    let tx = TxEnv {
        kind: TxKind::Call(PROBE),
        gas_limit: 100_000,
        chain_id: None,
        ..Default::default()
    };
    evm.transact(tx).expect("a call without checks");
    assert_eq!(evm.inspector().0, 3);
}
