//! Where the genesis file puts the contracts. `contracts/src/libraries/Predeploys.sol` says the
//! same in Solidity.

use alloy::primitives::{Address, address};

/// The contract of a number: `0xE1EC`, zeros, the number.
const fn contract(number: u8) -> Address {
    let mut bytes = [0; 20];
    bytes[0] = 0xe1;
    bytes[1] = 0xec;
    bytes[19] = number;
    Address::new(bytes)
}

/// Who holds which role.
pub const ACCESS_MANAGER: Address = contract(0);
/// The currency.
pub const SETTLEMENT_TOKEN: Address = contract(1);
/// Who may send transactions and create contracts.
pub const PERMISSIONS: Address = contract(2);
/// Zones, participants, meters.
pub const REGISTRY: Address = contract(3);
/// The participants' money.
pub const VAULT: Address = contract(4);
/// Orders, auctions, positions.
pub const MARKET: Address = contract(5);
/// Meter registers.
pub const METERING: Address = contract(6);
/// Contracted against metered energy.
pub const SETTLEMENT: Address = contract(7);
/// The members of the consortium and their nodes.
pub const CONSORTIUM: Address = contract(8);
/// Energy that one participant sells to another.
pub const TRADES: Address = contract(9);
/// Certificates of origin.
pub const CERTIFICATES: Address = contract(0x0a);
/// Views over the other contracts.
pub const LENS: Address = contract(0x0c);
/// The batch auction precompile, unless the genesis file says otherwise.
pub const BATCH_AUCTION: Address = address!("0x000000000000000000000000000000000000e1ec");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solidity_says_the_same() {
        let solidity = include_str!("../../contracts/src/libraries/Predeploys.sol");
        let constants: Vec<(&str, Address)> = solidity
            .lines()
            .filter_map(|line| line.trim().strip_prefix("address internal constant "))
            .map(|line| {
                let (name, value) = line.split_once(" = ").expect("a constant has a value");
                let value = value.trim_end_matches(';').parse();
                (name, value.expect("an address"))
            })
            .collect();
        let here = [
            ("ACCESS_MANAGER", ACCESS_MANAGER),
            ("SETTLEMENT_TOKEN", SETTLEMENT_TOKEN),
            ("PERMISSIONS", PERMISSIONS),
            ("REGISTRY", REGISTRY),
            ("VAULT", VAULT),
            ("MARKET", MARKET),
            ("METERING", METERING),
            ("SETTLEMENT", SETTLEMENT),
            ("CONSORTIUM", CONSORTIUM),
            ("TRADES", TRADES),
            ("CERTIFICATES", CERTIFICATES),
            ("LENS", LENS),
            ("BATCH_AUCTION", BATCH_AUCTION),
        ];
        assert_eq!(constants, here);
    }

    #[test]
    fn the_documented_table_says_the_same() {
        let page = include_str!("../../docs/market.md");
        for (name, address) in [
            ("AccessManager", ACCESS_MANAGER),
            ("SettlementToken", SETTLEMENT_TOKEN),
            ("Permissions", PERMISSIONS),
            ("Registry", REGISTRY),
            ("Vault", VAULT),
            ("Market", MARKET),
            ("Metering", METERING),
            ("Settlement", SETTLEMENT),
            ("Consortium", CONSORTIUM),
            ("batch auction", BATCH_AUCTION),
        ] {
            let row = format!("| {name} | `{address}` |").to_lowercase();
            assert!(page.to_lowercase().contains(&row), "no row {row}");
        }
    }
}
