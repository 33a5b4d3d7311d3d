// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Permissions} from "../src/Permissions.sol";
import {IPermissions} from "../src/interfaces/IPermissions.sol";
import {System} from "./base/System.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

contract PermissionsTest is System {
    address private dave = _named("dave");

    function test_the_genesis_grants_what_its_configuration_says() public view {
        vm.assertEq(PERMISSIONS.flagsOf(permissionOperator), 4);
        vm.assertEq(PERMISSIONS.flagsOf(admin), 13);
        vm.assertEq(PERMISSIONS.flagsOf(alice), 1);
        vm.assertEq(PERMISSIONS.flagsOf(carol), 3);
        vm.assertEq(PERMISSIONS.flagsOf(dave), 0);
        vm.assertEq(PERMISSIONS.flagsOf(bank), 9);
        vm.assertEq(PERMISSIONS.flagsOf(registrar), 9);
        vm.assertEq(PERMISSIONS.operatorCount(), 2);
    }

    function test_the_node_finds_the_flags_at_slot_zero(uint8 flags) public {
        flags = uint8(bound(uint256(flags), 0, 3));
        _setFlags(permissionOperator, dave, flags);
        bytes32 word = vm.load(address(PERMISSIONS), keccak256(abi.encode(dave, uint256(0))));
        vm.assertEq(uint256(word), flags);
    }

    function test_flags_say_who_may_transact_and_deploy() public {
        vm.assertEq(PERMISSIONS.canTransact(dave), false);
        vm.assertEq(PERMISSIONS.canDeploy(dave), false);
        _setFlags(permissionOperator, dave, 1);
        vm.assertEq(PERMISSIONS.canTransact(dave), true);
        vm.assertEq(PERMISSIONS.canDeploy(dave), false);
        _setFlags(permissionOperator, dave, 3);
        vm.assertEq(PERMISSIONS.canDeploy(dave), true);
        // To deploy without being able to transact means nothing.
        _setFlags(permissionOperator, dave, 2);
        vm.assertEq(PERMISSIONS.canTransact(dave), false);
        vm.assertEq(PERMISSIONS.canDeploy(dave), false);
    }

    function test_operators_change_flags_of_many() public {
        vm.expectEmit(address(PERMISSIONS));
        emit IPermissions.PermissionsChanged(alice, permissionOperator, 1, 2);
        vm.expectEmit(address(PERMISSIONS));
        emit IPermissions.PermissionsChanged(dave, permissionOperator, 0, 2);
        vm.prank(permissionOperator);
        PERMISSIONS.setFlags(_list(alice, dave), 2);
        uint256[] memory flags = PERMISSIONS.flagsOfMany(_list(alice, dave, bob));
        vm.assertEq(flags[0], 2);
        vm.assertEq(flags[1], 2);
        vm.assertEq(flags[2], 1);
    }

    function test_operators_lock_out_nobody_who_is_protected() public {
        address[] memory accounts = _list(admin, bank, registrar);
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPermissions.AccountProtected.selector, accounts[i]));
            _setFlags(permissionOperator, accounts[i], 0);
            vm.assertEq(PERMISSIONS.canTransact(accounts[i]), true);
        }
        // So the administrator is there to dismiss an operator that locks everybody else out.
        _setFlags(permissionOperator, alice, 0);
        vm.prank(admin);
        PERMISSIONS.setOperator(permissionOperator, false);
        vm.expectRevert(abi.encodeWithSelector(IPermissions.NotPermissionOperator.selector, permissionOperator));
        _setFlags(permissionOperator, bob, 0);
    }

    function test_the_administrator_protects_accounts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, permissionOperator));
        vm.prank(permissionOperator);
        PERMISSIONS.setProtected(dave, true);
        vm.expectEmit(address(PERMISSIONS));
        emit IPermissions.PermissionsChanged(dave, admin, 0, 9);
        vm.prank(admin);
        PERMISSIONS.setProtected(dave, true);
        vm.prank(admin);
        PERMISSIONS.setProtected(dave, false);
        vm.assertEq(PERMISSIONS.flagsOf(dave), 1);
        _setFlags(permissionOperator, dave, 0);
        vm.assertEq(PERMISSIONS.flagsOf(dave), 0);
    }

    function test_operators_cannot_lock_each_other_out() public {
        _setFlags(admin, permissionOperator, 0);
        vm.assertEq(PERMISSIONS.flagsOf(permissionOperator), 4);
        vm.assertEq(PERMISSIONS.canTransact(permissionOperator), true);
    }

    function test_only_operators_change_flags(address anybody) public {
        vm.assume(anybody != permissionOperator && anybody != admin);
        vm.expectRevert(abi.encodeWithSelector(IPermissions.NotPermissionOperator.selector, anybody));
        vm.prank(anybody);
        PERMISSIONS.setFlags(_list(anybody), 1);
    }

    function test_operators_set_two_flags_only(uint256 flags) public {
        vm.assume(flags > 3);
        vm.expectRevert(abi.encodeWithSelector(IPermissions.ReservedFlags.selector, flags));
        vm.prank(permissionOperator);
        PERMISSIONS.setFlags(_list(dave), flags);
    }

    function test_the_administrator_names_and_dismisses_operators() public {
        vm.expectEmit(address(PERMISSIONS));
        emit IPermissions.PermissionsChanged(alice, admin, 1, 5);
        vm.startPrank(admin);
        PERMISSIONS.setOperator(alice, true);
        PERMISSIONS.setOperator(alice, true);
        vm.assertEq(PERMISSIONS.operatorCount(), 3);
        PERMISSIONS.setOperator(permissionOperator, false);
        PERMISSIONS.setOperator(admin, false);
        PERMISSIONS.setOperator(admin, false);
        vm.assertEq(PERMISSIONS.operatorCount(), 1);
        vm.expectRevert(abi.encodeWithSelector(IPermissions.LastOperator.selector, alice));
        PERMISSIONS.setOperator(alice, false);
        vm.stopPrank();
        _setFlags(alice, dave, 1);
        vm.assertEq(PERMISSIONS.flagsOf(dave), 1);
    }

    function test_nobody_else_names_operators() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, permissionOperator));
        vm.prank(permissionOperator);
        PERMISSIONS.setOperator(permissionOperator, true);
    }

    function test_there_is_an_operator_from_the_start() public {
        address implementation = vm.deployCode("out/Permissions.sol/Permissions.json", "");
        vm.expectRevert(abi.encodeWithSelector(IPermissions.LastOperator.selector, address(0)));
        new ERC1967Proxy(implementation, abi.encodeCall(Permissions.initialize, (new address[](0), new address[](0))));
    }

    function test_setFlags_sets_two_flags_and_keeps_the_third(uint8[6] memory changes) public {
        vm.prank(admin);
        PERMISSIONS.setOperator(alice, true);
        for (uint256 i = 0; i < changes.length; ++i) {
            uint256 flags = changes[i] % 4;
            vm.prank(permissionOperator);
            PERMISSIONS.setFlags(_list(alice, dave), flags);
            vm.assertEq(PERMISSIONS.flagsOf(alice), flags | 4);
            vm.assertEq(PERMISSIONS.flagsOf(dave), flags);
            vm.assertEq(PERMISSIONS.flagsOfMany(_list(dave, alice))[1], flags | 4);
            // An operator may transact whatever its flags say.
            vm.assertEq(PERMISSIONS.canTransact(alice), true);
            vm.assertEq(PERMISSIONS.canDeploy(alice), flags & 2 != 0);
            vm.assertEq(PERMISSIONS.canTransact(dave), flags & 1 != 0);
            vm.assertEq(PERMISSIONS.canDeploy(dave), flags == 3);
        }
    }

    function test_setOperator_counts_the_operators_and_keeps_the_last(uint8[10] memory changes) public {
        address[] memory accounts = _list(permissionOperator, admin, alice);
        bool[3] memory named = [true, true, false];
        uint256 count = 2;
        for (uint256 i = 0; i < changes.length; ++i) {
            uint256 who = changes[i] % 3;
            bool operator_ = changes[i] >= 160;
            bool last = named[who] && !operator_ && count == 1;
            if (last) vm.expectRevert(abi.encodeWithSelector(IPermissions.LastOperator.selector, accounts[who]));
            vm.prank(admin);
            PERMISSIONS.setOperator(accounts[who], operator_);
            if (!last && named[who] != operator_) {
                named[who] = operator_;
                count = operator_ ? count + 1 : count - 1;
            }
            vm.assertEq(PERMISSIONS.operatorCount(), count);
            for (uint256 j = 0; j < 3; ++j) {
                vm.assertEq(PERMISSIONS.flagsOf(accounts[j]) & 4, named[j] ? 4 : 0);
            }
        }
    }

    function test_only_the_administrator_names_operators(address anybody, bool operator_) public {
        vm.assume(anybody != admin);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anybody));
        vm.prank(anybody);
        PERMISSIONS.setOperator(anybody, operator_);
    }

    function _setFlags(address by, address account, uint256 flags) private {
        vm.prank(by);
        PERMISSIONS.setFlags(_list(account), flags);
    }
}
