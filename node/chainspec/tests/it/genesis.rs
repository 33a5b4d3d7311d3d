//! Genesis files, good and bad.

use alloy_consensus::{EMPTY_ROOT_HASH, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;
use wattline_chainspec::{
    ChainSpec, ChainSpecError, CliqueConfig, DEFAULT_AUCTION, genesis_extra_data,
};

const SIGNER: Address = address!("0x00000000000000000000000000000000000000aa");
const FUNDED: Address = address!("0x00000000000000000000000000000000000bbbbb");

fn file() -> Value {
    json!({
        "config": {
            "chainId": 57836, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
            "osakaTime": 0, "clique": { "period": 1, "epoch": 30000 },
        },
        "nonce": "0x0", "timestamp": "0x5f", "difficulty": "0x1", "gasLimit": "0x1c9c380",
        "extraData": genesis_extra_data([SIGNER]),
        "mixHash": B256::ZERO, "coinbase": Address::ZERO,
        "alloc": { FUNDED.to_string(): { "balance": "0x1" } },
    })
}

/// The file with the value at a JSON pointer's place set.
fn with(pointer: &str, value: Value) -> Value {
    let mut file = file();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = file
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("an object");
    parent.insert(key.to_owned(), value);
    file
}

fn without(pointer: &str) -> Value {
    let mut file = with(pointer, Value::Null);
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    file.pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("an object")
        .remove(key);
    file
}

fn read(file: &Value) -> Result<ChainSpec, ChainSpecError> {
    ChainSpec::from_json(&file.to_string())
}

fn error(file: &Value) -> ChainSpecError {
    read(file).expect_err("the file is wrong")
}

fn invalid(key: &str, found: &str, expected: &str) -> ChainSpecError {
    ChainSpecError::Invalid {
        key: key.to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

#[test]
fn the_defaults_are_those_of_the_blueprint() {
    let spec = read(&file()).expect("a valid file");
    assert_eq!(spec.chain_id(), 57_836);
    assert_eq!(
        spec.clique(),
        CliqueConfig {
            period: 1,
            epoch: 30_000
        }
    );
    assert_eq!(spec.genesis_signers(), [SIGNER]);
    assert_eq!(spec.base_fee_per_gas(), 0);
    assert_eq!(spec.transaction_gas_cap(), None);
    assert_eq!(spec.permissions(), None);
    assert_eq!(spec.consortium(), None);
    assert_eq!(
        spec.auction(),
        address!("0x000000000000000000000000000000000000e1ec")
    );
    assert_eq!(spec.auction(), DEFAULT_AUCTION);
}

#[test]
fn every_setting_is_read() {
    let settings = json!({
        "baseFeePerGas": 7, "transactionGasCap": "0x1000000", "permissions": FUNDED,
        "consortium": FUNDED, "auction": "0x000000000000000000000000000000000000aaaa",
    });
    let spec = read(&with("/config/wattline", settings)).expect("a valid file");
    assert_eq!(spec.base_fee_per_gas(), 7);
    assert_eq!(spec.transaction_gas_cap(), Some(1 << 24));
    assert_eq!(spec.permissions(), Some(FUNDED));
    assert_eq!(spec.consortium(), Some(FUNDED));
    assert_eq!(
        spec.auction(),
        address!("0x000000000000000000000000000000000000aaaa")
    );
    let header = spec.genesis_header();
    assert_eq!(header.base_fee_per_gas, Some(7));
}

#[test]
fn the_genesis_header_is_a_present_day_one() {
    let spec = read(&file()).expect("a valid file");
    let header = spec.genesis_header();
    assert_eq!(header.number, 0);
    assert_eq!(header.timestamp, 0x5f);
    assert_eq!(header.gas_limit, 30_000_000);
    assert_eq!(header.difficulty, U256::ONE);
    assert_eq!(header.extra_data, genesis_extra_data([SIGNER]));
    assert_eq!(header.base_fee_per_gas, Some(0));
    assert_eq!(header.withdrawals_root, Some(EMPTY_WITHDRAWALS));
    assert_eq!(header.blob_gas_used, Some(0));
    assert_eq!(header.excess_blob_gas, Some(0));
    assert_eq!(header.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(header.requests_hash, Some(EMPTY_REQUESTS_HASH));
    assert_eq!(header.transactions_root, EMPTY_ROOT_HASH);
    assert_eq!(spec.genesis_hash(), header.hash());
    assert_eq!(header.hash(), header.header().hash_slow());
}

#[test]
fn the_state_root_is_that_of_the_allocation() {
    // Ethereum's own genesis allocation is too long to repeat; one account is enough to see that
    // balance, code and storage enter the root, and the empty allocation gives the empty root.
    let spec = read(&with("/alloc", json!({}))).expect("a valid file");
    assert_eq!(spec.genesis_header().state_root, EMPTY_ROOT_HASH);
    let account = json!({
        "balance": "0x0", "nonce": "0x1", "code": "0x00",
        "storage": { "0x00": "0x01", "0x01": "0x00" },
    });
    let root = |account: &Value| {
        let file = with("/alloc", json!({ FUNDED.to_string(): account }));
        read(&file)
            .expect("a valid file")
            .genesis_header()
            .state_root
    };
    let full = root(&account);
    let mut without_zero_slot = account.clone();
    without_zero_slot["storage"] = json!({ "0x00": "0x01" });
    assert_eq!(
        full,
        root(&without_zero_slot),
        "a slot of zero does not exist"
    );
    for key in ["nonce", "code", "storage"] {
        let mut other = account.clone();
        other.as_object_mut().expect("an object").remove(key);
        assert_ne!(full, root(&other), "{key} enters the root");
    }
}

/// The genesis state of the Morden test network of 2015, whose accounts started at nonce 2^20, is
/// small and its root well known.
#[test]
fn the_state_root_agrees_with_a_known_network() {
    let alloc = json!({
        "0000000000000000000000000000000000000001": { "balance": "1", "nonce": "0x100000" },
        "0000000000000000000000000000000000000002": { "balance": "1", "nonce": "0x100000" },
        "0000000000000000000000000000000000000003": { "balance": "1", "nonce": "0x100000" },
        "0000000000000000000000000000000000000004": { "balance": "1", "nonce": "0x100000" },
        "102e61f5d8f9bc71d0ad4a084df4e65e05ce0e1c":
            { "balance": "1606938044258990275541962092341162602522202993782792835301376", "nonce": "0x100000" },
    });
    let spec = read(&with("/alloc", alloc)).expect("a valid file");
    let expected = b256!("0xf3f4696bbf3b3b07775128eb7a3763279a394e382130f27c21e70233e04946a9");
    assert_eq!(spec.genesis_header().state_root, expected);
}

#[test]
fn all_forks_through_osaka_are_active_and_no_later_one() {
    let spec = read(&file()).expect("a valid file");
    assert!(spec.is_homestead_active_at_block(0));
    assert!(spec.is_london_active_at_block(0));
    assert!(spec.is_paris_active_at_block(0));
    assert!(spec.is_shanghai_active_at_timestamp(0));
    assert!(spec.is_cancun_active_at_timestamp(0));
    assert!(spec.is_prague_active_at_timestamp(0));
    assert!(spec.is_osaka_active_at_timestamp(0));
    assert!(!spec.is_amsterdam_active_at_timestamp(u64::MAX));
    for fork in [
        EthereumHardfork::Dao,
        EthereumHardfork::Bpo1,
        EthereumHardfork::Bogota,
    ] {
        assert_eq!(spec.ethereum_fork_activation(fork), ForkCondition::Never);
    }
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let file = with("/config/wattline", json!({ "baseFeePerGass": 7 }));
    let expected = ChainSpecError::UnknownWattlineKey("baseFeePerGass".to_owned());
    assert_eq!(error(&file), expected);
    assert_eq!(
        expected.to_string(),
        "unknown genesis key `config.wattline.baseFeePerGass`: expected one of baseFeePerGas, \
         transactionGasCap, permissions, consortium, auction, periodMilliseconds, idlePeriodMilliseconds"
    );
}

#[test]
fn an_unknown_section_is_refused_by_name() {
    for key in ["watline", "ethash", "parlia"] {
        let file = with(&format!("/config/{key}"), json!({}));
        assert_eq!(
            error(&file),
            ChainSpecError::UnknownConfigKey(key.to_owned())
        );
    }
}

#[test]
fn settings_of_a_wrong_type_or_range_are_refused() {
    let number = "a whole number from 0 to 2^64-1";
    let setting = |key: &str, value: Value| error(&with("/config/wattline", json!({ key: value })));
    assert_eq!(
        setting("baseFeePerGas", json!(-1)),
        invalid("config.wattline.baseFeePerGas", "-1", number)
    );
    assert_eq!(
        setting("transactionGasCap", json!("lots")),
        invalid("config.wattline.transactionGasCap", "\"lots\"", number)
    );
    assert_eq!(
        setting("transactionGasCap", json!(20_999)),
        invalid(
            "config.wattline.transactionGasCap",
            "20999",
            "at least 21000, the gas of the smallest transaction"
        )
    );
    assert_eq!(
        setting("auction", json!("0x12")),
        invalid(
            "config.wattline.auction",
            "\"0x12\"",
            "an address, 0x and 40 hexadecimal digits"
        )
    );
    for reserved in [0x00, 0x01, 0x11, 0x100] {
        let address = Address::left_padding_from(&u16::to_be_bytes(reserved));
        let found = format!("\"{address}\"");
        assert_eq!(
            setting("auction", json!(address)),
            invalid(
                "config.wattline.auction",
                &found,
                "an address that is neither zero nor a precompile of Ethereum"
            )
        );
    }
    for key in ["permissions", "consortium"] {
        assert_eq!(
            setting(key, json!(DEFAULT_AUCTION)),
            invalid(
                &format!("config.wattline.{key}"),
                &format!("\"{DEFAULT_AUCTION}\""),
                "the address of a contract, neither zero nor a precompile"
            )
        );
    }
    assert_eq!(
        error(&with("/config/wattline", json!([]))),
        invalid("config.wattline", "[]", "an object of settings")
    );
}

#[test]
fn contracts_that_the_rules_need_must_be_predeployed() {
    let address = Address::repeat_byte(0x22);
    for (setting, key) in [
        ("permissions", "config.wattline.permissions"),
        ("consortium", "config.wattline.consortium"),
    ] {
        let file = with("/config/wattline", json!({ setting: address }));
        assert_eq!(error(&file), ChainSpecError::NotDeployed { key, address });
    }
}

#[test]
fn every_fork_is_required_at_genesis() {
    let blocks = [
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
        "shanghaiTime",
        "cancunTime",
        "pragueTime",
        "osakaTime",
        "terminalTotalDifficulty",
    ];
    for key in blocks {
        let pointer = format!("/config/{key}");
        assert_eq!(
            error(&without(&pointer)),
            ChainSpecError::ForkMissing { key }
        );
        let found = U256::from(5);
        let late = ChainSpecError::ForkNotAtGenesis { key, found };
        assert_eq!(error(&with(&pointer, json!(5))), late);
    }
    let message = error(&without("/config/osakaTime")).to_string();
    assert!(
        message.starts_with("fork `config.osakaTime` is missing"),
        "{message}"
    );
}

#[test]
fn forks_without_effect_may_be_absent_but_not_late() {
    for key in [
        "muirGlacierBlock",
        "arrowGlacierBlock",
        "grayGlacierBlock",
        "mergeNetsplitBlock",
    ] {
        let pointer = format!("/config/{key}");
        read(&with(&pointer, json!(0))).expect("active at genesis");
        let found = U256::from(9);
        let late = ChainSpecError::ForkNotAtGenesis { key, found };
        assert_eq!(error(&with(&pointer, json!(9))), late);
    }
}

#[test]
fn forks_beyond_osaka_are_refused() {
    for key in [
        "daoForkBlock",
        "bpo1Time",
        "bpo2Time",
        "amsterdamTime",
        "bogotaTime",
    ] {
        let file = with(&format!("/config/{key}"), json!(0));
        assert_eq!(error(&file), ChainSpecError::ForkUnsupported { key });
    }
}

#[test]
fn signers_are_listed_once_and_sorted() {
    let (low, high) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let list = |signers: &[Address], seal: &[u8]| {
        let mut data = vec![0; 32];
        signers
            .iter()
            .for_each(|signer| data.extend(signer.as_slice()));
        data.extend(seal);
        with("/extraData", json!(Bytes::from(data)))
    };
    let empty = [0; 65];
    let spec = read(&list(&[low, high], &empty)).expect("sorted signers");
    assert_eq!(spec.genesis_signers(), [low, high]);

    let unsorted = ChainSpecError::UnsortedSigners {
        first: high,
        second: low,
    };
    assert_eq!(error(&list(&[high, low], &empty)), unsorted);
    let twice = ChainSpecError::UnsortedSigners {
        first: low,
        second: low,
    };
    assert_eq!(error(&list(&[low, low], &empty)), twice);
    assert_eq!(error(&list(&[], &empty)), ChainSpecError::NoSigners);
    assert_eq!(
        error(&list(&[Address::ZERO], &empty)),
        ChainSpecError::ZeroSigner
    );
    assert_eq!(error(&list(&[low], &[1; 65])), ChainSpecError::GenesisSeal);
    let short = error(&list(&[low], &[0; 64]));
    assert_eq!(short, ChainSpecError::ExtraDataLength { found: 116 });
    for length in [0, 31, 32, 96] {
        let file = with("/extraData", json!(Bytes::from(vec![0; length])));
        assert_eq!(
            error(&file),
            ChainSpecError::ExtraDataLength { found: length }
        );
    }
}

#[test]
fn clique_needs_its_parameters() {
    match error(&without("/config/clique")) {
        ChainSpecError::Missing {
            key: "config.clique",
            ..
        } => {}
        other => panic!("{other:?}"),
    }
    for (section, key) in [
        (json!({ "epoch": 1 }), "config.clique.period"),
        (json!({ "period": 1 }), "config.clique.epoch"),
    ] {
        match error(&with("/config/clique", section)) {
            ChainSpecError::Missing { key: found, .. } => assert_eq!(found, key),
            other => panic!("{other:?}"),
        }
    }
    for epoch in [0, 1] {
        assert_eq!(
            error(&with("/config/clique/epoch", json!(epoch))),
            invalid(
                "config.clique.epoch",
                &epoch.to_string(),
                "the blocks between two checkpoints, at least 2 (commonly 30000)"
            )
        );
    }
    read(&with("/config/clique/epoch", json!(2))).expect("the least epoch");
}

/// What a file says of its periods.
fn periods(seconds: u64, settings: Value) -> Result<(Duration, Duration), ChainSpecError> {
    let mut file = with("/config/wattline", settings);
    file["config"]["clique"]["period"] = json!(seconds);
    read(&file).map(|spec| (spec.period(), spec.idle_period()))
}

#[test]
fn periods_are_milliseconds_and_by_default_those_of_clique() {
    let ms = Duration::from_millis;
    let busy = |millis: u64| json!({ "periodMilliseconds": millis });
    let both = |busy: u64, idle: u64| json!({ "periodMilliseconds": busy, "idlePeriodMilliseconds": idle });
    assert_eq!(periods(15, json!({})), Ok((ms(15_000), ms(15_000))));
    assert_eq!(periods(0, busy(250)), Ok((ms(250), ms(250))));
    assert_eq!(periods(0, both(250, 1_000)), Ok((ms(250), ms(1_000))));
    assert_eq!(periods(1, both(1_500, 1_500)), Ok((ms(1_500), ms(1_500))));
    let idle = json!({ "idlePeriodMilliseconds": 3_000 });
    assert_eq!(periods(2, idle), Ok((ms(2_000), ms(3_000))));
}

#[test]
fn periods_that_contradict_each_other_are_refused() {
    let settings = json!({ "periodMilliseconds": 999 });
    let expected = ChainSpecError::PeriodBelowClique {
        busy: 999,
        clique: 1_000,
    };
    assert_eq!(periods(1, settings), Err(expected));
    let settings = json!({ "periodMilliseconds": 250, "idlePeriodMilliseconds": 249 });
    let expected = ChainSpecError::IdlePeriodTooShort {
        idle: 249,
        busy: 250,
    };
    assert_eq!(periods(0, settings), Err(expected));
}

#[test]
fn periods_out_of_range_are_refused() {
    let out_of_range = |key: &str, found: u64| {
        Err(invalid(
            &format!("config.wattline.{key}"),
            &found.to_string(),
            "from 1 to 3600000 milliseconds; where it is absent, `config.clique.period` in \
             seconds counts",
        ))
    };
    let (busy, idle) = ("periodMilliseconds", "idlePeriodMilliseconds");
    for found in [0, 3_600_001, u64::MAX] {
        let settings = json!({ busy: found });
        assert_eq!(periods(0, settings), out_of_range(busy, found));
        let settings = json!({ idle: found });
        assert_eq!(periods(1, settings), out_of_range(idle, found));
    }
    assert_eq!(periods(0, json!({})), out_of_range(busy, 0));
    assert_eq!(periods(3_601, json!({})), out_of_range(busy, 3_601_000));
    assert_eq!(periods(u64::MAX, json!({})), out_of_range(busy, u64::MAX));
}

#[test]
fn the_chain_id_is_required() {
    match error(&without("/config/chainId")) {
        ChainSpecError::Missing {
            key: "config.chainId",
            ..
        } => {}
        other => panic!("{other:?}"),
    }
    let zero = error(&with("/config/chainId", json!(0)));
    assert_eq!(zero, invalid("config.chainId", "0", "a number from 1"));
}

#[test]
fn a_contradicting_base_fee_is_refused() {
    let mut file = with("/config/wattline", json!({ "baseFeePerGas": 7 }));
    file["baseFeePerGas"] = json!("0x7");
    read(&file).expect("both alike");
    file["baseFeePerGas"] = json!("0x3b9aca00");
    let expected = ChainSpecError::BaseFeeConflict {
        found: 1_000_000_000,
        expected: 7,
    };
    assert_eq!(error(&file), expected);
}

#[test]
fn the_genesis_block_is_a_blank_checkpoint() {
    let word = B256::with_last_byte(1);
    let zero = "absent or zero";
    let cases = [
        ("nonce", json!("0x1"), "1".to_owned()),
        ("number", json!("0x1"), "1".to_owned()),
        ("blobGasUsed", json!("0x1"), "1".to_owned()),
        ("excessBlobGas", json!("0x1"), "1".to_owned()),
        ("mixHash", json!(word), word.to_string()),
        ("parentHash", json!(word), word.to_string()),
        ("coinbase", json!(FUNDED), FUNDED.to_string()),
    ];
    for (key, value, found) in cases {
        assert_eq!(
            error(&with(&format!("/{key}"), value)),
            invalid(key, &found, zero)
        );
    }
    assert_eq!(
        error(&with("/gasLimit", json!("0x1387"))),
        invalid("gasLimit", "4999", "from 5000 to 9223372036854775807")
    );
}

#[test]
fn an_empty_account_is_refused() {
    let file = with(
        "/alloc",
        json!({ FUNDED.to_string(): { "balance": "0x0" } }),
    );
    assert_eq!(error(&file), ChainSpecError::EmptyAccount(FUNDED));
}

#[test]
fn what_is_no_genesis_file_is_refused() {
    for text in [
        "",
        "{",
        "[]",
        "{\"config\": {\"chainId\": 1}, \"alloc\": 7}",
    ] {
        let error = ChainSpec::from_json(text).expect_err("not a genesis file");
        assert!(
            matches!(
                error,
                ChainSpecError::Json(_) | ChainSpecError::Missing { .. }
            ),
            "{text}: {error:?}"
        );
    }
}

proptest! {
    /// Whatever stands in `extraData`, reading it ends in signers or an error, and signers that
    /// were written are read back in order.
    #[test]
    fn extra_data_reads_back(addresses in prop::collection::btree_set(any::<[u8; 20]>(), 1..8)) {
        let signers: Vec<Address> = addresses.into_iter().map(Address::from).collect();
        prop_assume!(!signers.contains(&Address::ZERO));
        let data = genesis_extra_data(signers.iter().rev().copied());
        let spec = read(&with("/extraData", json!(data))).expect("sorted signers");
        prop_assert_eq!(spec.genesis_signers(), signers);
    }

    #[test]
    fn arbitrary_extra_data_never_panics(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&with("/extraData", json!(Bytes::from(data))));
    }
}
