// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Where the genesis file puts the contracts
library Predeploys {
    address internal constant ACCESS_MANAGER = 0xE1ec000000000000000000000000000000000000;
    address internal constant SETTLEMENT_TOKEN = 0xE1eC000000000000000000000000000000000001;
    address internal constant PERMISSIONS = 0xe1EC000000000000000000000000000000000002;
    address internal constant REGISTRY = 0xE1Ec000000000000000000000000000000000003;
    address internal constant VAULT = 0xe1EC000000000000000000000000000000000004;
    address internal constant MARKET = 0xe1ec000000000000000000000000000000000005;
    address internal constant METERING = 0xe1ec000000000000000000000000000000000006;
    address internal constant SETTLEMENT = 0xe1EC000000000000000000000000000000000007;
    address internal constant CONSORTIUM = 0xE1ec000000000000000000000000000000000008;
    address internal constant TRADES = 0xe1EC000000000000000000000000000000000009;
    address internal constant CERTIFICATES = 0xE1eC00000000000000000000000000000000000a;
    address internal constant LENS = 0xE1Ec00000000000000000000000000000000000c;

    /// @dev The batch auction precompile, unless the genesis file says otherwise.
    address internal constant BATCH_AUCTION = 0x000000000000000000000000000000000000E1ec;
}
