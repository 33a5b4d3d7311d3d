use crate::common::*;
use alloy_consensus::{Header, TxEip1559};
use alloy_primitives::{Address, TxKind, U256, address};
use serde_json::{Map, Value, json};
use wattline_evm::{
    BuildError, EvmConfig, ExecutionError, Permission, PermissionError, TransactionError,
    permission_slot,
};
use wattline_primitives::SealedHeader;

const PERMISSIONS: Address = address!("0xe1ec000000000000000000000000000000000002");

/// Stores the second word of its input at the slot that is the first.
const STORE: &str = "0x602035 5f35 55 00";

const TRANSACT: u64 = 1;
const DEPLOY: u64 = 2;
const OPERATOR: u64 = 4;

/// A chain on which key `n` has the flags of `entries`.
fn permissioned(entries: &[(u8, u64)]) -> (EvmConfig, Db) {
    let storage: Map<String, Value> = entries
        .iter()
        .map(|(n, flags)| {
            let slot = permission_slot(key(*n).address());
            (format!("{slot:#066x}"), json!(format!("{flags:#066x}")))
        })
        .collect();
    let account = json!({ "balance": "0x0", "code": STORE.replace(' ', ""), "storage": storage });
    chain(
        &json!({ "permissions": PERMISSIONS }),
        &[(PERMISSIONS, account)],
    )
}

/// A transaction that gives key `n` the flags.
fn grant(nonce: u64, n: u8, flags: u64) -> TxEip1559 {
    let slot = permission_slot(key(n).address());
    let input = [
        slot.to_be_bytes::<32>(),
        U256::from(flags).to_be_bytes::<32>(),
    ]
    .concat();
    call(nonce, PERMISSIONS, input)
}

fn create(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        to: TxKind::Create,
        gas_limit: 100_000,
        value: U256::ZERO,
        ..transfer(nonce)
    }
}

fn may_not_transact(n: u8) -> TransactionError {
    PermissionError::MayNotTransact {
        sender: key(n).address(),
    }
    .into()
}

fn may_not_deploy(n: u8) -> TransactionError {
    PermissionError::MayNotDeploy {
        sender: key(n).address(),
    }
    .into()
}

fn refusal(result: Result<u64, BuildError>) -> TransactionError {
    match result {
        Err(BuildError::Invalid(error)) => error,
        other => panic!("expected a refused transaction, got {other:?}"),
    }
}

#[test]
fn flags_are_read_as_the_contract_defines_them() {
    let rights = |word: u64| {
        let permission = Permission::from_word(U256::from(word));
        (permission.may_transact(), permission.may_deploy())
    };
    assert_eq!(rights(0), (false, false));
    assert_eq!(rights(TRANSACT), (true, false));
    assert_eq!(
        rights(DEPLOY),
        (false, false),
        "deploying needs transacting"
    );
    assert_eq!(rights(TRANSACT | DEPLOY), (true, true));
    assert_eq!(
        rights(OPERATOR),
        (true, false),
        "an operator always reaches the contract"
    );
    assert_eq!(rights(OPERATOR | DEPLOY), (true, true));
    assert_eq!(rights(8), (false, false));
}

#[test]
fn the_slot_is_that_of_a_solidity_mapping_at_slot_zero() {
    // keccak256(abi.encode(address(1), uint256(0)))
    let expected = "0xada5013122d395ba3c54772283fb069b10426056ef8ca54750cb9bb552a59e7d";
    let slot = permission_slot(Address::with_last_byte(1));
    assert_eq!(format!("{slot:#066x}"), expected);
}

