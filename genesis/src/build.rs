//! From a configuration to a genesis file.

use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_genesis::{ChainConfig, CliqueConfig, Genesis};
use alloy_primitives::{Address, U256};
use serde_json::{Value, json};
use thiserror::Error;
use wattline_chainspec::{ChainSpec, ChainSpecError, DEFAULT_AUCTION, genesis_extra_data};
use wattline_market::predeploys::{CONSORTIUM, PERMISSIONS};

use crate::{
    artifacts::{ArtifactError, Artifacts},
    config::GenesisConfig,
    members::{MemberError, first_members},
    predeploys,
    world::{World, WorldError},
};

/// Why no genesis file was built.
#[derive(Debug, Error)]
pub enum GenesisBuildError {
    /// The contracts are not compiled.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A step of the contracts' set-up failed.
    #[error("the contracts cannot be set up: {0}")]
    SetUp(#[from] WorldError),
    /// A role that somebody must hold has nobody.
    #[error("`roles.{role}` is empty: name at least one account")]
    NobodyHolds {
        /// The key in the configuration.
        role: &'static str,
    },
    /// The administrator could give itself a shorter delay for upgrades than it has.
    #[error(
        "`roles.admin_delay` is {admin} s: it must be at least `roles.upgrade_delay`, which is {upgrade} s"
    )]
    DelayTooShort {
        /// What holds for the administrator, in seconds.
        admin: u32,
        /// What holds for upgrades, in seconds.
        upgrade: u32,
    },
    /// An account that no permission operator can change is to be permitted by one.
    #[error(
        "account {0} cannot be `permitted`: as administrator, bank or registrar it may transact anyway"
    )]
    Protected(Address),
    /// The members make no consortium.
    #[error(transparent)]
    Members(#[from] MemberError),
    /// A chain without the contract that names nodes cannot have any.
    #[error(
        "the genesis file has no Consortium contract at {0}: build one with it, from a configuration \
         with `members`"
    )]
    NoConsortium(Address),
    /// The result is not a valid genesis file, so the configuration is wrong.
    #[error("the configuration makes no valid chain: {0}")]
    Invalid(#[from] ChainSpecError),
}

/// Builds the genesis file of `config` with the contracts from `artifacts`.
///
/// # Errors
///
/// [`GenesisBuildError`] when a contract is missing, its set-up fails, or the configuration makes
/// no valid chain.
pub fn build(config: &GenesisConfig, artifacts: &Artifacts) -> Result<Genesis, GenesisBuildError> {
    let roles = &config.roles;
    if roles.permission_operators.is_empty() {
        return Err(GenesisBuildError::NobodyHolds {
            role: "permission_operators",
        });
    }
    if roles.admin_delay < roles.upgrade_delay {
        return Err(GenesisBuildError::DelayTooShort {
            admin: roles.admin_delay,
            upgrade: roles.upgrade_delay,
        });
    }
    let protected = [roles.admin, roles.bank, roles.registrar];
    let mut permitted = config.accounts.iter().filter(|account| account.permitted);
    if let Some(account) = permitted.find(|account| protected.contains(&account.address)) {
        return Err(GenesisBuildError::Protected(account.address));
    }
    let members = first_members(&config.members, &config.clique.signers)?;
    let mut world = World::new(config.chain_id, config.timestamp);
    predeploys::deploy(&mut world, artifacts, config, members, DEFAULT_AUCTION)?;
    // Contracts find older block hashes there; the EVM writes them at the start of every block.
    world.etch(HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone());
    for account in &config.accounts {
        world.fund(account.address, account.coins);
    }
    let genesis = Genesis {
        config: chain_config(config),
        timestamp: config.timestamp,
        extra_data: genesis_extra_data(config.clique.signers.iter().copied()),
        gas_limit: config.gas_limit,
        difficulty: U256::from(1),
        base_fee_per_gas: Some(0),
        number: Some(0),
        alloc: world.into_alloc(),
        ..Default::default()
    };
    ChainSpec::from_genesis(genesis.clone())?;
    Ok(genesis)
}

/// The genesis file as text: the same genesis always gives the same text.
///
/// # Errors
///
/// Never for a genesis that [`build`] made.
pub fn to_json(genesis: &Genesis) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(genesis)?;
    text.push('\n');
    Ok(text)
}

fn chain_config(config: &GenesisConfig) -> ChainConfig {
    let mut chain = ChainConfig {
        chain_id: config.chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        osaka_time: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        clique: Some(CliqueConfig {
            period: Some(config.clique.period),
            epoch: Some(config.clique.epoch),
        }),
        ..Default::default()
    };
    let clique = &config.clique;
    let has_members = !config.members.is_empty();
    // In the order of their names, which is that of the file whether or not the map keeps another.
    let rules = [
        ("consortium", has_members.then(|| json!(CONSORTIUM))),
        (
            "idlePeriodMilliseconds",
            clique.idle_period_milliseconds.map(Value::from),
        ),
        (
            "periodMilliseconds",
            clique.period_milliseconds.map(Value::from),
        ),
        (
            "permissions",
            config.permissioned.then(|| json!(PERMISSIONS)),
        ),
    ];
    let rules = rules
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    let rules = Value::Object(rules);
    chain.extra_fields.insert("wattline".to_owned(), rules);
    chain
}
