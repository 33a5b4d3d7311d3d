//! The committed genesis files are what the committed contracts and configurations give.

use std::time::Duration;

use alloy_primitives::{U256, address};
use wattline_chainspec::{ChainSpec, DEFAULT_AUCTION};
use wattline_genesis::{Artifacts, GenesisBuildError, GenesisConfig, build, to_json};
use wattline_market::predeploys::{BATCH_AUCTION, PERMISSIONS};

use crate::root;

fn rebuilt(name: &str) -> eyre::Result<(String, String)> {
    let config = GenesisConfig::read(&root().join(format!("genesis/{name}.toml")))?;
    let genesis = build(&config, &Artifacts::new(root().join("contracts/out")))?;
    let committed = std::fs::read_to_string(root().join(format!("genesis/{name}.json")))?;
    Ok((to_json(&genesis)?, committed))
}

#[test]
fn rebuilding_the_committed_files_changes_nothing() -> eyre::Result<()> {
    for name in ["dev", "devnet"] {
        let (rebuilt, committed) = rebuilt(name)?;
        // Not assert_eq: a failure would print two files of code.
        assert!(
            rebuilt == committed,
            "genesis/{name}.json is stale; run `make genesis`"
        );
    }
    Ok(())
}

#[test]
fn the_committed_chains_are_what_the_readme_says() -> eyre::Result<()> {
    let (_, dev) = rebuilt("dev")?;
    let dev = ChainSpec::from_json(&dev)?;
    let account_0 = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    assert_eq!(dev.chain_id(), 57836);
    assert_eq!(dev.genesis_signers(), [account_0]);
    assert_eq!(dev.period(), Duration::from_millis(250));
    assert_eq!(dev.idle_period(), Duration::from_secs(1));
    assert_eq!(dev.permissions(), None);
    let funded = dev
        .genesis()
        .alloc
        .values()
        .filter(|account| !account.balance.is_zero());
    assert_eq!(funded.count(), 10);
    let account = &dev.genesis().alloc[&account_0];
    assert_eq!(
        account.balance,
        U256::from(10_000) * U256::from(10).pow(U256::from(18))
    );
    assert_eq!(account.nonce, None);

    let (_, devnet) = rebuilt("devnet")?;
    let devnet = ChainSpec::from_json(&devnet)?;
    assert_eq!(devnet.chain_id(), 57836);
    assert_eq!(devnet.genesis_signers().len(), 4);
    assert_eq!(devnet.period(), Duration::from_millis(250));
    assert_eq!(devnet.idle_period(), Duration::from_secs(1));
    assert_eq!(devnet.permissions(), Some(PERMISSIONS));
    Ok(())
}

#[test]
fn the_auction_is_where_clients_look_for_it() {
    assert_eq!(DEFAULT_AUCTION, BATCH_AUCTION);
}

#[test]
fn a_missing_artifact_says_how_to_make_it() -> eyre::Result<()> {
    let config = GenesisConfig::read(&root().join("genesis/dev.toml"))?;
    let empty = tempfile::tempdir()?;
    let error = build(&config, &Artifacts::new(empty.path())).unwrap_err();
    assert!(matches!(error, GenesisBuildError::Artifact(_)));
    assert!(
        error
            .to_string()
            .ends_with("compile the contracts first with `make contracts`")
    );
    Ok(())
}

#[test]
fn a_role_that_nobody_holds_is_refused() -> eyre::Result<()> {
    let mut config = GenesisConfig::read(&root().join("genesis/dev.toml"))?;
    config.roles.permission_operators.clear();
    let error = build(&config, &Artifacts::new(root().join("contracts/out"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`roles.permission_operators` is empty: name at least one account"
    );
    Ok(())
}

#[test]
fn an_administrator_faster_than_its_upgrades_is_refused() -> eyre::Result<()> {
    let mut config = GenesisConfig::read(&root().join("genesis/dev.toml"))?;
    (config.roles.admin_delay, config.roles.upgrade_delay) = (3_599, 3_600);
    let artifacts = Artifacts::new(root().join("contracts/out"));
    let error = build(&config, &artifacts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`roles.admin_delay` is 3599 s: it must be at least `roles.upgrade_delay`, which is 3600 s"
    );
    config.roles.admin_delay = 3_600;
    build(&config, &artifacts)?;
    Ok(())
}

#[test]
fn an_account_that_no_operator_can_permit_is_refused() -> eyre::Result<()> {
    let mut config = GenesisConfig::read(&root().join("genesis/devnet.toml"))?;
    config.roles.registrar = config.accounts[1].address;
    let error = build(&config, &Artifacts::new(root().join("contracts/out"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "account 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 cannot be `permitted`: as administrator, bank or \
         registrar it may transact anyway"
    );
    Ok(())
}

#[test]
fn periods_in_milliseconds_are_written_into_the_file() -> eyre::Result<()> {
    let mut config = GenesisConfig::read(&root().join("genesis/devnet.toml"))?;
    config.clique.period = 0;
    config.clique.period_milliseconds = Some(250);
    config.clique.idle_period_milliseconds = Some(1_000);
    let artifacts = Artifacts::new(root().join("contracts/out"));
    let spec = ChainSpec::from_json(&to_json(&build(&config, &artifacts)?)?)?;
    assert_eq!(spec.period(), Duration::from_millis(250));
    assert_eq!(spec.idle_period(), Duration::from_secs(1));
    assert_eq!(spec.permissions(), Some(PERMISSIONS));

    config.clique.idle_period_milliseconds = Some(249);
    let error = build(&config, &artifacts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration makes no valid chain: genesis key \
         `config.wattline.idlePeriodMilliseconds` is 249: expected at least 250, the period"
    );
    Ok(())
}

#[test]
fn a_key_that_is_not_a_setting_is_named() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("chain.toml");
    let text = std::fs::read_to_string(root().join("genesis/dev.toml"))?;
    std::fs::write(&path, text.replace("gas_limit", "gas_limits"))?;
    let error = GenesisConfig::read(&path).unwrap_err().to_string();
    assert!(error.contains("unknown field `gas_limits`"), "{error}");
    Ok(())
}
