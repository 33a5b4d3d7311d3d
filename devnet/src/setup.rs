//! Brings the households onto the chain: zone, participants, meters, permission, money. Each step
//! first looks at what is there, so that a second run on the same chain finds its households and
//! goes on.

use crate::{config::NeighbourhoodConfig, household::Household};
use alloy::{
    primitives::{Address, B256, U256, Uint, keccak256, uint},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{SolCall, SolValue},
};
use std::time::Duration;
use tracing::info;
use wattline_market::{
    Client, ContractCall, MarketError, Metering, Money, TransactionSender,
    abi::{IPermissions, IRegistry, ISettlementToken, IVault},
    predeploys::{MARKET, METERING, PERMISSIONS, REGISTRY, SETTLEMENT, SETTLEMENT_TOKEN, VAULT},
};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many accounts or meters go into one transaction.
const PAGE: usize = 50;
/// One unit of the chain's coin, in wei.
const COIN: U256 = uint!(1_000_000_000_000_000_000_U256);
/// What a household has in the vault at first, in units of the token, and what makes it pay in
/// again.
const HOUSEHOLD_MONEY: u64 = 1_000;
const HOUSEHOLD_LOW: u64 = 250;
/// The same for the zone operator, who stands behind all imbalances.
const OPERATOR_MONEY: u64 = 1_000_000;
const OPERATOR_LOW: u64 = 100_000;
/// The most orders of one product; clearing so many takes about a fifth of a block's gas.
const MAX_ORDERS: u32 = 10_000;
/// A permission to send transactions.
const TRANSACT: u64 = 1;

/// Why a neighbourhood cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] MarketError),
    /// The interval is too short to trade in.
    #[error("an interval must be at least 2 s long, got {0} s: blocks come every second")]
    IntervalTooShort(u32),
    /// The zone has other intervals.
    #[error(
        "zone {zone} of this chain has intervals of {found} s, not {wanted} s, and a zone's length is fixed for life; \
         use --interval-seconds {found}, or a fresh data directory"
    )]
    IntervalLength {
        /// The zone.
        zone: u64,
        /// Its intervals.
        found: u32,
        /// The wanted ones.
        wanted: u32,
    },
    /// A meter of that name is somebody else's.
    #[error(
        "meter {meter} of this chain belongs to another data set ({reason}); use the data it was registered with, or \
         a fresh data directory"
    )]
    OtherMeter {
        /// The meter's name.
        meter: String,
        /// What differs.
        reason: String,
    },
    /// A household is in another zone.
    #[error("the households are participants of another zone already, not of zone {0}")]
    OtherZone(u64),
}

/// The rules by which a zone of so long intervals can be played: the book must be open long enough
/// for every household to order in it, whatever the interval's length.
fn zone_settings(operator: Address, interval: u32) -> IRegistry::ZoneSettings {
    let gate_lead = (interval / 4).max(2);
    let reporting_deadline = interval.saturating_mul(40).clamp(600, 86_400);
    IRegistry::ZoneSettings {
        operator,
        intervalLength: interval,
        gateLead: gate_lead,
        openLead: gate_lead + interval.max(6),
        minPrice: -50_000,
        maxPrice: 400_000,
        shortagePrice: 32_000,
        surplusPrice: 7_000,
        gridFee: 8_000,
        // The bank stands behind everybody here: nobody keeps money back for what it may come to owe.
        securityIntervals: 0,
        reportingDeadline: Uint::from(reporting_deadline),
        maxRating: Uint::MAX,
        finalDeadline: 2 * reporting_deadline,
        correctionPeriod: 4 * reporting_deadline,
        maxOrders: Uint::from(MAX_ORDERS),
    }
}

/// Makes sure that everything is there; returns the zone's rules.
pub(crate) async fn set_up(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    households: &[Household],
) -> Result<IRegistry::ZoneSettings, SetupError> {
    if config.interval_seconds < 2 {
        return Err(SetupError::IntervalTooShort(config.interval_seconds));
    }
    sender
        .client()
        .check(&[
            SETTLEMENT_TOKEN,
            PERMISSIONS,
            REGISTRY,
            VAULT,
            MARKET,
            METERING,
            SETTLEMENT,
        ])
        .await?;
    let accounts: Vec<_> = households.iter().map(Household::account).collect();
    permit(sender, config, &accounts).await?;
    let settings = zone(sender, config).await?;
    participants(sender, config, &accounts).await?;
    meters(sender, config, households).await?;
    coins(sender, config, &accounts).await?;
    money(sender, config, households).await?;
    Ok(settings)
}

