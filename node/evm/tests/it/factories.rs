//! The two factories alone, as a node that is not ours would use them.

use crate::common::*;
use alloy_consensus::TxEip1559;
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::EthBlockExecutionCtx,
};
use alloy_primitives::B256;
use revm::{
    context::BlockEnv,
    database::{State, WrapDatabaseRef},
    primitives::eip7825,
};
use serde_json::json;
use wattline_evm::WattlineBlockExecutorFactory;

/// Executes one transaction in an environment with Ethereum's rules, as Reth hands it over after a
/// parent that was more than half full, and returns the gas used and the block's environment.
fn execute_by_ethereums_rules(wattline: &serde_json::Value, tx: TxEip1559) -> (u64, BlockEnv) {
    let (config, db) = chain(wattline, &[]);
    let mut env = config.next_evm_env(&genesis(&config), &next(1));
    env.block_env.basefee = BASE_FEE * 9 / 8;
    env.block_env.prevrandao = Some(B256::with_last_byte(250));
    env.cfg_env.tx_gas_limit_cap = Some(eip7825::TX_GAS_LIMIT_CAP);

    let factory = WattlineBlockExecutorFactory::new(config.spec().clone());
    let mut state = State::builder()
        .with_database(WrapDatabaseRef(&db))
        .with_bundle_update()
        .build();
    let evm = factory.evm_factory().create_evm(&mut state, env);
    let ctx = EthBlockExecutionCtx {
        parent_hash: genesis(&config).hash(),
        parent_beacon_block_root: Some(B256::ZERO),
        ommers: &[],
        withdrawals: None,
        extra_data: Default::default(),
        tx_count_hint: None,
        slot_number: None,
    };
    let mut executor = factory.create_executor(evm, ctx);
    executor.apply_pre_execution_changes().expect("no changes");
    executor
        .execute_transaction(&sign(1, tx))
        .expect("valid by this chain's rules");
    let (evm, result) = executor.finish().expect("the state is in memory");
    (result.gas_used, evm.block().clone())
}

#[test]
fn base_fee_and_prevrandao_are_constant_whatever_the_environment_says() {
    let tx = TxEip1559 {
        max_fee_per_gas: u128::from(BASE_FEE),
        max_priority_fee_per_gas: 0,
        ..transfer(0)
    };
    let wattline = json!({ "baseFeePerGas": BASE_FEE });
    let (gas_used, block) = execute_by_ethereums_rules(&wattline, tx);
    assert_eq!(gas_used, 21_000);
    assert_eq!(block.basefee, BASE_FEE);
    assert_eq!(block.prevrandao, Some(B256::ZERO));
}

#[test]
fn a_transaction_may_ask_for_as_much_gas_as_the_chain_allows() {
    let tx = TxEip1559 {
        gas_limit: eip7825::TX_GAS_LIMIT_CAP + 1,
        ..transfer(0)
    };
    let wattline = json!({ "baseFeePerGas": BASE_FEE });
    let (gas_used, _) = execute_by_ethereums_rules(&wattline, tx);
    assert_eq!(gas_used, 21_000);
}
