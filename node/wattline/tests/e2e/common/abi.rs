//! The market's contracts as a client sees them, and where they stand.

#![allow(clippy::too_many_arguments)] // ERC-2612 wants eight

use alloy::{
    primitives::{Address, address},
    sol,
};

sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/ISettlementToken.sol"
);
sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/IRegistry.sol"
);
sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/IVault.sol"
);
sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/IMarket.sol"
);
sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/IMetering.sol"
);
sol!(
    #[sol(rpc, all_derives)]
    "../../contracts/src/interfaces/ISettlement.sol"
);

pub const SETTLEMENT_TOKEN: Address = address!("0xE1EC000000000000000000000000000000000001");
pub const REGISTRY: Address = address!("0xE1EC000000000000000000000000000000000003");
pub const VAULT: Address = address!("0xE1EC000000000000000000000000000000000004");
pub const MARKET: Address = address!("0xE1EC000000000000000000000000000000000005");
pub const METERING: Address = address!("0xE1EC000000000000000000000000000000000006");
pub const SETTLEMENT: Address = address!("0xE1EC000000000000000000000000000000000007");