async fn zone(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
) -> Result<IRegistry::ZoneSettings, SetupError> {
    let zone = config.zone;
    if !sender.client().zones().await?.contains(&zone) {
        let settings = zone_settings(config.operator.address(), config.interval_seconds);
        let call = IRegistry::createZoneCall { zone, settings };
        let call = ContractCall::new(
            config.operator.address(),
            REGISTRY,
            &call,
            "creating the zone",
            1_000_000,
        );
        sender.transact(&[call], PATIENCE).await?;
        info!(
            zone,
            interval_seconds = config.interval_seconds,
            "zone created"
        );
    }
    let settings = sender.client().latest_settings(zone).await?;
    if settings.intervalLength != config.interval_seconds {
        let (found, wanted) = (settings.intervalLength, config.interval_seconds);
        return Err(SetupError::IntervalLength {
            zone,
            found,
            wanted,
        });
    }
    Ok(settings)
}

/// On a permissioned chain the households may not transact until the operator says so; elsewhere
/// this changes nothing.
async fn permit(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    accounts: &[Address],
) -> Result<(), SetupError> {
    let flags = sender.client().permissions(accounts).await?;
    let missing: Vec<_> = accounts
        .iter()
        .zip(flags)
        .filter(|(_, flags)| !flags.bit(0))
        .map(|(account, _)| *account)
        .collect();
    let calls: Vec<_> = missing
        .chunks(PAGE)
        .map(|page| {
            let call = IPermissions::setFlagsCall {
                accounts: page.to_vec(),
                flags: U256::from(TRANSACT),
            };
            let gas = 100_000 + 60_000 * page.len() as u64;
            ContractCall::new(
                config.operator.address(),
                PERMISSIONS,
                &call,
                "permitting the households",
                gas,
            )
        })
        .collect();
    Ok(sender.transact(&calls, PATIENCE).await?)
}

async fn participants(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    accounts: &[Address],
) -> Result<(), SetupError> {
    let zone = config.zone;
    let mut registered = sender.client().participants(zone).await?;
    registered.sort();
    let missing: Vec<_> = accounts
        .iter()
        .copied()
        .filter(|account| registered.binary_search(account).is_err())
        .collect();
    if let Some(first) = missing.first()
        && sender.client().zone_of(*first).await?.is_some()
    {
        return Err(SetupError::OtherZone(zone));
    }
    let calls: Vec<_> = missing
        .chunks(PAGE)
        .flat_map(|page| {
            let call = IRegistry::registerParticipantsCall {
                zone,
                accounts: page.to_vec(),
            };
            let gas = 100_000 + 120_000 * page.len() as u64;
            agreed(config, &call, "registering the households", gas)
        })
        .collect();
    sender.transact(&calls, PATIENCE).await?;
    info!(
        households = accounts.len(),
        new = missing.len(),
        "households are participants"
    );
    Ok(())
}

async fn meters(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    households: &[Household],
) -> Result<(), SetupError> {
    let ids: Vec<_> = households.iter().map(|household| household.meter).collect();
    let records = sender.client().meter_records(&ids).await?;
    let mut missing = Vec::new();
    for (household, record) in households.iter().zip(records) {
        if record.signer.is_zero() {
            missing.push(IRegistry::NewMeter {
                id: household.meter.0,
                owner: household.account(),
                signer: household.meter_key.address(),
                maxImportWh: Uint::from(household.max_import),
                maxExportWh: Uint::from(household.max_export),
                renewable: household.renewable,
                importWh: 0,
                exportWh: 0,
            });
            continue;
        }
        let ratings = (
            record.maxImportWh.to::<u64>(),
            record.maxExportWh.to::<u64>(),
        );
        let reason = if record.owner != household.account()
            || record.signer != household.meter_key.address()
        {
            "it has another owner or key".to_owned()
        } else if ratings != (household.max_import, household.max_export) {
            format!(
                "it is rated {} and {} Wh, the data needs {} and {} Wh",
                ratings.0, ratings.1, household.max_import, household.max_export
            )
        } else {
            continue;
        };
        return Err(SetupError::OtherMeter {
            meter: household.name.clone(),
            reason,
        });
    }
    let calls: Vec<_> = missing
        .chunks(PAGE)
        .flat_map(|page| {
            let call = IRegistry::registerMetersCall {
                meters: page.to_vec(),
            };
            let gas = 100_000 + 250_000 * page.len() as u64;
            agreed(config, &call, "registering the meters", gas)
        })
        .collect();
    sender.transact(&calls, PATIENCE).await?;
    info!(
        meters = households.len(),
        new = missing.len(),
        "meters are registered"
    );
    Ok(())
}

