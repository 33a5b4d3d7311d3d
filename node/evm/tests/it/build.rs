use crate::common::*;
use alloy_consensus::{Header, TxEip4844, TxLegacy, proofs::calculate_transaction_root};
use alloy_primitives::{Address, B256, TxKind, U256};
use proptest::prelude::*;
use revm::{
    DatabaseRef, context_interface::result::InvalidTransaction, database_interface::DBErrorMarker,
    state::AccountInfo,
};
use serde_json::json;
use wattline_evm::{BuildError, ExecutionError, MAX_BLOCK_SIZE, TransactionError};
use wattline_primitives::{RecoveredTransaction, SealedHeader};

fn refusal(result: Result<u64, BuildError>) -> TransactionError {
    match result {
        Err(BuildError::Invalid(error)) => error,
        other => panic!("expected a refused transaction, got {other:?}"),
    }
}

#[test]
fn a_transfer_pays_the_recipient_and_the_signer_and_burns_the_base_fee() {
    let (config, db) = plain_chain();
    let parent = genesis(&config);
    let built = build(&config, &db, &parent, vec![sign(1, transfer(0))]);

    assert_eq!(built.output.gas_used, 21_000);
    assert_eq!(balance(&built.output.state, RECIPIENT), U256::ONE);
    assert_eq!(balance(&built.output.state, SIGNER), U256::from(21_000 * 2));
    let spent = 1 + 21_000 * u128::from(BASE_FEE + 2);
    let sender = balance(&built.output.state, key(1).address());
    assert_eq!(sender, U256::from(1_000 * ETHER - spent));

    let [receipt] = built.output.receipts.as_slice() else {
        panic!("expected one receipt")
    };
    assert!(receipt.success);
    assert_eq!(receipt.cumulative_gas_used, 21_000);
    assert_eq!(built.header.number, 1);
    assert_eq!(built.header.parent_hash, parent.hash());
    assert_eq!(built.header.gas_used, 21_000);
    assert_eq!(built.header.base_fee_per_gas, Some(BASE_FEE));
}

#[test]
fn an_empty_block_changes_nothing() {
    let (config, db) = plain_chain();
    let built = build(&config, &db, &genesis(&config), vec![]);
    assert!(built.output.state.state.is_empty());
    assert_eq!(built.output.gas_used, 0);
}

#[test]
fn what_does_not_apply_never_blocks_the_rest() {
    let (config, db) = plain_chain();
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    let nonce = |tx, state| TransactionError::Evm(InvalidTransaction::NonceTooHigh { tx, state });

    assert_eq!(refusal(builder.execute(sign(1, transfer(5)))), nonce(5, 0));
    assert_eq!(
        builder
            .execute(sign(1, transfer(0)))
            .expect("a valid transaction"),
        21_000
    );

    let stale = refusal(builder.execute(sign(1, transfer(0))));
    let expected = InvalidTransaction::NonceTooLow { tx: 0, state: 1 };
    assert_eq!(stale, TransactionError::Evm(expected));

    let mut poor = transfer(0);
    poor.value = U256::from(2_000 * ETHER);
    let fee = U256::from(2_000 * ETHER) + U256::from(21_000 * 1_000);
    let expected = InvalidTransaction::LackOfFundForMaxFee {
        fee: Box::new(fee),
        balance: Box::new(U256::from(1_000 * ETHER)),
    };
    assert_eq!(
        refusal(builder.execute(sign(2, poor))),
        TransactionError::Evm(expected)
    );

    let mut foreign = transfer(0);
    foreign.chain_id = 1;
    let expected = TransactionError::Evm(InvalidTransaction::InvalidChainId);
    assert_eq!(refusal(builder.execute(sign(2, foreign))), expected);

    let mut cheap = transfer(0);
    (cheap.max_fee_per_gas, cheap.max_priority_fee_per_gas) = (6, 0);
    let expected = TransactionError::Evm(InvalidTransaction::GasPriceLessThanBasefee);
    assert_eq!(refusal(builder.execute(sign(2, cheap))), expected);

    let blob = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000,
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..Default::default()
    };
    assert_eq!(
        refusal(builder.execute(sign(2, blob))),
        TransactionError::Blob
    );

    assert_eq!(
        builder
            .execute(sign(2, transfer(0)))
            .expect("a valid transaction"),
        21_000
    );
    assert_eq!((builder.len(), builder.gas_used()), (2, 42_000));
    let built = builder.finish().expect("in memory");
    let output = config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
    assert_eq!(output.receipts, built.output.receipts);
    assert_eq!(output.state, built.output.state);
}

