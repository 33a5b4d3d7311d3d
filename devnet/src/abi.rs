//! The market's contracts, as their interfaces declare them, and where they are predeployed.

#![allow(missing_docs, clippy::too_many_arguments)]

use alloy::primitives::{Address, address};

alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/ISettlementToken.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IPermissions.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IRegistry.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IVault.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IMarket.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IBatchAuction.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/IMetering.sol"
);
alloy::sol!(
    #[sol(all_derives)]
    "../contracts/src/interfaces/ISettlement.sol"
);

pub(crate) const SETTLEMENT_TOKEN: Address = address!("E1EC000000000000000000000000000000000001");
pub(crate) const PERMISSIONS: Address = address!("E1EC000000000000000000000000000000000002");
pub(crate) const REGISTRY: Address = address!("E1EC000000000000000000000000000000000003");
pub(crate) const VAULT: Address = address!("E1EC000000000000000000000000000000000004");
pub(crate) const MARKET: Address = address!("E1EC000000000000000000000000000000000005");
pub(crate) const METERING: Address = address!("E1EC000000000000000000000000000000000006");
pub(crate) const SETTLEMENT: Address = address!("E1EC000000000000000000000000000000000007");
