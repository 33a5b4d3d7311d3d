//! The configuration a genesis file is built from.

use std::path::Path;

use alloy_primitives::{Address, B256, U256, utils::parse_ether};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum GenesisConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The configuration file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML of this shape.
    #[error("{path} is not a genesis configuration: {source}")]
    Malformed {
        /// The configuration file.
        path: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

/// A chain and the first state of its market.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisConfig {
    /// The chain id.
    pub chain_id: u64,
    /// Time of the genesis block, Unix seconds.
    pub timestamp: u64,
    /// Gas limit of a block.
    pub gas_limit: u64,
    /// Whether only accounts with a permission may transact.
    pub permissioned: bool,
    /// Proof of authority.
    pub clique: Clique,
    /// Who holds which role in the market.
    pub roles: Roles,
    /// The settlement token.
    pub token: Token,
    /// Accounts that own something, or may transact, from the start.
    pub accounts: Vec<Account>,
    /// The first members of the consortium; without any the chain has one validator and no other
    /// nodes.
    #[serde(default)]
    pub members: Vec<FirstMember>,
}

/// Proof of authority (EIP-225).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clique {
    /// Seconds between blocks; 0 where they come several times a second.
    pub period: u64,
    /// Milliseconds between blocks, in place of the seconds.
    pub period_milliseconds: Option<u64>,
    /// Milliseconds after which a block comes although no transaction waits.
    pub idle_period_milliseconds: Option<u64>,
    /// Blocks between checkpoints.
    pub epoch: u64,
    /// The first signers, in any order.
    pub signers: Vec<Address>,
}

/// Who holds which role at the start; the administrator can grant and revoke roles later.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The consortium's administrator: grants roles, upgrades contracts.
    pub admin: Address,
    /// Seconds for which the administrator announces what it does; at least `upgrade_delay`.
    pub admin_delay: u32,
    /// Seconds for which the administrator announces upgrades.
    pub upgrade_delay: u32,
    /// Creates and changes zones.
    pub zone_administrator: Address,
    /// Each can stop new orders for a day.
    pub pausers: Vec<Address>,
    /// Each can cancel upgrades and what else is announced.
    pub guardians: Vec<Address>,
    /// Mints, burns and pauses the settlement token.
    pub bank: Address,
    /// Proposes participants and meters.
    pub registrar: Address,
    /// Say who may transact and deploy; at least one.
    pub permission_operators: Vec<Address>,
}

/// The settlement token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// Its symbol.
    pub symbol: String,
}

/// An account of the first state.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account.
    pub address: Address,
    /// Native coin, in whole coins of 10^18 wei.
    #[serde(default, deserialize_with = "coins")]
    pub coins: U256,
    /// Settlement tokens, in whole tokens of 10^18 base units.
    #[serde(default, deserialize_with = "coins")]
    pub tokens: U256,
    /// Whether it may transact and deploy where the chain is permissioned.
    #[serde(default)]
    pub permitted: bool,
}

/// A member of the consortium from the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstMember {
    /// What people call it, 1 to 64 bytes.
    pub name: String,
    /// The account that changes its node later and, for a validator, seals blocks.
    pub signer: Address,
    /// The ed25519 public key of its node.
    pub node_key: Option<B256>,
    /// Where its node is reached, `host:port`.
    pub address: String,
    /// What its node does.
    pub role: MemberRole,
}

/// What a member's node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// It takes part in the agreement while its signer is one of the chain's signers.
    Validator,
    /// It follows the chain.
    Observer,
}

impl GenesisConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// [`GenesisConfigError`] when it cannot be read or has another shape.
    pub fn read(path: &Path) -> Result<Self, GenesisConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| GenesisConfigError::Read {
            path: name.clone(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| GenesisConfigError::Malformed {
            path: name,
            source: Box::new(source),
        })
    }
}

/// A decimal number of whole coins, as 10^18 base units each.
fn coins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_ether(&text).map_err(serde::de::Error::custom)
}
