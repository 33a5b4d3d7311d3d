use crate::common::*;
use alloy_consensus::{
    Header, constants::EMPTY_OMMER_ROOT_HASH, proofs::calculate_transaction_root,
};
use alloy_eips::{eip4895::Withdrawal, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{B256, Bloom};
use revm::context_interface::result::InvalidTransaction;
use wattline_evm::{BodyError, ExecutionError, MAX_BLOCK_SIZE, TransactionError};
use wattline_primitives::{Block, BlockBody, RecoveredBlock};

/// Executes a valid block of two transfers that `change` spoilt.
fn execute_spoilt(change: impl FnOnce(&mut Header, &mut BlockBody)) -> ExecutionError {
    let (config, db) = plain_chain();
    let transactions = vec![sign(1, transfer(0)), sign(2, transfer(0))];
    let built = build(&config, &db, &genesis(&config), transactions);
    config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("valid before it is spoilt");
    let (mut header, mut body) = (built.header, built.body);
    change(&mut header, &mut body);
    let block = RecoveredBlock::new_unhashed(Block { header, body }, built.senders);
    let error = config.execute(&db, &block, SIGNER).expect_err("spoilt");
    assert!(error.is_invalid_block());
    error
}

fn body_error(change: impl FnOnce(&mut Header, &mut BlockBody)) -> BodyError {
    match execute_spoilt(change) {
        ExecutionError::Body(error) => error,
        other => panic!("expected an error of the body, got {other:?}"),
    }
}

const WRONG: B256 = B256::repeat_byte(0xee);

#[test]
fn gas_used_is_compared() {
    match execute_spoilt(|header, _| header.gas_used += 1) {
        ExecutionError::GasUsed {
            got: 42_001,
            expected: 42_000,
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_receipts_root_is_compared() {
    match execute_spoilt(|header, _| header.receipts_root = WRONG) {
        ExecutionError::ReceiptsRoot { got, expected } => {
            assert_eq!(got, WRONG);
            assert_ne!(expected, WRONG);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_logs_bloom_is_compared() {
    match execute_spoilt(|header, _| header.logs_bloom = Bloom::repeat_byte(1)) {
        ExecutionError::LogsBloom { got, expected } => {
            assert_eq!((*got, *expected), (Bloom::repeat_byte(1), Bloom::ZERO));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_requests_hash_is_compared() {
    match execute_spoilt(|header, _| header.requests_hash = None) {
        ExecutionError::RequestsHash {
            got: None,
            expected,
        } => {
            assert_eq!(expected, EMPTY_REQUESTS_HASH);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn blob_gas_is_zero() {
    match execute_spoilt(|header, _| header.blob_gas_used = Some(131_072)) {
        ExecutionError::BlobGas {
            got: Some(131_072),
            excess: Some(0),
        } => {}
        other => panic!("{other:?}"),
    }
    match execute_spoilt(|header, _| header.excess_blob_gas = None) {
        ExecutionError::BlobGas {
            got: Some(0),
            excess: None,
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_transactions_root_is_compared() {
    let expected = calculate_transaction_root(&[
        sign(1, transfer(0)).into_inner(),
        sign(2, transfer(0)).into_inner(),
    ]);
    assert_eq!(
        body_error(|header, _| header.transactions_root = WRONG),
        BodyError::TransactionsRoot {
            got: WRONG,
            expected
        }
    );
}

#[test]
fn ommers_are_refused() {
    assert_eq!(
        body_error(|_, body| body.ommers.push(Header::default())),
        BodyError::Ommers { got: 1 }
    );
    assert_eq!(
        body_error(|header, _| header.ommers_hash = WRONG),
        BodyError::OmmersHash {
            got: WRONG,
            expected: EMPTY_OMMER_ROOT_HASH
        }
    );
}

#[test]
fn withdrawals_are_an_empty_list() {
    assert_eq!(
        body_error(|_, body| body.withdrawals = None),
        BodyError::Withdrawals { got: None }
    );
    assert_eq!(
        body_error(|_, body| body.withdrawals = Some(vec![Withdrawal::default()].into())),
        BodyError::Withdrawals { got: Some(1) }
    );
}

#[test]
fn an_oversized_block_is_refused_before_anything_else() {
    let error = body_error(|header, _| header.extra_data = vec![0; MAX_BLOCK_SIZE].into());
    match error {
        BodyError::Size {
            got,
            limit: MAX_BLOCK_SIZE,
        } => assert!(got > MAX_BLOCK_SIZE),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invalid_transaction_is_named() {
    let (config, db) = plain_chain();
    let mut built = build(&config, &db, &genesis(&config), vec![sign(1, transfer(0))]);
    let repeated = sign(1, transfer(0)).into_inner();
    built.body.transactions.push(repeated.clone());
    built.senders.push(key(1).address());
    built.header.transactions_root = calculate_transaction_root(&built.body.transactions);
    match config
        .execute(&db, &recovered(&built), SIGNER)
        .expect_err("the nonce is spent")
    {
        ExecutionError::Transaction { index, hash, error } => {
            assert_eq!((index, hash), (1, *repeated.tx_hash()));
            let stale = InvalidTransaction::NonceTooLow { tx: 0, state: 1 };
            assert_eq!(error, TransactionError::Evm(stale));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_never_exceeds_its_gas_limit() {
    match execute_spoilt(|header, _| header.gas_limit = 41_999) {
        ExecutionError::GasExhausted {
            index: 1,
            gas_limit: 21_000,
            available: 20_999,
            ..
        } => {}
        other => panic!("{other:?}"),
    }
}
