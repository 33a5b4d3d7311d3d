// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Predeploys} from "../libraries/Predeploys.sol";
import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title What all contracts behind a proxy have in common
/// @notice Roles and upgrades come from the one AccessManager.
abstract contract Managed is AccessManagedUpgradeable, UUPSUpgradeable {
    /// @dev The implementation itself is never used.
    constructor() {
        _disableInitializers();
    }

    /// @dev Connects the proxy to the AccessManager.
    function __Managed_init() internal onlyInitializing {
        __AccessManaged_init(Predeploys.ACCESS_MANAGER);
    }

    /// @dev `restricted` judges the selector that entered the contract, here always `upgradeToAndCall`.
    function _authorizeUpgrade(address) internal override restricted {}
}
