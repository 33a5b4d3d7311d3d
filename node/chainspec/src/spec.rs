use crate::{
    ChainSpecError, CliqueConfig, WattlineConfig, extra_data::genesis_signers, forks::check_forks,
    header::genesis_header, periods::Periods,
};
use alloy_consensus::Header;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, keccak256};
use reth_primitives_traits::SealedHeader;
use serde_json::Value;
use std::time::Duration;

/// Least blocks between two checkpoints: a checkpoint carries no vote, so with an epoch of one
/// there would never be one.
const MIN_EPOCH: u64 = 2;

/// A chain that this node can run: everything its genesis file says, checked once.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    genesis: Genesis,
    genesis_header: SealedHeader<Header>,
    signers: Vec<Address>,
    clique: CliqueConfig,
    wattline: WattlineConfig,
    periods: Periods,
    chain_hash: B256,
}

impl ChainSpec {
    /// Reads and checks the text of a genesis file.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError::Json`] if the text is not a genesis file, [`ChainSpecError::Missing`] if
    /// it names no chain id, and every error of [`Self::from_genesis`].
    pub fn from_json(text: &str) -> Result<Self, ChainSpecError> {
        let json = |error: serde_json::Error| ChainSpecError::Json(error.to_string());
        let value: Value = serde_json::from_str(text).map_err(json)?;
        // The typed file falls back to chain id 1, which is somebody else's chain.
        if value.pointer("/config/chainId").is_none() {
            return Err(ChainSpecError::Missing {
                key: "config.chainId",
                expected: "the chain's number, 57836 for development",
            });
        }
        Self::from_genesis(serde_json::from_str(text).map_err(json)?)
    }

    /// Checks a genesis file and derives the genesis block from it.
    ///
    /// # Errors
    ///
    /// A [`ChainSpecError`] that names the first key that is missing, unknown or wrong.
    pub fn from_genesis(genesis: Genesis) -> Result<Self, ChainSpecError> {
        let config = &genesis.config;
        if config.chain_id == 0 {
            return Err(ChainSpecError::Invalid {
                key: "config.chainId".to_owned(),
                found: "0".to_owned(),
                expected: "a number from 1".to_owned(),
            });
        }
        check_forks(config)?;
        let clique = clique_config(config)?;
        let wattline = wattline_config(config)?;
        let periods = Periods::of(clique, &wattline)?;
        let signers = genesis_signers(&genesis.extra_data)?;
        check_alloc(&genesis, &wattline)?;
        let genesis_header = SealedHeader::seal_slow(genesis_header(&genesis, &wattline)?);
        let settings = serde_json::to_vec(&genesis.config)
            .map_err(|error| ChainSpecError::Json(error.to_string()))?;
        let chain_hash = keccak256([genesis_header.hash(), keccak256(settings)].concat());
        Ok(Self {
            genesis,
            genesis_header,
            signers,
            clique,
            wattline,
            periods,
            chain_hash,
        })
    }

    /// The chain id of EIP-155.
    pub fn chain_id(&self) -> u64 {
        self.genesis.config.chain_id
    }

    /// The genesis file as it was read.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The genesis block's header and hash.
    pub fn genesis_header(&self) -> &SealedHeader<Header> {
        &self.genesis_header
    }

    /// The genesis block's hash.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_header.hash()
    }

    /// The hash of the genesis block *and* of the configuration, which the genesis block does not
    /// cover. Nodes of one hash follow the same rules; no others talk to each other.
    pub fn chain_hash(&self) -> B256 {
        self.chain_hash
    }

    /// The signers that the genesis block names, in ascending order; never empty.
    pub fn genesis_signers(&self) -> &[Address] {
        &self.signers
    }

    /// EIP-225's period and epoch length. What counts between blocks is [`Self::period`].
    pub fn clique(&self) -> CliqueConfig {
        self.clique
    }

    /// The chain's own settings.
    pub fn wattline(&self) -> &WattlineConfig {
        &self.wattline
    }

    /// Least time between a block and its parent, in whole milliseconds.
    pub fn period(&self) -> Duration {
        self.periods.busy
    }

    /// Time after which a block comes although no transaction waits; not shorter than the period.
    pub fn idle_period(&self) -> Duration {
        self.periods.idle
    }

    /// The base fee of every block, in wei.
    pub fn base_fee_per_gas(&self) -> u64 {
        self.wattline.base_fee_per_gas
    }

    /// The highest gas limit of one transaction; `None` is the block gas limit.
    pub fn transaction_gas_cap(&self) -> Option<u64> {
        self.wattline.transaction_gas_cap
    }

    /// The contract that says who may transact; `None`: everyone.
    pub fn permissions(&self) -> Option<Address> {
        self.wattline.permissions
    }

    /// The contract that says whose which node is; `None`: there is one validator and no other
    /// node.
    pub fn consortium(&self) -> Option<Address> {
        self.wattline.consortium
    }

    /// The address of the batch auction precompile.
    pub fn auction(&self) -> Address {
        self.wattline.auction
    }
}

fn clique_config(config: &alloy_genesis::ChainConfig) -> Result<CliqueConfig, ChainSpecError> {
    let section = config.clique.as_ref().ok_or(ChainSpecError::Missing {
        key: "config.clique",
        expected: "{\"period\": seconds between blocks, \"epoch\": blocks between checkpoints}",
    })?;
    let period = section.period.ok_or(ChainSpecError::Missing {
        key: "config.clique.period",
        expected: "the seconds between two blocks, 0 where they come faster",
    })?;
    let (key, expected) = (
        "config.clique.epoch",
        "the blocks between two checkpoints, at least 2 (commonly 30000)",
    );
    match section.epoch {
        None => Err(ChainSpecError::Missing { key, expected }),
        Some(epoch) if epoch < MIN_EPOCH => Err(ChainSpecError::Invalid {
            key: key.to_owned(),
            found: epoch.to_string(),
            expected: expected.to_owned(),
        }),
        Some(epoch) => Ok(CliqueConfig { period, epoch }),
    }
}

fn wattline_config(config: &alloy_genesis::ChainConfig) -> Result<WattlineConfig, ChainSpecError> {
    // Another engine's section, or a misspelt `wattline`, would silently mean other rules.
    if let Some(key) = config.extra_fields.keys().find(|key| *key != "wattline") {
        return Err(ChainSpecError::UnknownConfigKey(key.clone()));
    }
    for (key, present) in [
        ("ethash", config.ethash.is_some()),
        ("parlia", config.parlia.is_some()),
    ] {
        if present {
            return Err(ChainSpecError::UnknownConfigKey(key.to_owned()));
        }
    }
    match config.extra_fields.get("wattline") {
        Some(section) => WattlineConfig::from_value(section),
        None => Ok(WattlineConfig::default()),
    }
}

fn check_alloc(genesis: &Genesis, wattline: &WattlineConfig) -> Result<(), ChainSpecError> {
    let is_empty = |account: &GenesisAccount| {
        account.balance.is_zero()
            && account.nonce.unwrap_or_default() == 0
            && account.non_empty_code().is_none()
    };
    if let Some((address, _)) = genesis.alloc.iter().find(|(_, account)| is_empty(account)) {
        return Err(ChainSpecError::EmptyAccount(*address));
    }
    let mut contracts = wattline.contracts();
    match contracts.find(|(_, address)| !genesis.alloc.contains_key(address)) {
        Some((key, address)) => Err(ChainSpecError::NotDeployed { key, address }),
        None => Ok(()),
    }
}
