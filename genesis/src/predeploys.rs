//! Where the contracts stand and how they are set up.
//!
//! Which proxies there are and which calls turn them into a working market is said once, by the
//! Solidity contract `Genesis`, for the contracts' own tests and for this builder.

use alloy_primitives::{Address, B256, address, b256};
use alloy_sol_types::SolValue;
use wattline_market::abi::{Genesis as Script, IConsortium::NewMember};

use crate::{artifacts::Artifacts, build::GenesisBuildError, config::GenesisConfig, world::World};

/// Where a proxy keeps its implementation (ERC-1967).
pub(crate) const IMPLEMENTATION_SLOT: B256 =
    b256!("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
/// Creates the implementations; no trace of it remains.
pub(crate) const DEPLOYER: Address = address!("0xE1EC00000000000000000000000000000000ffff");

/// Puts the contracts into `world` and sets them up.
///
/// # Errors
///
/// [`GenesisBuildError`] when an artifact is missing or a step of the set-up fails.
pub(crate) fn deploy(
    world: &mut World,
    artifacts: &Artifacts,
    config: &GenesisConfig,
    members: Vec<NewMember>,
    auction: Address,
) -> Result<(), GenesisBuildError> {
    // A world of its own, so that the script leaves nothing in the chain.
    let mut scratch = World::new(config.chain_id, config.timestamp);
    let script = scratch.create("Genesis", DEPLOYER, artifacts.creation_code("Genesis")?)?;
    let proxy = scratch.ask(script, &Script::proxyCodeCall {})?;
    let placements = scratch.ask(script, &Script::placementsCall {})?;
    let calls = scratch.ask(
        script,
        &Script::callsCall {
            config: script_config(config, members),
        },
    )?;

    for Script::Placement {
        proxy: at,
        artifact,
    } in placements
    {
        let mut code = artifacts.creation_code(&artifact)?.to_vec();
        if artifact == "Market" {
            code.extend_from_slice(&auction.abi_encode());
        }
        let implementation = world.create(&artifact, DEPLOYER, code.into())?;
        world.etch(at, proxy.clone());
        world.store(
            at,
            IMPLEMENTATION_SLOT.into(),
            implementation.into_word().into(),
        );
    }
    for Script::Call { from, to, data } in calls {
        world.call(from, to, data)?;
        // Whoever takes part in the set-up starts the chain with nonce zero, like everybody else.
        world.reset_nonce(from);
    }
    world.remove(DEPLOYER);
    Ok(())
}

fn script_config(config: &GenesisConfig, members: Vec<NewMember>) -> Script::Config {
    let permitted = config.accounts.iter().filter(|account| account.permitted);
    let funding = config
        .accounts
        .iter()
        .filter(|account| !account.tokens.is_zero())
        .map(|account| Script::Funding {
            accounts: vec![account.address],
            amount: account.tokens,
        });
    Script::Config {
        admin: config.roles.admin,
        adminDelay: config.roles.admin_delay,
        upgradeDelay: config.roles.upgrade_delay,
        zoneAdministrator: config.roles.zone_administrator,
        pausers: config.roles.pausers.clone(),
        guardians: config.roles.guardians.clone(),
        bank: config.roles.bank,
        registrar: config.roles.registrar,
        permissionOperators: config.roles.permission_operators.clone(),
        transactors: Vec::new(),
        deployers: permitted.map(|account| account.address).collect(),
        tokenName: config.token.name.clone(),
        tokenSymbol: config.token.symbol.clone(),
        // Zones are set up on the running chain, by their administrator.
        zones: Vec::new(),
        funding: funding.collect(),
        members,
    }
}
