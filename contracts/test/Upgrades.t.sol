// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {System} from "./base/System.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts-upgradeable/proxy/utils/UUPSUpgradeable.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";

/// @notice An implementation that says its slot is another.
contract ElsewhereProxiable {
    bytes32 public constant proxiableUUID = "elsewhere";
}

/// @notice The ways in which an upgrade or a change of roles is refused, for every contract behind a proxy.
contract UpgradesTest is System {
    uint32 private constant DELAY = 3600;

    // Upgrades

    function test_an_upgrade_calls_what_it_is_told() public {
        address next = vm.deployCode("out/Registry.sol/Registry.json", "");
        // The call comes from the administrator, who may create zones.
        vm.prank(admin);
        UUPSUpgradeable(address(REGISTRY))
            .upgradeToAndCall(next, abi.encodeCall(REGISTRY.createZone, (ZONE + 1, _settings())));
        vm.assertEq(REGISTRY.zones().length, 2);
        vm.assertEq(_implementation(address(REGISTRY)), next);
    }

    function test_an_upgrade_whose_call_fails_fails() public {
        address next = vm.deployCode("out/Registry.sol/Registry.json", "");
        address before = _implementation(address(REGISTRY));
        _expectRefused(
            address(REGISTRY),
            abi.encodeCall(
                UUPSUpgradeable.upgradeToAndCall, (next, abi.encodeCall(REGISTRY.createZone, (ZONE, _settings())))
            ),
            abi.encodeWithSelector(IRegistry.ZoneExists.selector, ZONE)
        );
        // A function that there is not fails without a reason.
        _expectRefused(
            address(REGISTRY),
            abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, hex"00000000")),
            abi.encodeWithSelector(Errors.FailedCall.selector)
        );
        vm.assertEq(_implementation(address(REGISTRY)), before);
    }

    function test_an_upgrade_needs_an_implementation() public {
        address elsewhere = address(new ElsewhereProxiable());
        for (uint160 i = 0; i < CONTRACTS; ++i) {
            address proxy = _predeploy(i);
            // A contract that is none for proxies, and a proxy, which would call itself for ever.
            address[] memory wrong = _list(address(genesis), _predeploy((i + 1) % CONTRACTS));
            for (uint256 j = 0; j < wrong.length; ++j) {
                _expectRefused(
                    proxy,
                    abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (wrong[j], "")),
                    abi.encodeWithSelector(ERC1967Utils.ERC1967InvalidImplementation.selector, wrong[j])
                );
            }
            _expectRefused(
                proxy,
                abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (elsewhere, "")),
                abi.encodeWithSelector(UUPSUpgradeable.UUPSUnsupportedProxiableUUID.selector, bytes32("elsewhere"))
            );
        }
    }

    function test_an_upgrade_without_a_call_takes_no_money() public {
        address next = vm.deployCode("out/Vault.sol/Vault.json", "");
        vm.deal(admin, 1);
        vm.expectRevert(ERC1967Utils.ERC1967NonPayable.selector);
        vm.prank(admin);
        UUPSUpgradeable(address(VAULT)).upgradeToAndCall{value: 1}(next, "");
    }

    function test_implementations_are_upgraded_through_their_proxies_only() public {
        bytes memory outside = abi.encodeWithSelector(UUPSUpgradeable.UUPSUnauthorizedCallContext.selector);
        for (uint160 i = 0; i < CONTRACTS; ++i) {
            address implementation = _implementation(_predeploy(i));
            _expectRefused(
                implementation, abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (implementation, "")), outside
            );
            // And only an implementation says where it wants to be kept.
            _expectRefused(_predeploy(i), abi.encodeCall(UUPSUpgradeable.proxiableUUID, ()), outside);
            vm.assertEq(UUPSUpgradeable(implementation).proxiableUUID(), ERC1967Utils.IMPLEMENTATION_SLOT);
            vm.assertEq(UUPSUpgradeable(implementation).UPGRADE_INTERFACE_VERSION(), "5.0.0");
        }
    }

    // Roles

    function test_an_administrator_with_a_delay_announces_what_it_does() public {
        IRegistry.ZoneSettings memory settings = _settings();
        bytes memory data = abi.encodeCall(REGISTRY.createZone, (8, settings));
        uint64 role = genesis.ZONE_ROLE();
        vm.prank(admin);
        MANAGER.grantRole(role, alice, DELAY);
        bytes32 operation = MANAGER.hashOperation(alice, address(REGISTRY), data);
        bytes memory notScheduled = abi.encodeWithSelector(IAccessManager.AccessManagerNotScheduled.selector, operation);
        vm.startPrank(alice);
        vm.expectRevert(notScheduled);
        REGISTRY.createZone(8, settings);
        MANAGER.schedule(address(REGISTRY), data, 0);
        vm.warp(T0 + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerNotReady.selector, operation));
        REGISTRY.createZone(8, settings);
        vm.warp(T0 + DELAY);
        REGISTRY.createZone(8, settings);
        vm.assertEq(REGISTRY.zones().length, 2);
        // Once only.
        vm.expectRevert(notScheduled);
        REGISTRY.createZone(8, settings);
        vm.stopPrank();
    }

    function test_an_announcement_expires() public {
        bytes memory data = abi.encodeCall(REGISTRY.createZone, (8, _settings()));
        uint64 role = genesis.ZONE_ROLE();
        vm.prank(admin);
        MANAGER.grantRole(role, alice, DELAY);
        bytes32 operation = MANAGER.hashOperation(alice, address(REGISTRY), data);
        vm.prank(alice);
        MANAGER.schedule(address(REGISTRY), data, 0);
        vm.warp(T0 + DELAY + MANAGER.expiration());
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerExpired.selector, operation));
        vm.prank(alice);
        REGISTRY.createZone(8, _settings());
        vm.assertEq(REGISTRY.zones().length, 1);
    }

    function test_a_closed_contract_refuses_those_with_a_role() public {
        vm.startPrank(admin);
        MANAGER.setTargetClosed(address(TOKEN), true);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, bank));
        vm.prank(bank);
        TOKEN.mint(alice, 1);
        // What needs no role goes on.
        vm.prank(alice);
        TOKEN.transfer(bob, 1);
        vm.prank(admin);
        MANAGER.setTargetClosed(address(TOKEN), false);
        vm.prank(bank);
        TOKEN.mint(alice, 1);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN + 1);
    }

    function test_the_manager_alone_changes_the_authority(address anybody) public {
        vm.assume(anybody != address(MANAGER));
        for (uint160 i = 1; i < CONTRACTS; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anybody));
            vm.prank(anybody);
            IAccessManaged(_predeploy(i)).setAuthority(anybody);
            vm.assertEq(IAccessManaged(_predeploy(i)).authority(), address(MANAGER));
            vm.assertEq(IAccessManaged(_predeploy(i)).isConsumingScheduledOp(), bytes4(0));
        }
    }

    function test_an_authority_is_a_contract() public {
        _expectRefused(
            address(MANAGER),
            abi.encodeCall(IAccessManager.updateAuthority, (address(VAULT), alice)),
            abi.encodeWithSelector(IAccessManaged.AccessManagedInvalidAuthority.selector, alice)
        );
        vm.prank(admin);
        MANAGER.updateAuthority(address(VAULT), address(genesis));
        vm.assertEq(IAccessManaged(address(VAULT)).authority(), address(genesis));
    }

    function test_nobody_else_gives_roles(address anybody, uint64 role) public {
        vm.assume(anybody != admin && anybody != address(MANAGER) && role != type(uint64).max);
        bytes4 selector = IAccessManager.AccessManagerUnauthorizedAccount.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, anybody, uint64(0)));
        vm.prank(anybody);
        MANAGER.grantRole(role, anybody, 0);
    }

    function test_the_manager_refuses_what_is_locked_or_not_ones_own() public {
        uint64 everybody = type(uint64).max;
        bytes4 locked = IAccessManager.AccessManagerLockedRole.selector;
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(locked, everybody));
        MANAGER.grantRole(everybody, alice, 0);
        vm.expectRevert(abi.encodeWithSelector(locked, everybody));
        MANAGER.revokeRole(everybody, alice);
        vm.expectRevert(abi.encodeWithSelector(locked, uint64(0)));
        MANAGER.labelRole(0, "administrator");
        vm.expectRevert(abi.encodeWithSelector(locked, uint64(0)));
        MANAGER.setRoleAdmin(0, 1);
        vm.expectRevert(abi.encodeWithSelector(locked, everybody));
        MANAGER.setRoleGuardian(everybody, 1);
        vm.expectRevert(IAccessManager.AccessManagerBadConfirmation.selector);
        MANAGER.renounceRole(0, alice);
        vm.stopPrank();
        // A contract that is not in the midst of what was announced.
        bytes4 notConsuming = IAccessManager.AccessManagerUnauthorizedConsume.selector;
        vm.expectRevert(abi.encodeWithSelector(notConsuming, address(VAULT)));
        vm.prank(address(VAULT));
        MANAGER.consumeScheduledOp(admin, "");
    }

    function test_announcements_are_their_callers_own() public {
        bytes memory data = abi.encodeCall(TOKEN.burn, (1));
        bytes4 notAllowed = IAccessManager.AccessManagerUnauthorizedCall.selector;
        bytes memory refused = abi.encodeWithSelector(notAllowed, alice, address(TOKEN), TOKEN.burn.selector);
        vm.startPrank(alice);
        vm.expectRevert(refused);
        MANAGER.schedule(address(TOKEN), data, 0);
        vm.expectRevert(refused);
        MANAGER.execute(address(TOKEN), data);
        vm.stopPrank();

        uint64 role = genesis.BANK_ROLE();
        vm.prank(admin);
        MANAGER.grantRole(role, carol, DELAY);
        bytes32 operation = MANAGER.hashOperation(carol, address(TOKEN), data);
        vm.startPrank(carol);
        MANAGER.schedule(address(TOKEN), data, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccessManager.AccessManagerAlreadyScheduled.selector, operation));
        MANAGER.schedule(address(TOKEN), data, 0);
        vm.stopPrank();
        bytes4 notTheirs = IAccessManager.AccessManagerUnauthorizedCancel.selector;
        vm.expectRevert(abi.encodeWithSelector(notTheirs, alice, carol, address(TOKEN), TOKEN.burn.selector));
        vm.prank(alice);
        MANAGER.cancel(carol, address(TOKEN), data);
        vm.prank(admin);
        MANAGER.cancel(carol, address(TOKEN), data);
        vm.assertEq(uint256(MANAGER.getSchedule(operation)), 0);
    }

    /// @dev As the administrator.
    function _expectRefused(address target, bytes memory data, bytes memory expected) private {
        vm.prank(admin);
        (bool success, bytes memory reason) = target.call(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, expected);
    }
}
