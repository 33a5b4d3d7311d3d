//! The contracts as their Solidity interfaces declare them, and the set-up script of the genesis
//! file.
//!
//! In calls, events and results a product is its number and an order its word; [`Product`] and
//! [`Order`] convert.
//!
//! [`Product`]: crate::Product
//! [`Order`]: crate::Order

// The macro writes from the interfaces, where the documentation is.
#[allow(missing_docs, clippy::too_many_arguments, unreachable_pub)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

pub use generated::{
    Genesis, IBatchAuction, IConsortium, ILens, IMarket, IMetering, IPermissions, IRegistry,
    ISettlement, ISettlementToken, IVault,
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolCall;

    #[test]
    fn selectors_are_of_the_underlying_types() {
        assert_eq!(
            IMarket::submitCall::SIGNATURE,
            "submit(uint256,uint8,int32,uint40)"
        );
        assert_eq!(IMarket::ordersCall::SIGNATURE, "orders(uint256)");
        assert_eq!(
            ISettlement::settleCall::SIGNATURE,
            "settle(uint256,address[])"
        );
    }
}
