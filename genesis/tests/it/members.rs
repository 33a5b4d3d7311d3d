//! The first members of the consortium, from the configuration into the contract's storage.

use std::sync::Arc;

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256};
use revm::{database::InMemoryDB, state::AccountInfo};
use wattline_chainspec::ChainSpec;
use wattline_evm::{EvmConfig, Member, MemberRole};
use wattline_genesis::{
    Artifacts, FirstMember, GenesisBuildError, GenesisConfig, MemberError, build,
};
use wattline_market::predeploys::CONSORTIUM;
use wattline_primitives::EndpointError;

use crate::root;

const MEMBERS: &str = r#"
[[members]]
name = "grid"
signer = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
node_key = "0x0101010101010101010101010101010101010101010101010101010101010101"
address = "grid.example:30303"
role = "validator"

[[members]]
name = "regulator"
signer = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
node_key = "0x0202020202020202020202020202020202020202020202020202020202020202"
address = "[2001:db8::1]:30304"
role = "observer"
"#;

/// The development chain with two members.
fn config() -> eyre::Result<GenesisConfig> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("chain.toml");
    let text = std::fs::read_to_string(root().join("genesis/dev.toml"))?;
    std::fs::write(&path, text + MEMBERS)?;
    Ok(GenesisConfig::read(&path)?)
}

fn built(config: &GenesisConfig) -> Result<Genesis, GenesisBuildError> {
    build(config, &Artifacts::new(root().join("contracts/out")))
}

#[test]
fn members_stand_in_the_contract_where_nodes_read_them() -> eyre::Result<()> {
    let genesis = built(&config()?)?;
    let mut db = InMemoryDB::default();
    for (address, account) in &genesis.alloc {
        db.insert_account_info(*address, AccountInfo::default());
        for (slot, value) in account.storage_slots() {
            db.insert_account_storage(*address, slot.into(), value)?;
        }
    }
    let spec = ChainSpec::from_genesis(genesis)?;
    assert_eq!(spec.consortium(), Some(CONSORTIUM));
    let [grid, regulator] = config()?.members.try_into().expect("two members");
    let stored = |first: FirstMember, role| Member {
        node_key: first.node_key.unwrap_or_default(),
        signer: first.signer,
        role,
        active: true,
        name: first.name,
        endpoint: first.address,
    };
    assert_eq!(
        EvmConfig::new(Arc::new(spec)).members(&db)?,
        [
            stored(grid, MemberRole::Validator),
            stored(regulator, MemberRole::Observer)
        ]
    );
    Ok(())
}

/// Why the development chain is not built after `change`.
fn refused(change: impl FnOnce(&mut GenesisConfig)) -> eyre::Result<MemberError> {
    let mut config = config()?;
    change(&mut config);
    match built(&config) {
        Err(GenesisBuildError::Members(error)) => Ok(error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_member_has_a_node_key_of_its_own() -> eyre::Result<()> {
    let (grid, regulator) = ("grid".to_owned(), "regulator".to_owned());
    for none in [None, Some(B256::ZERO)] {
        let error = refused(|config| config.members[0].node_key = none)?;
        assert_eq!(error, MemberError::NoNodeKey(grid.clone()));
    }
    let node_key = B256::repeat_byte(1);
    let error = refused(|config| config.members[1].node_key = Some(node_key))?;
    assert_eq!(
        error,
        MemberError::SameNodeKey {
            node_key,
            first: grid,
            second: regulator
        }
    );
    Ok(())
}

#[test]
fn every_member_has_a_signer_of_its_own() -> eyre::Result<()> {
    let error = refused(|config| config.members[1].signer = config.members[0].signer)?;
    assert_eq!(
        error.to_string(),
        "members `grid` and `regulator` have the same `signer` \
         0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    );
    Ok(())
}

#[test]
fn every_member_is_reached_somewhere() -> eyre::Result<()> {
    let error = refused(|config| config.members[1].address = "nowhere".to_owned())?;
    let source = EndpointError::NoPort("nowhere".to_owned());
    let name = "regulator".to_owned();
    assert_eq!(error, MemberError::Address { name, source });
    Ok(())
}

#[test]
fn every_signer_is_a_member_that_validates() -> eyre::Result<()> {
    let stranger = Address::repeat_byte(7);
    let error = refused(|config| config.clique.signers.push(stranger))?;
    assert_eq!(error, MemberError::NoMember(stranger));
    let error = refused(|config| {
        let regulator = config.members[1].signer;
        config.clique.signers.push(regulator);
    })?;
    assert_eq!(
        error.to_string(),
        "member `regulator` is an observer, but its signer \
         0x70997970C51812dc3A010C7d01b50e0d17dc79C8 is one of `clique.signers`"
    );
    Ok(())
}

#[test]
fn a_chain_without_members_names_no_contract() -> eyre::Result<()> {
    let mut config = config()?;
    config.members.clear();
    let spec = ChainSpec::from_genesis(built(&config)?)?;
    assert_eq!(spec.consortium(), None);
    Ok(())
}
