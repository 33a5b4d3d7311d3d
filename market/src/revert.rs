//! What a contract's refusal says.

use crate::abi::{
    IBatchAuction, IMarket, IMetering, IPermissions, IRegistry, ISettlement, ISettlementToken,
    IVault,
};
use alloy::{sol_types::SolInterface, transports::TransportError};
use std::fmt::Debug;

/// Why a call was refused, as the contract names it; `None` if no contract or node refused it.
pub(crate) fn explain(error: &TransportError) -> Option<String> {
    let error = error.as_error_resp()?;
    let Some(data) = error.as_revert_data() else {
        return Some(error.message.to_string());
    };
    Some(name(&data).unwrap_or_else(|| format!("{} ({data})", error.message)))
}

/// The custom error in a contract's revert data, with its values; `None` if it is no error of the
/// market's contracts.
fn name(data: &[u8]) -> Option<String> {
    named::<IMarket::IMarketErrors>(data)
        .or_else(|| named::<IBatchAuction::IBatchAuctionErrors>(data))
        .or_else(|| named::<IVault::IVaultErrors>(data))
        .or_else(|| named::<IRegistry::IRegistryErrors>(data))
        .or_else(|| named::<ISettlement::ISettlementErrors>(data))
        .or_else(|| named::<IMetering::IMeteringErrors>(data))
        .or_else(|| named::<ISettlementToken::ISettlementTokenErrors>(data))
        .or_else(|| named::<IPermissions::IPermissionsErrors>(data))
}

fn named<E: SolInterface + Debug>(data: &[u8]) -> Option<String> {
    E::abi_decode(data).ok().map(|error| format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolError;

    #[test]
    fn a_custom_error_is_named_with_its_values() {
        let data = IVault::InDebt {
            account: crate::predeploys::VAULT,
            debt: alloy::primitives::U256::from(5),
        }
        .abi_encode();
        assert_eq!(
            name(&data).as_deref(),
            Some("InDebt(InDebt { account: 0xe1ec000000000000000000000000000000000004, debt: 5 })")
        );
        assert_eq!(name(&[1, 2, 3, 4]), None);
        assert_eq!(name(&[]), None);
    }
}
