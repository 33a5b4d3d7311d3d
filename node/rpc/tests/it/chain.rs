//! The chains that tests ask about.

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy, transaction::Recovered,
};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, b256, bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Panic, PanicKind, Revert, SolError};
use wattline_chain::test_utils::{Forge, Signers, Template, TestGenesis};
use wattline_primitives::{RecoveredTransaction, TransactionSigned};

/// Chain id of test chains.
pub(crate) const CHAIN_ID: u64 = 57836;
/// One gwei in wei.
pub(crate) const GWEI: u128 = 1_000_000_000;
/// One ether in wei.
pub(crate) const ETHER: u128 = 1_000_000_000 * GWEI;

/// Stores a word of calldata in slot 0 and logs it with [`TOPIC`] and the caller; without
/// calldata only returns slot 0.
pub(crate) const LOGGER: Address = address!("00000000000000000000000000000000000000a1");
/// Reverts with the reason `no power`.
pub(crate) const REVERTER: Address = address!("00000000000000000000000000000000000000a2");
/// Reverts with the panic of an overflow.
pub(crate) const PANICKER: Address = address!("00000000000000000000000000000000000000a3");
/// Never ends.
pub(crate) const LOOPER: Address = address!("00000000000000000000000000000000000000a4");
/// Fails unless it has more than 100,000 gas left, of which it uses next to nothing.
pub(crate) const MISER: Address = address!("00000000000000000000000000000000000000a5");
/// Returns block number, timestamp, coinbase and caller.
pub(crate) const TELLER: Address = address!("00000000000000000000000000000000000000a6");
/// Fails with an invalid opcode.
pub(crate) const BREAKER: Address = address!("00000000000000000000000000000000000000a7");
/// Emits as many empty logs as its calldata word says.
pub(crate) const CHATTERER: Address = address!("00000000000000000000000000000000000000a8");

/// First topic of the logger's logs.
pub(crate) const TOPIC: B256 =
    b256!("11111111111111111111111111111111111111111111111111111111111111aa");

/// Runtime code of the logger.
pub(crate) fn logger_code() -> Bytes {
    let mut code = bytes!("3615603457").to_vec(); // without calldata go to the end
    code.extend(bytes!("5f355f55")); // store the word
    code.extend(bytes!("5f355f52")); // and put it into memory
    code.extend(bytes!("337f")); // second topic: the caller; first topic:
    code.extend(TOPIC);
    code.extend(bytes!("60205fa2")); // log the word
    assert_eq!(code.len(), 0x33);
    code.extend(bytes!("00")); // stop
    code.extend(bytes!("5b5f545f5260205ff3")); // return slot 0
    code.into()
}

/// Code that reverts with `data`.
fn revert_code(data: &[u8]) -> Bytes {
    let length = u8::try_from(data.len()).expect("short revert data");
    let mut code = vec![0x60, length, 0x60, 10, 0x5f, 0x39, 0x60, length, 0x5f, 0xfd];
    code.extend(data);
    code.into()
}

/// The data that the reverter returns.
pub(crate) fn revert_data() -> Bytes {
    Revert::from("no power").abi_encode().into()
}

/// The data that the panicker returns.
pub(crate) fn panic_data() -> Bytes {
    Panic::from(PanicKind::UnderOverflow).abi_encode().into()
}

/// Accounts that have a thousand ether each.
pub(crate) fn accounts() -> Signers {
    Signers::named("account", 4)
}

/// Accounts that clients may use, with a thousand ether each.
pub(crate) fn dev_accounts() -> Vec<PrivateKeySigner> {
    let accounts = Signers::named("dev", 2);
    (0..accounts.len())
        .map(|index| accounts.key(index).clone())
        .collect()
}

/// A genesis with the accounts and contracts above.
pub(crate) fn genesis(signers: &Signers) -> TestGenesis {
    let contracts = [
        (LOGGER, logger_code()),
        (REVERTER, revert_code(&revert_data())),
        (PANICKER, revert_code(&panic_data())),
        (LOOPER, bytes!("5b5f56")),
        (MISER, bytes!("620186a05a10600a57005bfe")),
        (TELLER, bytes!("435f5242602052416040523360605260805ff3")),
        (BREAKER, bytes!("fe")),
        (CHATTERER, bytes!("5f355b80600857005b5f5fa060019003600256")),
    ];
    contracts.into_iter().fold(
        TestGenesis::new(signers.addresses())
            .fund(accounts().addresses())
            .fund(dev_accounts().iter().map(PrivateKeySigner::address)),
        |genesis, (address, code)| {
            genesis.account(address, GenesisAccount::default().with_code(Some(code)))
        },
    )
}

