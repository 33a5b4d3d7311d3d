// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {
    AccessManagerUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagerUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title The one AccessManager
/// @notice Who holds which role, and which role may call which function. The upgrader upgrades it like the others.
contract AccessManager is AccessManagerUpgradeable, UUPSUpgradeable {
    /// @dev The implementation itself is never used.
    constructor() {
        _disableInitializers();
    }

    /// @dev The manager judges calls to itself like calls to any target.
    function _authorizeUpgrade(address) internal override onlyAuthorized {}
}
