use crate::ChainSpecError;
use alloy_primitives::{Address, address};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Where the batch auction lives unless `config.wattline.auction` says otherwise.
pub const DEFAULT_AUCTION: Address = address!("0x000000000000000000000000000000000000e1ec");

/// The least gas any transaction uses; a cap below it would stop the chain.
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// Proof-of-authority parameters, from `config.clique` (EIP-225).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CliqueConfig {
    /// Least number of seconds between a block and its parent; 0 where blocks come several times
    /// a second, see [`WattlineConfig::period_milliseconds`].
    pub period: u64,
    /// Number of blocks after which votes are dropped and the signers are written into
    /// `extraData`; at least 2.
    pub epoch: u64,
}

/// The chain's own settings, from `config.wattline`. An absent section means the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WattlineConfig {
    /// Constant base fee of every block, in wei.
    pub base_fee_per_gas: u64,
    /// Highest gas limit of one transaction; `None` is the block gas limit. Replaces EIP-7825's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_gas_cap: Option<u64>,
    /// The Permissions contract; `None`: everyone may transact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Address>,
    /// The Consortium contract, which says whose which node is; `None`: the chain has one
    /// validator and no other nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consortium: Option<Address>,
    /// The batch auction precompile.
    pub auction: Address,
    /// Least number of milliseconds between a block and its parent; `None`: that of
    /// [`CliqueConfig::period`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_milliseconds: Option<u64>,
    /// Milliseconds after which a block comes although no transaction waits; `None`: the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_period_milliseconds: Option<u64>,
}

impl Default for WattlineConfig {
    fn default() -> Self {
        Self {
            base_fee_per_gas: 0,
            transaction_gas_cap: None,
            permissions: None,
            consortium: None,
            auction: DEFAULT_AUCTION,
            period_milliseconds: None,
            idle_period_milliseconds: None,
        }
    }
}

impl WattlineConfig {
    /// Reads the value of `config.wattline`.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError::UnknownWattlineKey`] for a key that is not a setting, and
    /// [`ChainSpecError::Invalid`] for a value of the wrong type or out of range.
    pub fn from_value(value: &Value) -> Result<Self, ChainSpecError> {
        let Value::Object(section) = value else {
            return Err(invalid("config.wattline", value, "an object of settings"));
        };
        let mut config = Self::default();
        for key in section.keys() {
            match key.as_str() {
                "baseFeePerGas" => config.base_fee_per_gas = quantity(section, key)?,
                "transactionGasCap" => config.transaction_gas_cap = Some(quantity(section, key)?),
                "permissions" => config.permissions = Some(address_of(section, key)?),
                "consortium" => config.consortium = Some(address_of(section, key)?),
                "auction" => config.auction = address_of(section, key)?,
                "periodMilliseconds" => {
                    config.period_milliseconds = Some(quantity(section, key)?);
                }
                "idlePeriodMilliseconds" => {
                    config.idle_period_milliseconds = Some(quantity(section, key)?);
                }
                _ => return Err(ChainSpecError::UnknownWattlineKey(key.clone())),
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Checks the settings against each other and against what the EVM itself occupies.
    fn check(&self) -> Result<(), ChainSpecError> {
        if let Some(cap) = self.transaction_gas_cap
            && cap < MIN_TRANSACTION_GAS
        {
            return Err(invalid(
                "config.wattline.transactionGasCap",
                &cap.into(),
                "at least 21000, the gas of the smallest transaction",
            ));
        }
        if is_reserved(self.auction) {
            return Err(invalid_address(
                "config.wattline.auction",
                self.auction,
                "an address that is neither zero nor a precompile of Ethereum",
            ));
        }
        for (key, contract) in self.contracts() {
            if is_reserved(contract) || contract == self.auction {
                return Err(invalid_address(
                    key,
                    contract,
                    "the address of a contract, neither zero nor a precompile",
                ));
            }
        }
        Ok(())
    }

    /// The contracts that the settings name, each with its key.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = (&'static str, Address)> {
        [
            ("config.wattline.permissions", self.permissions),
            ("config.wattline.consortium", self.consortium),
        ]
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)))
    }
}

/// Whether Ethereum itself occupies the address: zero, or within the two lowest bytes' range in
/// which precompiles are numbered (0x01–0x11 today, 0x0100 for P-256).
fn is_reserved(address: Address) -> bool {
    let (high, low) = address.split_at(18);
    high.iter().all(|byte| *byte == 0) && (low[0] == 0 || low == [1, 0])
}

/// A `u64` written as a JSON number or as a decimal or `0x` string.
fn quantity(section: &Map<String, Value>, key: &str) -> Result<u64, ChainSpecError> {
    let value = section.get(key).unwrap_or(&Value::Null);
    let parsed = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    };
    parsed.ok_or_else(|| {
        invalid(
            &format!("config.wattline.{key}"),
            value,
            "a whole number from 0 to 2^64-1",
        )
    })
}

/// An address written as a `0x` string of 40 hexadecimal digits.
fn address_of(section: &Map<String, Value>, key: &str) -> Result<Address, ChainSpecError> {
    from_value(section.get(key).unwrap_or(&Value::Null)).map_err(|value| {
        invalid(
            &format!("config.wattline.{key}"),
            value,
            "an address, 0x and 40 hexadecimal digits",
        )
    })
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, &Value> {
    T::deserialize(value).map_err(|_| value)
}

fn invalid(key: &str, found: &Value, expected: &str) -> ChainSpecError {
    ChainSpecError::Invalid {
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

fn invalid_address(key: &str, found: Address, expected: &str) -> ChainSpecError {
    invalid(key, &Value::String(found.to_string()), expected)
}
