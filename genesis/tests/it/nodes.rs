//! A genesis file for other nodes, made without the compiled contracts.

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, address};
use wattline_genesis::{
    Artifacts, FirstMember, GenesisBuildError, GenesisConfig, MemberError, MemberRole, Nodes,
    build, to_json, with_nodes,
};
use wattline_market::predeploys::CONSORTIUM;

use crate::root;

fn committed(name: &str) -> eyre::Result<Genesis> {
    let text = std::fs::read_to_string(root().join(format!("genesis/{name}.json")))?;
    Ok(serde_json::from_str(&text)?)
}

fn member(number: u8, role: MemberRole) -> FirstMember {
    FirstMember {
        name: format!("node-{number}"),
        signer: Address::with_last_byte(number),
        node_key: Some(B256::with_last_byte(number)),
        address: format!("127.0.0.1:{}", 30_300 + u16::from(number)),
        role,
    }
}

fn nodes() -> Nodes {
    Nodes {
        signers: vec![Address::with_last_byte(2), Address::with_last_byte(1)],
        members: vec![
            member(1, MemberRole::Validator),
            member(2, MemberRole::Validator),
            member(3, MemberRole::Observer),
        ],
        period_milliseconds: Some(2_500),
        epoch: Some(60),
    }
}

#[test]
fn it_is_what_the_builder_makes_of_the_same_nodes() -> eyre::Result<()> {
    for name in ["dev", "devnet"] {
        let nodes = nodes();
        let mut config = GenesisConfig::read(&root().join(format!("genesis/{name}.toml")))?;
        config.clique.signers = nodes.signers.clone();
        config.clique.period = 2;
        config.clique.period_milliseconds = Some(2_500);
        config.clique.idle_period_milliseconds = Some(2_500);
        config.clique.epoch = 60;
        config.members = nodes.members.clone();
        let built = build(&config, &Artifacts::new(root().join("contracts/out")))?;
        let made = with_nodes(committed(name)?, &nodes)?;
        // Not assert_eq: a failure would print two files of code.
        assert!(to_json(&made)? == to_json(&built)?, "{name} differs");

        // And again, from a file that has members: they are replaced.
        let others = Nodes {
            members: vec![member(7, MemberRole::Validator)],
            signers: vec![Address::with_last_byte(7)],
            ..Nodes::default()
        };
        config.members = others.members.clone();
        config.clique.signers = others.signers.clone();
        let built = build(&config, &Artifacts::new(root().join("contracts/out")))?;
        assert!(to_json(&with_nodes(made, &others)?)? == to_json(&built)?);
    }
    Ok(())
}

#[test]
fn a_shorter_period_leaves_the_idle_one() -> eyre::Result<()> {
    let nodes = Nodes {
        period_milliseconds: Some(100),
        ..nodes()
    };
    let made = with_nodes(committed("devnet")?, &nodes)?;
    let rules = &made.config.extra_fields["wattline"];
    assert_eq!(rules["periodMilliseconds"], 100);
    assert_eq!(rules["idlePeriodMilliseconds"], 1_000);
    Ok(())
}

#[test]
fn a_file_without_the_contract_says_what_it_lacks() -> eyre::Result<()> {
    let mut base = committed("dev")?;
    base.alloc.remove(&CONSORTIUM);
    let error = with_nodes(base, &nodes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the genesis file has no Consortium contract at \
         0xE1ec000000000000000000000000000000000008: build one with it, from a configuration with \
         `members`"
    );
    Ok(())
}

#[test]
fn nodes_are_held_to_the_rules_of_members() -> eyre::Result<()> {
    let stranger = address!("0x00000000000000000000000000000000000000ff");
    let mut nodes = nodes();
    nodes.signers.push(stranger);
    match with_nodes(committed("dev")?, &nodes) {
        Err(GenesisBuildError::Members(MemberError::NoMember(signer))) => {
            assert_eq!(signer, stranger);
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}
