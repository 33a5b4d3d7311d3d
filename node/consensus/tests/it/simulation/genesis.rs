//! The chain that a cluster begins with.

use std::collections::BTreeMap;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, address, bytes, keccak256};
use commonware_cryptography::ed25519::PublicKey;
use wattline_chain::test_utils::{Signers, TestGenesis};

/// Where the Consortium contract is.
pub(crate) const CONSORTIUM: Address = address!("0xe1ec000000000000000000000000000000000008");

/// Who changes the consortium.
pub(crate) fn administrator() -> Signers {
    Signers::named("administrator", 1)
}

/// A member of the consortium.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) account: Address,
    pub(crate) key: PublicKey,
    pub(crate) endpoint: String,
    pub(crate) is_active: bool,
}

impl Member {
    pub(crate) fn new(account: Address, key: PublicKey) -> Self {
        Self {
            account,
            key,
            endpoint: format!("node-{}:1", account.0[0]),
            is_active: true,
        }
    }

    /// What the storage of the contract says of it, slot by slot, as member number `index`.
    pub(crate) fn storage(&self, index: usize) -> [(U256, U256); 4] {
        let record = record(self.account);
        let list: U256 = keccak256(B256::ZERO).into();
        let is_active = U256::from(self.is_active) << 168;
        [
            (record, U256::from_be_slice(&self.key)),
            (
                record + U256::ONE,
                U256::from_be_slice(self.account.as_slice()) | is_active,
            ),
            (record + U256::from(3), short_text(&self.endpoint)),
            (list + U256::from(index), self.account.into_word().into()),
        ]
    }
}

/// What the storage says of how many members there are.
pub(crate) fn listed(members: usize) -> (U256, U256) {
    (U256::ZERO, U256::from(members))
}

/// The genesis of a chain whose first `signers` of `accounts` seal. All of them have money, and
/// `members` nodes. An epoch has `epoch` blocks.
pub(crate) fn genesis(
    accounts: &Signers,
    signers: usize,
    members: &[Member],
    epoch: u64,
) -> TestGenesis {
    TestGenesis::new(accounts.addresses()[..signers].to_vec())
        .milliseconds(250, 1_000)
        .epoch(epoch)
        .fund(accounts.addresses())
        .fund(administrator().addresses())
        .account(CONSORTIUM, consortium(members))
        .consortium(CONSORTIUM)
}

/// A contract with the storage of the Consortium contract, which writes its second word of
/// calldata into the slot that the first one names: a test changes members by it.
fn consortium(members: &[Member]) -> GenesisAccount {
    let records = members.iter().enumerate();
    let records = records.flat_map(|(index, member)| member.storage(index));
    let slots = records.chain([listed(members.len())]);
    let storage = slots.map(|(slot, word)| (B256::from(slot), B256::from(word)));
    // PUSH1 32 CALLDATALOAD PUSH1 0 CALLDATALOAD SSTORE STOP
    GenesisAccount::default()
        .with_code(Some(bytes!("6020356000355500")))
        .with_storage(Some(storage.collect::<BTreeMap<_, _>>()))
}

/// The first slot of the record of a member.
fn record(account: Address) -> U256 {
    keccak256([account.into_word(), B256::with_last_byte(1)].concat()).into()
}

/// A text of up to 31 bytes as Solidity stores it.
fn short_text(text: &str) -> U256 {
    let mut word = [0; 32];
    word[..text.len()].copy_from_slice(text.as_bytes());
    word[31] = (text.len() * 2) as u8;
    U256::from_be_bytes(word)
}
