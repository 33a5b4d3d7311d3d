// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Market} from "../src/Market.sol";
import {Metering} from "../src/Metering.sol";
import {Registry} from "../src/Registry.sol";
import {Genesis} from "../src/genesis/Genesis.sol";
import {Predeploys} from "../src/libraries/Predeploys.sol";
import {System} from "./base/System.sol";
import {
    AccessManagerUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagerUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts-upgradeable/proxy/utils/UUPSUpgradeable.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @notice What holds for all contracts: addresses, roles, initialisation, upgrades.
contract SystemTest is System {
    function test_the_contracts_stand_at_the_fixed_addresses() public view {
        Genesis.Placement[] memory placements = genesis.placements();
        vm.assertEq(placements.length, CONTRACTS);
        for (uint256 i = 0; i < placements.length; ++i) {
            vm.assertEq(placements[i].proxy, _predeploy(uint160(i)));
            vm.assertTrue(_implementation(placements[i].proxy) != address(0), placements[i].artifact);
        }
    }

    /// @dev A mend must always fit: two kilobytes stay free below EIP-170's limit.
    function test_the_implementations_keep_well_below_the_size_limit() public view {
        for (uint160 i = 0; i < CONTRACTS; ++i) {
            vm.assertLe(_implementation(_predeploy(i)).code.length, 24_576 - 2048, "EIP-170");
        }
    }

    function test_all_but_the_manager_take_their_roles_from_it() public view {
        for (uint160 i = 1; i < CONTRACTS; ++i) {
            vm.assertEq(IAccessManaged(_predeploy(i)).authority(), Predeploys.ACCESS_MANAGER);
        }
    }

    function test_roles_are_granted_as_configured() public view {
        (bool isAdmin,) = MANAGER.hasRole(0, admin);
        (bool isBank,) = MANAGER.hasRole(genesis.BANK_ROLE(), bank);
        (bool isRegistrar,) = MANAGER.hasRole(genesis.REGISTRAR_ROLE(), registrar);
        vm.assertEq(isAdmin && isBank && isRegistrar, true);
        (bool isBankToo,) = MANAGER.hasRole(genesis.BANK_ROLE(), registrar);
        vm.assertEq(isBankToo, false);
    }

    function test_a_role_can_be_taken_away() public {
        uint64 role = genesis.BANK_ROLE();
        vm.prank(admin);
        MANAGER.revokeRole(role, bank);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, bank));
        vm.prank(bank);
        TOKEN.mint(bank, 1);
    }

    function test_nothing_is_initialised_twice() public {
        Genesis.Call[] memory calls = genesis.calls(_config());
        for (uint256 i = 0; i < CONTRACTS; ++i) {
            vm.assertEq(calls[i].to, _predeploy(uint160(i)));
            vm.prank(calls[i].from);
            (bool success, bytes memory reason) = calls[i].to.call(calls[i].data);
            vm.assertEq(success, false);
            vm.assertEq(reason, abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        }
    }

    function test_implementations_cannot_be_initialised() public {
        Genesis.Call[] memory calls = genesis.calls(_config());
        for (uint256 i = 0; i < CONTRACTS; ++i) {
            (bool success, bytes memory reason) = _implementation(calls[i].to).call(calls[i].data);
            vm.assertEq(success, false);
            vm.assertEq(reason, abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        }
    }

    function test_the_administrator_upgrades_and_state_stays() public {
        address next = vm.deployCode("out/Market.sol/Market.json", abi.encode(address(0xdead)));
        vm.prank(admin);
        UUPSUpgradeable(address(MARKET)).upgradeToAndCall(next, "");
        vm.assertEq(_implementation(address(MARKET)), next);
        vm.assertEq(MARKET.auction(), address(0xdead));
    }

    function test_the_administrator_upgrades_the_manager() public {
        address next = vm.deployCode("out/AccessManager.sol/AccessManager.json", "");
        vm.prank(admin);
        UUPSUpgradeable(address(MANAGER)).upgradeToAndCall(next, "");
        vm.assertEq(_implementation(address(MANAGER)), next);
        (bool isAdmin,) = MANAGER.hasRole(0, admin);
        vm.assertEq(isAdmin, true);
    }

    function test_nobody_else_upgrades(address anybody) public {
        vm.assume(anybody != admin && anybody != address(MANAGER));
        address next = vm.deployCode("out/Vault.sol/Vault.json", "");
        for (uint160 i = 0; i < CONTRACTS; ++i) {
            vm.prank(anybody);
            (bool success, bytes memory reason) =
                _predeploy(i).call(abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, "")));
            vm.assertEq(success, false);
            bytes memory expected = i == 0
                ? abi.encodeWithSelector(IAccessManager.AccessManagerUnauthorizedAccount.selector, anybody, uint64(3))
                : abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anybody);
            vm.assertEq(reason, expected);
        }
    }

    // Delays, guardians, pausers

    function test_upgrades_and_the_administrators_acts_are_announced_and_guarded() public {
        address guardian = _named("guardian");
        Genesis.Config memory config = _config();
        (config.adminDelay, config.upgradeDelay) = (8 days, 7 days);
        config.guardians = _list(guardian);
        _regrant(config);

        address next = vm.deployCode("out/Vault.sol/Vault.json", "");
        bytes memory data = abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, ""));
        bytes memory notYet =
            abi.encodeWithSelector(IAccessManager.AccessManagerNotScheduled.selector, _operation(address(VAULT), data));
        vm.expectRevert(notYet);
        vm.prank(admin);
        Address.functionCall(address(VAULT), data);
        vm.prank(admin);
        (bytes32 operation,) = MANAGER.schedule(address(VAULT), data, 0);
        vm.warp(T0 + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerNotReady.selector, operation));
        vm.prank(admin);
        Address.functionCall(address(VAULT), data);

        // Each guardian alone can stop it.
        vm.prank(guardian);
        MANAGER.cancel(admin, address(VAULT), data);
        vm.warp(T0 + 7 days);
        vm.expectRevert(notYet);
        vm.prank(admin);
        Address.functionCall(address(VAULT), data);
        vm.prank(admin);
        MANAGER.schedule(address(VAULT), data, 0);
        vm.warp(T0 + 14 days);
        vm.prank(admin);
        Address.functionCall(address(VAULT), data);
        vm.assertEq(_implementation(address(VAULT)), next);

        // Nor does the administrator give itself a shorter delay at once.
        data = abi.encodeCall(IAccessManager.grantRole, (genesis.UPGRADER_ROLE(), carol, 0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessManager.AccessManagerNotScheduled.selector, _operation(address(MANAGER), data)
            )
        );
        vm.prank(admin);
        Address.functionCall(address(MANAGER), data);

        // And a guardian stops that, too; nobody else does.
        vm.prank(admin);
        MANAGER.schedule(address(MANAGER), data, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessManager.AccessManagerUnauthorizedCancel.selector,
                pauser,
                admin,
                address(MANAGER),
                IAccessManager.grantRole.selector
            )
        );
        vm.prank(pauser);
        MANAGER.cancel(admin, address(MANAGER), data);
        vm.prank(guardian);
        MANAGER.cancel(admin, address(MANAGER), data);
        // As what is the administrator's because no role has it.
        data = abi.encodeCall(TOKEN.setCap, (1));
        vm.prank(admin);
        MANAGER.schedule(address(TOKEN), data, 0);
        vm.prank(guardian);
        MANAGER.cancel(admin, address(TOKEN), data);
        vm.assertEq(MANAGER.getSchedule(_operation(address(TOKEN), data)), 0);
    }

    function test_the_administrators_delay_is_no_shorter_than_that_of_upgrades() public {
        Genesis.Config memory config = _config();
        (config.adminDelay, config.upgradeDelay) = (7 days - 1, 7 days);
        vm.expectRevert(abi.encodeWithSelector(Genesis.DelayTooShort.selector, 7 days - 1, 7 days));
        genesis.calls(config);
    }

    /// @dev The calls that grant roles, as the genesis file would make them for another configuration.
    function _regrant(Genesis.Config memory config) private {
        Genesis.Call[] memory calls = genesis.calls(config);
        for (uint256 i = CONTRACTS; i < calls.length; ++i) {
            if (calls[i].to != address(MANAGER)) continue;
            vm.prank(calls[i].from);
            Address.functionCall(calls[i].to, calls[i].data);
        }
        vm.warp(T0);
    }

    function _operation(address target, bytes memory data) private view returns (bytes32) {
        return MANAGER.hashOperation(admin, target, data);
    }

    function test_a_configuration_without_extras_needs_no_extra_calls() public {
        Genesis.Config memory config = _config();
        config.transactors = new address[](0);
        config.pausers = new address[](0);
        config.deployers = new address[](0);
        config.zones = new Genesis.Zone[](0);
        config.funding = new Genesis.Funding[](0);
        Genesis.Call[] memory calls = genesis.calls(config);
        vm.assertEq(calls.length, 2 * CONTRACTS + 15);
        // The last gives the administrator its delay.
        bytes memory last = abi.encodeCall(IAccessManager.grantRole, (0, admin, 0));
        _expectCall(calls[calls.length - 1], admin, Predeploys.ACCESS_MANAGER, last);
        vm.prank(admin);
        Address.functionCall(address(MANAGER), last);
    }

    function test_what_is_set_up_is_possible() public {
        address manager = _implementation(address(MANAGER));
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerInvalidInitialAdmin.selector, address(0)));
        new ERC1967Proxy(manager, abi.encodeCall(AccessManagerUpgradeable.initialize, (address(0))));
    }

    function test_limits_can_be_asked_for() public view {
        vm.assertEq(Registry(address(REGISTRY)).MAX_METERS_OF_ACCOUNT(), 64);
        vm.assertEq(Market(address(MARKET)).MAX_ORDERS_OF_ACCOUNT(), 64);
        vm.assertEq(Metering(address(METERING)).MAX_SEARCH(), 128);
    }

    /// @dev Roles, permissions, zones and money, each in as many calls as the configuration has entries.
    function test_the_calls_follow_the_configuration(uint8 transactors, uint8 deployers, uint8 zones, uint8 funding)
        public
        view
    {
        Genesis.Config memory config = _config();
        config.transactors = new address[](transactors % 4);
        config.deployers = new address[](deployers % 4);
        config.zones = new Genesis.Zone[](zones % 4);
        config.funding = new Genesis.Funding[](funding % 4);
        for (uint64 i = 0; i < config.zones.length; ++i) {
            config.zones[i] = Genesis.Zone({id: i + 1, settings: _settings()});
        }
        Genesis.Call[] memory calls = genesis.calls(config);
        uint256 n = 2 * CONTRACTS + 15;
        if (config.transactors.length != 0) {
            _expectCall(
                calls[n++],
                permissionOperator,
                address(PERMISSIONS),
                abi.encodeCall(PERMISSIONS.setFlags, (config.transactors, 1))
            );
        }
        if (config.deployers.length != 0) {
            _expectCall(
                calls[n++],
                permissionOperator,
                address(PERMISSIONS),
                abi.encodeCall(PERMISSIONS.setFlags, (config.deployers, 3))
            );
        }
        for (uint64 i = 0; i < config.zones.length; ++i) {
            bytes memory data = abi.encodeCall(REGISTRY.createZone, (i + 1, _settings()));
            _expectCall(calls[n++], admin, address(REGISTRY), data);
        }
        for (uint256 i = 0; i < config.funding.length; ++i) {
            bytes memory data = abi.encodeCall(TOKEN.mintMany, (new address[](0), 0));
            _expectCall(calls[n++], bank, address(TOKEN), data);
        }
        vm.assertEq(calls.length, n + 1);
    }

    function _expectCall(Genesis.Call memory call, address from, address to, bytes memory data) private pure {
        vm.assertEq(call.from, from);
        vm.assertEq(call.to, to);
        vm.assertEq(call.data, data);
    }
}
