// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {
    AccessManagerUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagerUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title The one AccessManager
/// @notice Who holds which role, and which role may call which function. The upgrader upgrades it like the others.
contract AccessManager is AccessManagerUpgradeable, UUPSUpgradeable {
    /// @notice The role that cancels what holders of the other roles have scheduled: each member alone.
    uint64 public constant GUARDIAN_ROLE = 6;

    /// @dev The implementation itself is never used.
    constructor() {
        _disableInitializers();
    }

    /// @notice The role whose members cancel what holders of a role have scheduled: the guardians', also for what the
    ///         administrator schedules, unless another was set.
    function getRoleGuardian(uint64 role) public view override returns (uint64 guardian) {
        guardian = super.getRoleGuardian(role);
        if (guardian == ADMIN_ROLE) guardian = GUARDIAN_ROLE;
    }

    /// @dev The manager judges calls to itself like calls to any target.
    function _authorizeUpgrade(address) internal override onlyAuthorized {}
}