#[test]
fn a_full_block_still_takes_smaller_transactions() {
    let (config, db) = plain_chain();
    let small = next(1);
    let small = wattline_evm::NextBlock {
        gas_limit: 50_000,
        ..small
    };
    let mut builder = config
        .builder(&db, &genesis(&config), small)
        .expect("in memory");

    let mut never = transfer(0);
    never.gas_limit = 50_001;
    let expected = TransactionError::Evm(InvalidTransaction::CallerGasLimitMoreThanBlock);
    assert_eq!(refusal(builder.execute(sign(1, never))), expected);

    builder.execute(sign(1, transfer(0))).expect("fits");
    let mut large = transfer(0);
    large.gas_limit = 30_000;
    match builder.execute(sign(2, large)) {
        Err(BuildError::Full {
            gas: 30_000,
            gas_left: 29_000,
            ..
        }) => {}
        other => panic!("expected a full block, got {other:?}"),
    }
    builder.execute(sign(2, transfer(0))).expect("fits");
    assert_eq!(builder.gas_left(), 8_000);
}

#[test]
fn a_block_is_bounded_in_bytes() {
    let (config, db) = chain(&json!({}), &[]);
    let huge = |nonce: u64, bytes: usize| {
        let mut tx = transfer(nonce);
        // Zero bytes cost least: 10 gas each by EIP-7623.
        tx.input = vec![0; bytes].into();
        tx.gas_limit = 21_000 + 10 * bytes as u64;
        sign(1, tx)
    };
    let roomy = wattline_evm::NextBlock {
        gas_limit: 1_000_000_000,
        ..next(1)
    };
    let mut builder = config
        .builder(&db, &genesis(&config), roomy)
        .expect("in memory");
    match refusal(builder.execute(huge(0, MAX_BLOCK_SIZE))) {
        TransactionError::Oversized { size, limit } => {
            assert!(size > MAX_BLOCK_SIZE && limit < MAX_BLOCK_SIZE);
        }
        other => panic!("expected an oversized transaction, got {other:?}"),
    }
    builder.execute(huge(0, MAX_BLOCK_SIZE / 2)).expect("fits");
    match builder.execute(huge(1, MAX_BLOCK_SIZE / 2)) {
        Err(BuildError::Full {
            size, size_left, ..
        }) => assert!(size > size_left),
        other => panic!("expected a full block, got {other:?}"),
    }
    let built = builder.finish().expect("in memory");
    config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
}

#[test]
fn the_gas_cap_is_configurable_and_else_the_block_gas_limit() {
    let mut large = transfer(0);
    // More than EIP-7825's cap of 2^24.
    large.gas_limit = 20_000_000;
    let (config, db) = plain_chain();
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    builder
        .execute(sign(1, large.clone()))
        .expect("no cap but the block's");

    let (config, db) = chain(&json!({ "transactionGasCap": 100_000 }), &[]);
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    let expected = InvalidTransaction::TxGasLimitGreaterThanCap {
        gas_limit: 20_000_000,
        cap: 100_000,
    };
    assert_eq!(
        refusal(builder.execute(sign(1, large))),
        TransactionError::Evm(expected)
    );
    assert_eq!(config.transaction_gas_limit_cap(GAS_LIMIT), 100_000);
}

#[test]
fn a_builder_moves_between_threads() {
    let (config, db) = plain_chain();
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    builder
        .execute(sign(1, transfer(0)))
        .expect("a valid transaction");
    let built = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            builder
                .execute(sign(1, transfer(1)))
                .expect("a valid transaction");
            builder.finish()
        });
        thread.join().expect("no panic").expect("in memory")
    });
    let whole = build(
        &config,
        &db,
        &genesis(&config),
        vec![sign(1, transfer(0)), sign(1, transfer(1))],
    );
    assert_eq!(built.header, whole.header);
    assert_eq!(built.output.state, whole.output.state);
}

#[test]
fn the_roots_of_a_large_block_are_computed_side_by_side() {
    let (config, db) = plain_chain();
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    for nonce in 0..300 {
        builder
            .execute(sign(1, transfer(nonce)))
            .expect("a valid transaction");
    }
    let (built, paid) = builder
        .finish_beside(|state| balance(state, RECIPIENT))
        .expect("in memory");
    assert_eq!(paid, U256::from(300));
    assert_eq!(
        built.header.transactions_root,
        calculate_transaction_root(&built.body.transactions)
    );
    assert_eq!(built.header.receipts_root, built.output.receipts_root());
    config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");
}

