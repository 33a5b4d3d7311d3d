//! Damaged entries are found and named, and never make a reader panic.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use signet_libmdbx::{Environment, WriteFlags};
use std::path::Path;
use wattline_storage::{
    ChainIdentity, Reader, Storage, StorageError, StorageResult,
    test_utils::{self, Op, TestChain, address, genesis_world, open, slot},
};

/// A closed database of a few blocks.
fn database() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let pay: Vec<_> = (0..400).map(|n| Op::Pay(n, 1)).collect();
    chain.append(&pay);
    chain.append(&pay[..9]);
    dir
}

/// Overwrites an entry behind the database's back.
fn damage(dir: &Path, table: &str, key: &[u8], value: &[u8]) {
    let mut builder = Environment::builder();
    builder.set_max_dbs(64);
    let environment = builder.open(&dir.join("db")).unwrap();
    let tx = environment.begin_rw_sync().unwrap();
    let table = tx.open_db(Some(table)).unwrap();
    tx.put(table, key, value, WriteFlags::UPSERT).unwrap();
    tx.commit().unwrap();
}

fn read(dir: &Path) -> Reader {
    open(dir, &genesis_world()).unwrap().reader().unwrap()
}

/// The table that an error names as damaged.
fn damaged_table<T: std::fmt::Debug>(result: StorageResult<T>) -> &'static str {
    match result.unwrap_err() {
        StorageError::Decode { table, .. } => table,
        other => panic!("{other}"),
    }
}

#[test]
fn a_malformed_value_is_an_error_that_names_its_table() {
    let dir = database();
    damage(
        dir.path(),
        "PlainAccounts",
        address(3).as_slice(),
        b"rubbish",
    );
    let result = read(dir.path()).state().unwrap().account(&address(3));
    assert_eq!(
        result.as_ref().unwrap_err().to_string(),
        "damaged entry in table PlainAccounts (value of 7 bytes, beginning with 0x72756262697368, \
         is malformed): restore the data directory from a backup, or import the chain again into a \
         new one"
    );

    let number = 1u64.to_be_bytes();
    for table in [
        "Headers",
        "Transactions",
        "TransactionSenders",
        "BlockBodies",
    ] {
        let dir = database();
        damage(dir.path(), table, &number, &[0xff; 3]);
        let reader = read(dir.path());
        // Transaction 1 is in block 2: block 1 has none.
        let result = reader.block(1).and_then(|_| reader.block(2));
        assert_eq!(damaged_table(result), table);
    }
}

#[test]
fn a_missing_entry_is_an_error_that_names_its_key() {
    let dir = database();
    // Block 2 claims more transactions than there are.
    let index = [0u64.to_be_bytes(), 900u64.to_be_bytes()].concat();
    damage(dir.path(), "BlockBodies", &2u64.to_be_bytes(), &index);
    let error = read(dir.path()).block(2).unwrap_err();
    assert!(matches!(
        error,
        StorageError::MissingEntry { table: "Transactions", key } if key == "4"
    ));
}

#[test]
fn verification_finds_what_does_not_belong_together() {
    let contract = address(16);
    let hash = keccak256(contract);
    // A branch with one child.
    let branch = [&[0, 1, 0, 0, 0, 0][..], &[7; 32]].concat();
    let cases: [(&str, Vec<u8>, Vec<u8>); 5] = [
        (
            "PlainStorage",
            [contract.as_slice(), slot(3).as_slice()].concat(),
            vec![9],
        ),
        (
            "HashedStorage",
            [hash, keccak256(slot(3))].concat(),
            vec![9],
        ),
        ("HashedStorage", [B256::ZERO, B256::ZERO].concat(), vec![9]),
        ("AccountTrie", vec![15, 15, 15], branch.clone()),
        (
            "StorageTrie",
            [hash.as_slice(), &[1, 2, 3]].concat(),
            branch,
        ),
    ];
    for (table, key, value) in cases {
        let dir = database();
        read(dir.path()).verify().unwrap();
        damage(dir.path(), table, &key, &value);
        let found = damaged_table(read(dir.path()).verify());
        // A wrong plain slot first shows in the storage root of its account.
        let expected = if table == "PlainStorage" {
            "HashedAccounts"
        } else {
            table
        };
        assert_eq!(found, expected);
    }

    let dir = database();
    let orphan = [Address::ZERO.as_slice(), slot(1).as_slice()].concat();
    damage(dir.path(), "PlainStorage", &orphan, &[1]);
    assert_eq!(damaged_table(read(dir.path()).verify()), "PlainStorage");
}

#[test]
fn a_proof_from_damaged_records_is_refused() {
    let dir = database();
    let key = [2u64.to_be_bytes().as_slice(), address(3).as_slice()].concat();
    // Account 3 as it never was: nonce and balance zero.
    damage(dir.path(), "AccountChangeSets", &key, &[0, 0]);
    let storage = open(dir.path(), &genesis_world()).unwrap();
    let reader = storage.reader().unwrap();
    let error = reader
        .proof(1, address(3), &[], test_utils::ANY_COST)
        .unwrap_err();
    assert!(matches!(
        error,
        StorageError::StateRootMismatch { number: 1, .. }
    ));
}

#[test]
fn genesis_code_that_no_account_can_have_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = genesis_world();
    let holding = world.get_mut(&address(4)).unwrap();
    holding.code = Bytes::from_static(&[0xef, 0x01, 0x00, 0x11]);
    holding.balance += U256::ONE;
    let error = Storage::open(
        dir.path(),
        ChainIdentity {
            genesis_header: &test_utils::genesis_header(&world),
            alloc: &test_utils::alloc_of(&world),
            config_json: String::new(),
        },
    )
    .unwrap_err();
    assert!(matches!(
        error,
        StorageError::InvalidGenesisCode { address: a, .. } if a == address(4)
    ));
}