#[test]
fn senders_and_creators_need_their_bits() {
    let (config, db) = permissioned(&[(1, TRANSACT), (2, TRANSACT | DEPLOY), (3, OPERATOR)]);
    let mut builder = config
        .builder(&db, &genesis(&config), next(1))
        .expect("in memory");
    builder.execute(sign(1, transfer(0))).expect("may transact");
    assert_eq!(
        refusal(builder.execute(sign(1, create(1)))),
        may_not_deploy(1)
    );
    builder.execute(sign(2, create(0))).expect("may deploy");
    builder
        .execute(sign(3, transfer(0)))
        .expect("an operator may transact");
    assert_eq!(
        refusal(builder.execute(sign(3, create(1)))),
        may_not_deploy(3)
    );
    assert_eq!(
        refusal(builder.execute(sign(4, transfer(0)))),
        may_not_transact(4)
    );
    assert_eq!(
        refusal(builder.execute(sign(4, create(0)))),
        may_not_transact(4)
    );
    assert_eq!(builder.len(), 3);

    let check = |n: u8, is_create| config.check_permission(&db, key(n).address(), is_create);
    assert_eq!(check(1, false), Ok(()));
    assert_eq!(
        check(1, true),
        Err(PermissionError::MayNotDeploy {
            sender: key(1).address()
        })
    );
    assert_eq!(
        check(4, false),
        Err(PermissionError::MayNotTransact {
            sender: key(4).address()
        })
    );
}

#[test]
fn a_grant_counts_from_the_next_block_on() {
    let (config, mut db) = permissioned(&[(1, OPERATOR)]);
    let parent = genesis(&config);
    let mut builder = config.builder(&db, &parent, next(1)).expect("in memory");
    builder
        .execute(sign(1, grant(0, 2, TRANSACT)))
        .expect("an operator grants");
    assert_eq!(
        refusal(builder.execute(sign(2, transfer(0)))),
        may_not_transact(2)
    );
    let built = builder.finish().expect("in memory");
    assert_eq!(built.output.receipts.len(), 1);

    commit(&mut db, &built.output.state);
    let parent = SealedHeader::seal_slow(Header { ..built.header });
    let mut builder = config.builder(&db, &parent, next(2)).expect("in memory");
    builder
        .execute(sign(2, transfer(0)))
        .expect("granted in the parent block");
}

#[test]
fn a_revocation_counts_from_the_next_block_on() {
    let (config, mut db) = permissioned(&[(1, OPERATOR), (2, TRANSACT)]);
    let parent = genesis(&config);
    let mut builder = config.builder(&db, &parent, next(1)).expect("in memory");
    // Twice, so that the value before the block is not the one before the latest change.
    builder
        .execute(sign(1, grant(0, 2, 0)))
        .expect("an operator revokes");
    builder
        .execute(sign(1, grant(1, 2, 8)))
        .expect("an operator writes again");
    builder
        .execute(sign(2, transfer(0)))
        .expect("permitted as of the parent block");
    let built = builder.finish().expect("in memory");
    config
        .execute(&db, &recovered(&built), SIGNER)
        .expect("a valid block");

    commit(&mut db, &built.output.state);
    let parent = SealedHeader::seal_slow(Header { ..built.header });
    let mut builder = config.builder(&db, &parent, next(2)).expect("in memory");
    assert_eq!(
        refusal(builder.execute(sign(2, transfer(1)))),
        may_not_transact(2)
    );
}

#[test]
fn a_block_with_an_unpermitted_transaction_is_invalid() {
    // Built where everyone may transact, executed where key 2 may not.
    let (open, db) = permissioned(&[(1, TRANSACT), (2, TRANSACT)]);
    let transactions = vec![sign(1, transfer(0)), sign(2, transfer(0))];
    let block = recovered(&build(&open, &db, &genesis(&open), transactions));
    let (closed, db) = permissioned(&[(1, TRANSACT)]);
    match closed
        .execute(&db, &block, SIGNER)
        .expect_err("key 2 may not transact")
    {
        ExecutionError::Transaction {
            index: 1,
            hash,
            error,
        } => {
            assert_eq!(
                Some(hash),
                block.body().transactions.get(1).map(|tx| *tx.tx_hash())
            );
            assert_eq!(error, may_not_transact(2));
        }
        other => panic!("expected an unpermitted transaction, got {other:?}"),
    }
}

#[test]
fn without_a_contract_everyone_may_transact() {
    let (config, db) = plain_chain();
    assert_eq!(
        config.check_permission(&db, Address::repeat_byte(9), true),
        Ok(())
    );
}