/// A state that cannot be read.
#[derive(Debug)]
struct Broken;

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct DiskGone;

impl DBErrorMarker for DiskGone {}

impl DatabaseRef for Broken {
    type Error = DiskGone;

    fn basic_ref(&self, _: Address) -> Result<Option<AccountInfo>, DiskGone> {
        Err(DiskGone)
    }

    fn code_by_hash_ref(&self, _: B256) -> Result<revm::bytecode::Bytecode, DiskGone> {
        Err(DiskGone)
    }

    fn storage_ref(&self, _: Address, _: U256) -> Result<U256, DiskGone> {
        Err(DiskGone)
    }

    fn block_hash_ref(&self, _: u64) -> Result<B256, DiskGone> {
        Err(DiskGone)
    }
}

#[test]
fn an_unreadable_state_is_this_nodes_failure_not_the_blocks() {
    let (config, db) = plain_chain();
    let parent = genesis(&config);
    let Err(error) = config.builder(Broken, &parent, next(1)) else {
        panic!("expected a failure: the state cannot be read");
    };
    assert!(matches!(error, ExecutionError::Fatal(_)), "{error:?}");
    assert!(error.to_string().contains("the disk is gone"), "{error}");

    let built = build(&config, &db, &parent, vec![sign(1, transfer(0))]);
    let error = config
        .execute(Broken, &recovered(&built), SIGNER)
        .expect_err("no state");
    assert!(!error.is_invalid_block(), "{error:?}");
}

/// A transaction of one of three keys with a nonce that may be off, paying, calling or creating.
fn arbitrary_transaction() -> impl Strategy<Value = RecoveredTransaction> {
    (1u8..4, 0u64..4, 0u8..4).prop_map(|(n, nonce, kind)| match kind {
        0 => sign(n, transfer(nonce)),
        1 => {
            let price = u128::from(BASE_FEE) + 3;
            let to = TxKind::Call(key(1).address());
            let chain_id = Some(CHAIN_ID);
            let gas_limit = 30_000;
            let legacy = TxLegacy {
                chain_id,
                nonce,
                gas_price: price,
                gas_limit,
                to,
                ..Default::default()
            };
            sign(n, legacy)
        }
        2 => {
            let mut create = transfer(nonce);
            create.to = TxKind::Create;
            create.gas_limit = 100_000;
            // Stores its creator and returns no code.
            create.input = vec![0x33, 0x5f, 0x55].into();
            sign(n, create)
        }
        _ => {
            let mut out_of_gas = call(nonce, key(2).address(), vec![1; 100]);
            out_of_gas.gas_limit = 25_000;
            sign(n, out_of_gas)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However a block was cut into sessions and whatever was refused on the way, every other
    /// node executes it to the same result.
    #[test]
    fn built_blocks_execute_alike(
        sessions in prop::collection::vec(prop::collection::vec(arbitrary_transaction(), 0..6), 0..4),
    ) {
        let (config, db) = plain_chain();
        let mut builder = config.builder(&db, &genesis(&config), next(1)).expect("in memory");
        for transactions in sessions {
            let mut session = builder.resume();
            for tx in transactions {
                match session.execute(tx) {
                    Ok(_) | Err(BuildError::Invalid(_)) => {}
                    Err(error) => panic!("neither applied nor refused: {error}"),
                }
            }
        }
        let built = builder.finish().expect("in memory");
        let output = config.execute(&db, &recovered(&built), SIGNER).expect("a valid block");
        prop_assert_eq!(output.receipts, built.output.receipts);
        prop_assert_eq!(output.state, built.output.state);
    }
}

#[test]
fn blocks_build_on_one_another() {
    let (config, mut db) = plain_chain();
    let mut parent = genesis(&config);
    for nonce in 0..3 {
        let built = build(&config, &db, &parent, vec![sign(1, transfer(nonce))]);
        config
            .execute(&db, &recovered(&built), SIGNER)
            .expect("a valid block");
        commit(&mut db, &built.output.state);
        parent = SealedHeader::seal_slow(Header { ..built.header });
    }
    assert_eq!(parent.number, 3);
    let balance = db
        .basic_ref(RECIPIENT)
        .expect("in memory")
        .expect("exists")
        .balance;
    assert_eq!(balance, U256::from(3));
}
