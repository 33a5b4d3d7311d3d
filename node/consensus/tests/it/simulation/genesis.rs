//! The chain that a cluster begins with.

use std::collections::BTreeMap;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, address, bytes, keccak256};
use commonware_cryptography::ed25519::PublicKey;
use wattline_chain::test_utils::{Signers, TestGenesis};

/// Where the Consortium contract is.
pub(crate) const CONSORTIUM: Address = address!("0xe1ec000000000000000000000000000000000008");

/// The genesis of a chain whose first `signers` of `accounts` seal. All of them have nodes, of
/// `keys`, and money. An epoch has `epoch` blocks.
pub(crate) fn genesis(
    accounts: &Signers,
    signers: usize,
    keys: &[PublicKey],
    epoch: u64,
) -> TestGenesis {
    let mut members: Vec<_> = accounts.addresses().into_iter().zip(keys).collect();
    members.sort_by_key(|(account, _)| *account);
    TestGenesis::new(accounts.addresses()[..signers].to_vec())
        .milliseconds(250, 1_000)
        .epoch(epoch)
        .fund(accounts.addresses())
        .account(CONSORTIUM, consortium(&members))
        .consortium(CONSORTIUM)
}

/// A contract with the storage of the Consortium contract, which writes its second word of
/// calldata into the slot that the first one names: a test changes members by it.
fn consortium(members: &[(Address, &PublicKey)]) -> GenesisAccount {
    let mut storage = BTreeMap::new();
    let mut write = |slot: U256, word: U256| {
        storage.insert(B256::from(slot), B256::from(word));
    };
    write(U256::ZERO, U256::from(members.len()));
    let list: U256 = keccak256(B256::ZERO).into();
    for (index, (account, key)) in members.iter().enumerate() {
        write(list + U256::from(index), account.into_word().into());
        let record = record(*account);
        write(record, U256::from_be_slice(key));
        let is_active = U256::ONE << 168;
        write(
            record + U256::ONE,
            U256::from_be_slice(account.as_slice()) | is_active,
        );
        let endpoint = format!("node-{index}:1");
        write(record + U256::from(3), short_text(&endpoint));
    }
    // PUSH1 32 CALLDATALOAD PUSH1 0 CALLDATALOAD SSTORE STOP
    GenesisAccount::default()
        .with_code(Some(bytes!("6020356000355500")))
        .with_storage(Some(storage))
}

/// The first slot of the record of a member.
pub(crate) fn record(account: Address) -> U256 {
    keccak256([account.into_word(), B256::with_last_byte(1)].concat()).into()
}

/// A text of up to 31 bytes as Solidity stores it.
fn short_text(text: &str) -> U256 {
    let mut word = [0; 32];
    word[..text.len()].copy_from_slice(text.as_bytes());
    word[31] = (text.len() * 2) as u8;
    U256::from_be_bytes(word)
}