/// A call that the registrar proposes and the zone's operator makes; here they are one account.
fn agreed<C: SolCall>(
    config: &NeighbourhoodConfig,
    call: &C,
    what: &'static str,
    gas: u64,
) -> [ContractCall; 2] {
    let operator = config.operator.address();
    let proposal = IRegistry::proposeCall {
        call: call.abi_encode().into(),
    };
    [
        ContractCall::new(operator, REGISTRY, &proposal, what, gas),
        ContractCall::new(operator, REGISTRY, call, what, gas),
    ]
}

/// Where gas costs money, everybody gets a coin to pay it with.
async fn coins(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    accounts: &[Address],
) -> Result<(), SetupError> {
    if sender.client().head().await?.base_fee == 0 {
        return Ok(());
    }
    let balances = sender.client().coins(accounts).await?;
    let poor = accounts
        .iter()
        .zip(balances)
        .filter(|(_, coins)| *coins < COIN / U256::from(10));
    let calls: Vec<_> = poor
        .map(|(account, _)| ContractCall {
            what: "giving a household coins for gas",
            from: config.operator.address(),
            to: *account,
            input: Default::default(),
            value: COIN,
            gas: 21_000,
        })
        .collect();
    Ok(sender.transact(&calls, PATIENCE).await?)
}

/// Everybody whose money in the vault runs low gets tokens from the bank and pays them in.
async fn money(
    sender: &mut TransactionSender,
    config: &NeighbourhoodConfig,
    households: &[Household],
) -> Result<(), SetupError> {
    let operator = config.operator.address();
    let mut payers: Vec<_> = households
        .iter()
        .map(|h| (&h.trader, HOUSEHOLD_MONEY, HOUSEHOLD_LOW))
        .collect();
    payers.push((&config.operator, OPERATOR_MONEY, OPERATOR_LOW));
    let accounts: Vec<_> = payers.iter().map(|(key, ..)| key.address()).collect();
    let balances = sender.client().vault_balances(&accounts).await?;
    let poor: Vec<_> = payers
        .into_iter()
        .zip(balances)
        .filter(|((_, _, least), balance)| balance.free < tokens(*least))
        .map(|((key, units, _), _)| (key, tokens(units)))
        .collect();

    let mut mints = Vec::new();
    for value in [tokens(HOUSEHOLD_MONEY), tokens(OPERATOR_MONEY)] {
        let to: Vec<_> = poor
            .iter()
            .filter(|(_, units)| *units == value)
            .map(|(key, _)| key.address())
            .collect();
        for page in to.chunks(PAGE) {
            let call = ISettlementToken::mintManyCall {
                to: page.to_vec(),
                value,
            };
            let gas = 100_000 + 60_000 * page.len() as u64;
            mints.push(ContractCall::new(
                operator,
                SETTLEMENT_TOKEN,
                &call,
                "minting the households' money",
                gas,
            ));
        }
    }
    sender.transact(&mints, PATIENCE).await?;

    let domain = sender.client().permit_domain().await?;
    let mut deposits = Vec::with_capacity(poor.len());
    for (key, value) in &poor {
        let nonce = sender.client().permit_nonce(key.address()).await?;
        let call = deposit(key, *value, nonce, domain)?;
        deposits.push(ContractCall::new(
            key.address(),
            VAULT,
            &call,
            "paying money into the vault",
            400_000,
        ));
    }
    sender.transact(&deposits, PATIENCE).await?;
    info!(paid_in = poor.len(), "money is in the vault");
    Ok(())
}

/// Units of the settlement token, in base units.
const fn tokens(units: u64) -> U256 {
    Money::whole(units).0.into_raw()
}

/// A deposit with its ERC-2612 permit.
fn deposit(
    key: &PrivateKeySigner,
    amount: U256,
    nonce: U256,
    domain: B256,
) -> Result<IVault::depositWithPermitCall, MarketError> {
    let type_hash = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)",
    );
    let deadline = U256::MAX;
    let permit = keccak256((type_hash, key.address(), VAULT, amount, nonce, deadline).abi_encode());
    let digest = keccak256([&[0x19, 0x01], domain.as_slice(), permit.as_slice()].concat());
    let signature = key.sign_hash_sync(&digest)?;
    Ok(IVault::depositWithPermitCall {
        amount,
        deadline,
        v: 27 + u8::from(signature.v()),
        r: signature.r().into(),
        s: signature.s().into(),
    })
}

/// Meters' latest readings on the chain: the latest boundary among them, zero if there is none.
pub(crate) async fn latest_reading(
    client: &Client,
    households: &[Household],
) -> Result<u64, MarketError> {
    let meters: Vec<_> = households.iter().map(|household| household.meter).collect();
    let metering = Metering::new(client.clone(), METERING);
    let latest = metering.latest(&meters).await?;
    Ok(latest
        .iter()
        .flatten()
        .map(|reading| reading.time)
        .max()
        .unwrap_or_default())
}
