//! An existing genesis file for other nodes.
//!
//! The contracts lie in the file already, so nothing is compiled: the Consortium contract is set up
//! anew with the other members, as [`build`](crate::build) sets it up, and all else stays.

use alloy_genesis::{CliqueConfig, Genesis};
use alloy_primitives::{Address, Bytes, keccak256};
use alloy_sol_types::SolValue;
use serde_json::{Map, Value, json};
use wattline_chainspec::{ChainSpec, genesis_extra_data};
use wattline_market::{abi::IConsortium::NewMember, predeploys::CONSORTIUM};

use crate::{
    GenesisBuildError,
    config::FirstMember,
    members::first_members,
    predeploys::{DEPLOYER, IMPLEMENTATION_SLOT},
    world::World,
};

/// The contract's set-up, which is no part of its interface.
const INITIALIZE: &str = "initialize((bytes32,address,uint8,string,string)[])";

/// The nodes of a chain, and the pace at which they make it.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    /// The first signers, in any order; each is a member.
    pub signers: Vec<Address>,
    /// The first members of the consortium.
    pub members: Vec<FirstMember>,
    /// Milliseconds between blocks; none: as before.
    pub period_milliseconds: Option<u64>,
    /// Blocks between checkpoints; none: as before.
    pub epoch: Option<u64>,
}

/// The chain of `base` with other nodes: its signers and the members of its consortium are replaced
/// by those of `nodes`.
///
/// # Errors
///
/// [`GenesisBuildError`] when `base` has no Consortium contract, the members make no consortium,
/// or the result is no valid chain.
pub fn with_nodes(base: Genesis, nodes: &Nodes) -> Result<Genesis, GenesisBuildError> {
    let consortium = ChainSpec::from_genesis(base.clone())?
        .consortium()
        .unwrap_or(CONSORTIUM);
    let is_contract = |account: &alloy_genesis::GenesisAccount| account.non_empty_code().is_some();
    if !base.alloc.get(&consortium).is_some_and(is_contract) {
        return Err(GenesisBuildError::NoConsortium(consortium));
    }
    let members = first_members(&nodes.members, &nodes.signers)?;
    let mut genesis = base;
    let chain_id = genesis.config.chain_id;
    let mut world = World::from_alloc(chain_id, genesis.timestamp, genesis.alloc)?;
    world.wipe_storage(consortium, IMPLEMENTATION_SLOT.into());
    world.call(DEPLOYER, consortium, initialize(members))?;
    world.remove(DEPLOYER);
    genesis.alloc = world.into_alloc();
    genesis.extra_data = genesis_extra_data(nodes.signers.iter().copied());
    let clique = genesis.config.clique.get_or_insert(CliqueConfig {
        period: None,
        epoch: None,
    });
    if let Some(millis) = nodes.period_milliseconds {
        clique.period = Some(millis / 1_000);
    }
    clique.epoch = nodes.epoch.or(clique.epoch);
    let rules = genesis.config.extra_fields.remove("wattline");
    let rules = rules.and_then(|rules| match rules {
        Value::Object(rules) => Some(rules),
        _ => None,
    });
    let rules = changed(rules.unwrap_or_default(), consortium, nodes);
    let extra = &mut genesis.config.extra_fields;
    extra.insert("wattline".to_owned(), Value::Object(rules));
    ChainSpec::from_genesis(genesis.clone())?;
    Ok(genesis)
}

/// The chain's own settings after the change.
fn changed(
    mut rules: Map<String, Value>,
    consortium: Address,
    nodes: &Nodes,
) -> Map<String, Value> {
    rules.insert("consortium".to_owned(), json!(consortium));
    if let Some(millis) = nodes.period_milliseconds {
        rules.insert("periodMilliseconds".to_owned(), millis.into());
        let idle = rules.get_mut("idlePeriodMilliseconds");
        if let Some(idle) = idle.filter(|idle| idle.as_u64().is_some_and(|idle| idle < millis)) {
            *idle = millis.into();
        }
    }
    // In the order of their names, whether or not the map keeps another.
    let mut sorted: Vec<_> = rules.into_iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    sorted.into_iter().collect()
}

fn initialize(members: Vec<NewMember>) -> Bytes {
    let selector = keccak256(INITIALIZE);
    let arguments = (members,).abi_encode_params();
    [&selector[..4], &arguments].concat().into()
}
