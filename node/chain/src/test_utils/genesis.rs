use std::{collections::BTreeMap, sync::Arc};

use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, U256};
use serde_json::json;
use tempfile::TempDir;
use wattline_chainspec::{ChainSpec, genesis_extra_data};
use wattline_storage::{ChainIdentity, Storage, StorageConfig};

use crate::Chain;

/// Block gas limit of test chains.
pub const TEST_GAS_LIMIT: u64 = 30_000_000;

/// A genesis block for tests: signers, funded accounts, clique settings.
#[derive(Clone, Debug)]
pub struct TestGenesis {
    signers: Vec<Address>,
    alloc: BTreeMap<Address, GenesisAccount>,
    period: u64,
    /// Busy and idle.
    milliseconds: Option<(u64, u64)>,
    epoch: u64,
    gas_limit: u64,
    history: Option<u64>,
    consortium: Option<Address>,
}

impl TestGenesis {
    /// A chain of `signers` with a period of one second and the usual epoch.
    pub fn new(signers: impl IntoIterator<Item = Address>) -> Self {
        Self {
            signers: signers.into_iter().collect(),
            alloc: BTreeMap::new(),
            period: 1,
            milliseconds: None,
            epoch: 30_000,
            gas_limit: TEST_GAS_LIMIT,
            history: None,
            consortium: None,
        }
    }

    /// Gives each of `accounts` a thousand ether.
    #[must_use]
    pub fn fund(mut self, accounts: impl IntoIterator<Item = Address>) -> Self {
        let balance = U256::from(1000) * U256::from(10).pow(U256::from(18));
        self.alloc.extend(
            accounts
                .into_iter()
                .map(|account| (account, GenesisAccount::default().with_balance(balance))),
        );
        self
    }

    /// Puts an account into the state.
    #[must_use]
    pub fn account(mut self, address: Address, account: GenesisAccount) -> Self {
        self.alloc.insert(address, account);
        self
    }

    /// Seconds between blocks.
    #[must_use]
    pub const fn period(mut self, period: u64) -> Self {
        self.period = period;
        self
    }

    /// Milliseconds between blocks, and between blocks when no transaction waits.
    #[must_use]
    pub const fn milliseconds(mut self, period: u64, idle_period: u64) -> Self {
        self.period = 0;
        self.milliseconds = Some((period, idle_period));
        self
    }

    /// Blocks between checkpoints.
    #[must_use]
    pub const fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The block gas limit.
    #[must_use]
    pub const fn gas_limit(mut self, gas_limit: u64) -> Self {
        self.gas_limit = gas_limit;
        self
    }

    /// Keeps the state of so many blocks before the head only.
    #[must_use]
    pub const fn history(mut self, blocks: u64) -> Self {
        self.history = Some(blocks);
        self
    }

    /// Where the Consortium contract is.
    #[must_use]
    pub const fn consortium(mut self, address: Address) -> Self {
        self.consortium = Some(address);
        self
    }

    /// The chain configuration.
    pub fn spec(&self) -> Arc<ChainSpec> {
        let mut wattline = json!({});
        if let Some((period, idle_period)) = self.milliseconds {
            wattline["periodMilliseconds"] = period.into();
            wattline["idlePeriodMilliseconds"] = idle_period.into();
        }
        if let Some(address) = self.consortium {
            wattline["consortium"] = json!(address);
        }
        let genesis = json!({
            "config": {
                "chainId": 57836,
                "homesteadBlock": 0,
                "eip150Block": 0,
                "eip155Block": 0,
                "eip158Block": 0,
                "byzantiumBlock": 0,
                "constantinopleBlock": 0,
                "petersburgBlock": 0,
                "istanbulBlock": 0,
                "berlinBlock": 0,
                "londonBlock": 0,
                "mergeNetsplitBlock": 0,
                "terminalTotalDifficulty": "0x0",
                "terminalTotalDifficultyPassed": true,
                "shanghaiTime": 0,
                "cancunTime": 0,
                "pragueTime": 0,
                "osakaTime": 0,
                "clique": { "period": self.period, "epoch": self.epoch },
                "wattline": wattline,
            },
            "nonce": "0x0",
            "timestamp": "0x0",
            "extraData": genesis_extra_data(self.signers.iter().copied()),
            "gasLimit": format!("{:#x}", self.gas_limit),
            "difficulty": "0x1",
            "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
            "coinbase": "0x0000000000000000000000000000000000000000",
            "alloc": {},
        });
        let mut genesis: Genesis =
            serde_json::from_value(genesis).expect("the test genesis is a genesis file");
        genesis.alloc = self.alloc.clone();
        Arc::new(ChainSpec::from_genesis(genesis).expect("the test genesis is valid"))
    }

    /// Opens (the first time: creates) the chain of this genesis in `dir`.
    pub fn open(&self, dir: &TempDir) -> Chain {
        let spec = self.spec();
        let config = StorageConfig {
            history: self.history,
            ..StorageConfig::default()
        };
        let storage = Storage::open_with(
            dir.path(),
            ChainIdentity {
                genesis_header: spec.genesis_header(),
                alloc: &spec.genesis().alloc,
                config_json: serde_json::to_string(&spec.genesis().config)
                    .expect("a chain configuration is JSON"),
            },
            &config,
        )
        .expect("a temporary directory takes a database");
        Chain::open(storage, spec).expect("the stored chain opens")
    }
}
