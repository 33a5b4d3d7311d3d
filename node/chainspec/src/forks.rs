use crate::{ChainSpec, ChainSpecError};
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256};

/// Checks that exactly the forks through Osaka are active at genesis.
///
/// The difficulty-bomb delays (Muir, Arrow and Gray Glacier) and the merge's network splitter
/// change no rule of this chain: they may be absent, but not later than genesis.
pub(crate) fn check_forks(config: &ChainConfig) -> Result<(), ChainSpecError> {
    let required = [
        ("homesteadBlock", config.homestead_block),
        ("eip150Block", config.eip150_block),
        ("eip155Block", config.eip155_block),
        ("eip158Block", config.eip158_block),
        ("byzantiumBlock", config.byzantium_block),
        ("constantinopleBlock", config.constantinople_block),
        ("petersburgBlock", config.petersburg_block),
        ("istanbulBlock", config.istanbul_block),
        ("berlinBlock", config.berlin_block),
        ("londonBlock", config.london_block),
        ("shanghaiTime", config.shanghai_time),
        ("cancunTime", config.cancun_time),
        ("pragueTime", config.prague_time),
        ("osakaTime", config.osaka_time),
    ];
    for (key, activation) in required {
        let found = activation.ok_or(ChainSpecError::ForkMissing { key })?;
        at_genesis(key, U256::from(found))?;
    }
    let merge = config
        .terminal_total_difficulty
        .ok_or(ChainSpecError::ForkMissing {
            key: "terminalTotalDifficulty",
        })?;
    at_genesis("terminalTotalDifficulty", merge)?;

    let without_effect = [
        ("muirGlacierBlock", config.muir_glacier_block),
        ("arrowGlacierBlock", config.arrow_glacier_block),
        ("grayGlacierBlock", config.gray_glacier_block),
        ("mergeNetsplitBlock", config.merge_netsplit_block),
    ];
    for (key, activation) in without_effect {
        at_genesis(key, U256::from(activation.unwrap_or_default()))?;
    }

    let unsupported = [
        ("daoForkBlock", config.dao_fork_block),
        ("bpo1Time", config.bpo1_time),
        ("bpo2Time", config.bpo2_time),
        ("bpo3Time", config.bpo3_time),
        ("bpo4Time", config.bpo4_time),
        ("bpo5Time", config.bpo5_time),
        ("amsterdamTime", config.amsterdam_time),
        ("bogotaTime", config.bogota_time),
    ];
    for (key, activation) in unsupported {
        if activation.is_some() {
            return Err(ChainSpecError::ForkUnsupported { key });
        }
    }
    Ok(())
}

fn at_genesis(key: &'static str, found: U256) -> Result<(), ChainSpecError> {
    if found.is_zero() {
        Ok(())
    } else {
        Err(ChainSpecError::ForkNotAtGenesis { key, found })
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        use EthereumHardfork as Fork;
        match fork {
            Fork::Dao => ForkCondition::Never,
            Fork::Paris => ForkCondition::TTD {
                activation_block_number: 0,
                fork_block: Some(0),
                total_difficulty: U256::ZERO,
            },
            Fork::Shanghai | Fork::Cancun | Fork::Prague | Fork::Osaka => {
                ForkCondition::Timestamp(0)
            }
            _ if fork < Fork::Paris => ForkCondition::Block(0),
            _ => ForkCondition::Never,
        }
    }
}

impl EthExecutorSpec for ChainSpec {
    /// There is no beacon chain that takes deposits.
    fn deposit_contract_address(&self) -> Option<Address> {
        None
    }
}
