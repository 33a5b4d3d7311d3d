//! The Consortium contract of the genesis files, changed by calls and read by storage slot.

use crate::common::*;
use alloy_evm::Evm;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use alloy_sol_types::{SolCall, sol};
use revm::{DatabaseCommit, context::TxEnv};
use serde_json::{Value, json};
use std::sync::Arc;
use wattline_chainspec::ChainSpec;
use wattline_evm::{ConsortiumError, EvmConfig, MAX_MEMBERS, Member, MemberRole};

sol!("../../contracts/src/interfaces/IConsortium.sol");

const CONSORTIUM: Address = address!("0xe1ec000000000000000000000000000000000008");
/// Who admits members on the development chain.
const ADMIN: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

/// The development chain at its genesis block, with its contract as the consortium.
fn development_chain() -> (EvmConfig, Db) {
    let text = include_str!("../../../../genesis/dev.json");
    let mut file: Value = serde_json::from_str(text).expect("JSON");
    file["config"]["wattline"]["consortium"] = json!(CONSORTIUM);
    let genesis: Genesis = serde_json::from_value(file).expect("a genesis file");
    let mut db = Db::default();
    load(&mut db, &genesis);
    let spec = ChainSpec::from_genesis(genesis).expect("a valid chain");
    (EvmConfig::new(Arc::new(spec)), db)
}

/// Calls the contract and keeps what that changes.
fn transact(config: &EvmConfig, db: &mut Db, from: Address, call: &impl SolCall) {
    let env = config.call_env(&genesis(config), SIGNER);
    let mut evm = config.evm(&mut *db, env);
    let tx = TxEnv {
        caller: from,
        kind: TxKind::Call(CONSORTIUM),
        data: call.abi_encode().into(),
        gas_limit: 10_000_000,
        chain_id: None,
        ..Default::default()
    };
    let outcome = evm.transact(tx).expect("a call without checks");
    assert!(outcome.result.is_success(), "{:?}", outcome.result);
    drop(evm);
    db.commit(outcome.state);
}

fn admit(config: &EvmConfig, db: &mut Db, member: &Member) {
    let new_member = IConsortium::NewMember {
        nodeKey: member.node_key,
        signer: member.signer,
        role: match member.role {
            MemberRole::Validator => IConsortium::Role::Validator,
            MemberRole::Observer => IConsortium::Role::Observer,
        },
        name: member.name.clone(),
        endpoint: member.endpoint.clone(),
    };
    transact(
        config,
        db,
        ADMIN,
        &IConsortium::addMemberCall {
            newMember: new_member,
        },
    );
}

fn member(n: u8, role: MemberRole, name: &str, endpoint: &str) -> Member {
    Member {
        node_key: B256::repeat_byte(n),
        signer: key(n).address(),
        role,
        active: true,
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
    }
}

#[test]
fn members_are_read_as_the_contract_stores_them() {
    let (config, mut db) = development_chain();
    assert_eq!(config.members(&db), Ok(Vec::new()));

    // Strings that fill their slot, and of one byte, whole words and more than that.
    let name = "n".repeat(64);
    let host = ["h".repeat(60).as_str(); 4].join(".");
    let mut members = vec![
        member(1, MemberRole::Validator, "grid", "grid.example:30303"),
        member(
            2,
            MemberRole::Observer,
            &"r".repeat(31),
            "[2001:db8::1]:30304",
        ),
        member(
            3,
            MemberRole::Validator,
            &"u".repeat(32),
            &format!("{host}:65535"),
        ),
        member(4, MemberRole::Observer, &name, "h:1"),
    ];
    for member in &members {
        admit(&config, &mut db, member);
    }
    assert_eq!(config.members(&db).as_ref(), Ok(&members));

    // A removed member stays in the list; others change their nodes and roles.
    let active = IConsortium::setMemberActiveCall {
        signer: members[0].signer,
        active: false,
    };
    transact(&config, &mut db, ADMIN, &active);
    members[0].active = false;
    let role = IConsortium::setMemberRoleCall {
        signer: members[1].signer,
        role: IConsortium::Role::Validator,
    };
    transact(&config, &mut db, ADMIN, &role);
    members[1].role = MemberRole::Validator;
    let node = IConsortium::setNodeCall {
        nodeKey: B256::repeat_byte(9),
        endpoint: "10.0.0.7:1".to_owned(),
    };
    transact(&config, &mut db, members[2].signer, &node);
    members[2].node_key = B256::repeat_byte(9);
    members[2].endpoint = "10.0.0.7:1".to_owned();
    assert_eq!(config.members(&db).as_ref(), Ok(&members));

    for member in members {
        assert_eq!(config.member(&db, member.signer), Ok(Some(member)));
    }
    assert_eq!(config.member(&db, SIGNER), Ok(None));
}

#[test]
fn a_chain_without_a_consortium_has_no_members() {
    let (config, mut db) = development_chain();
    let first = member(1, MemberRole::Validator, "grid", "grid.example:30303");
    admit(&config, &mut db, &first);
    let (without, _) = chain(&json!({}), &[]);
    assert_eq!(without.members(&db), Ok(Vec::new()));
    assert_eq!(without.member(&db, first.signer), Ok(None));
}

/// A chain whose consortium has these storage slots.
fn with_storage(slots: &[(U256, U256)]) -> (EvmConfig, Db) {
    let account = json!({ "balance": "0x0", "code": Bytes::from_static(&[0]) });
    let (config, mut db) = chain(
        &json!({ "consortium": CONSORTIUM }),
        &[(CONSORTIUM, account)],
    );
    for (slot, value) in slots {
        db.insert_account_storage(CONSORTIUM, *slot, *value)
            .expect("in memory");
    }
    (config, db)
}

/// The slot of a member's node key.
fn record(signer: Address) -> U256 {
    keccak256([signer.into_word(), B256::with_last_byte(1)].concat()).into()
}

#[test]
fn what_the_contract_never_stores_is_refused() {
    for got in [U256::from(MAX_MEMBERS + 1), U256::MAX] {
        let (config, db) = with_storage(&[(U256::ZERO, got)]);
        assert_eq!(config.members(&db), Err(ConsortiumError::TooMany { got }));
    }
    let (config, db) = with_storage(&[(U256::ZERO, U256::ONE)]);
    let nobody = Err(ConsortiumError::Nobody(Address::ZERO));
    assert_eq!(config.members(&db), nobody);

    let signer = key(1).address();
    let record = record(signer);
    let stored = |more: (u64, U256)| {
        let (config, db) =
            with_storage(&[(record, U256::ONE), (record + U256::from(more.0), more.1)]);
        config.member(&db, signer)
    };
    let role = U256::from(2) << 160;
    let expected = ConsortiumError::UnknownRole { signer, got: 2 };
    assert_eq!(stored((1, role)), Err(expected));
    for (slot, got) in [(2, U256::from(321)), (3, U256::MAX >> 1)] {
        let expected = ConsortiumError::TooLong { signer, got };
        assert_eq!(stored((slot, (got << 1) | U256::ONE)), Err(expected));
    }
    // A short string whose length is none: nothing is read beyond the slot.
    let text = stored((2, U256::from(0xfe))).map(|member| member.map(|member| member.name.len()));
    assert_eq!(text, Ok(Some(31)));
}
