//! The Solidity implementation of the auction, as the contract tools compiled it.

use super::evm;
use alloy_evm::Evm;
use alloy_primitives::{Address, Bytes, TxKind, address};
use revm::{
    context::TxEnv,
    database::InMemoryDB,
    state::{AccountInfo, Bytecode},
};
use serde::Deserialize;

/// Where these tests put it.
pub const REFERENCE: Address = address!("0x4000000000000000000000000000000000000004");

const ARTIFACT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../contracts/out/BatchAuctionReference.sol/BatchAuctionReference.json"
);

#[derive(Deserialize)]
struct Artifact {
    bytecode: Code,
}

#[derive(Deserialize)]
struct Code {
    object: Bytes,
}

/// Puts the reference into a database. Panics if it has not been compiled.
pub fn deploy(db: &mut InMemoryDB) {
    let artifact = std::fs::read_to_string(ARTIFACT).unwrap_or_else(|error| {
        panic!("cannot read {ARTIFACT}: {error}. Run `make contracts` to compile the reference.")
    });
    let artifact: Artifact = serde_json::from_str(&artifact).unwrap_or_else(|error| {
        panic!("{ARTIFACT} is no artifact: {error}. Run `make contracts` to compile it anew.")
    });
    // The constructor writes the address it is told into the code.
    let constructor = [
        artifact.bytecode.object.to_vec(),
        REFERENCE.into_word().to_vec(),
    ]
    .concat();
    let tx = TxEnv {
        kind: TxKind::Create,
        gas_limit: 1 << 30,
        data: constructor.into(),
        ..Default::default()
    };
    let result = evm::evm(InMemoryDB::default())
        .transact_raw(tx)
        .unwrap()
        .result;
    let code = Bytecode::new_raw(result.into_output().unwrap());
    db.insert_account_info(REFERENCE, AccountInfo::from_bytecode(code));
}