/// A chain with the genesis block only, sealed by one signer.
pub(crate) fn empty() -> Forge {
    let signers = Signers::new(1);
    Forge::new(genesis(&signers), signers)
}

/// Signs a transaction of the account at `index`.
pub(crate) fn sign<T>(index: usize, tx: T) -> RecoveredTransaction
where
    T: SignableTransaction<Signature>,
    TransactionSigned: From<alloy_consensus::Signed<T>>,
{
    let accounts = accounts();
    let signature = accounts
        .key(index)
        .sign_hash_sync(&tx.signature_hash())
        .expect("local keys sign");
    let signed = TransactionSigned::from(tx.into_signed(signature));
    Recovered::new_unchecked(signed, accounts.address(index))
}

/// A free transaction of the account at `index` with calldata.
pub(crate) fn call(index: usize, nonce: u64, to: Address, input: Bytes) -> RecoveredTransaction {
    call_with_gas(index, nonce, to, input, 1_000_000)
}

/// The same with a gas limit.
pub(crate) fn call_with_gas(
    index: usize,
    nonce: u64,
    to: Address,
    input: Bytes,
    gas_limit: u64,
) -> RecoveredTransaction {
    sign(
        index,
        TxEip1559 {
            gas_limit,
            input,
            ..empty_call(nonce, to)
        },
    )
}

/// A free transfer of the account at `index`.
pub(crate) fn transfer(index: usize, nonce: u64, to: Address, value: u128) -> RecoveredTransaction {
    sign(
        index,
        TxEip1559 {
            value: U256::from(value),
            gas_limit: 21_000,
            ..empty_call(nonce, to)
        },
    )
}

fn empty_call(nonce: u64, to: Address) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        to: TxKind::Call(to),
        ..Default::default()
    }
}

/// A chain with a transaction of every type.
pub(crate) struct Story {
    pub(crate) forge: Forge,
    /// Block 1: account 0 sends account 1 an ether at 2 gwei per gas.
    pub(crate) legacy: RecoveredTransaction,
    /// Block 1: account 1 logs 7 at 1 gwei, with an access list.
    pub(crate) eip2930: RecoveredTransaction,
    /// Block 1: account 2 logs 9 with a tip of 3 gwei of at most 5.
    pub(crate) eip1559: RecoveredTransaction,
    /// Block 2: account 0 lets account 3 delegate to the logger.
    pub(crate) eip7702: RecoveredTransaction,
    /// Block 2: account 2 creates a contract with the code `01`.
    pub(crate) create: RecoveredTransaction,
}

/// Three blocks: two with transactions and an empty one.
pub(crate) fn story() -> Story {
    let accounts = accounts();
    let access_list = AccessList(vec![AccessListItem {
        address: LOGGER,
        storage_keys: vec![B256::ZERO],
    }]);
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        gas_price: 2 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(accounts.address(1)),
        value: U256::from(ETHER),
        ..Default::default()
    };
    let eip2930 = TxEip2930 {
        chain_id: CHAIN_ID,
        gas_price: GWEI,
        gas_limit: 100_000,
        to: TxKind::Call(LOGGER),
        input: crate::client::word_bytes(7),
        access_list,
        ..Default::default()
    };
    let eip1559 = TxEip1559 {
        max_fee_per_gas: 5 * GWEI,
        max_priority_fee_per_gas: 3 * GWEI,
        gas_limit: 100_000,
        input: crate::client::word_bytes(9),
        ..empty_call(0, LOGGER)
    };
    let authorization = Authorization {
        chain_id: U256::from(CHAIN_ID),
        address: LOGGER,
        nonce: 0,
    };
    let seal = accounts
        .key(3)
        .sign_hash_sync(&authorization.signature_hash())
        .expect("local keys sign");
    let eip7702 = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: 1,
        gas_limit: 200_000,
        to: accounts.address(3),
        authorization_list: vec![authorization.into_signed(seal)],
        ..Default::default()
    };
    let create = TxEip1559 {
        to: TxKind::Create,
        gas_limit: 200_000,
        input: bytes!("60015f5360015ff3"),
        ..empty_call(1, Address::ZERO)
    };
    let story = Story {
        forge: empty(),
        legacy: sign(0, legacy),
        eip2930: sign(1, eip2930),
        eip1559: sign(2, eip1559),
        eip7702: sign(0, eip7702),
        create: sign(2, create),
    };
    let first = vec![
        story.legacy.clone(),
        story.eip2930.clone(),
        story.eip1559.clone(),
    ];
    story.forge.extend(Template::default().with(first));
    let second = vec![story.eip7702.clone(), story.create.clone()];
    story.forge.extend(Template::default().with(second));
    story.forge.extend(Template::default());
    story
}
