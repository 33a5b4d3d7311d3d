// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SettlementToken} from "../src/SettlementToken.sol";
import {ISettlementToken} from "../src/interfaces/ISettlementToken.sol";
import {System} from "./base/System.sol";

contract SettlementTokenTest is System {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function test_is_set_up_with_name_symbol_and_18_decimals() public view {
        vm.assertEq(TOKEN.name(), "Wattline Euro");
        vm.assertEq(TOKEN.symbol(), "wEUR");
        vm.assertEq(TOKEN.decimals(), 18);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN);
    }

    function test_the_bank_mints() public {
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Transfer(address(0), alice, 5);
        vm.prank(bank);
        TOKEN.mint(alice, 5);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN + 5);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN + 5);
    }

    function test_the_bank_mints_for_many() public {
        vm.prank(bank);
        TOKEN.mintMany(_list(alice, bob), 5);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN + 5);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN + 5);
    }

    function test_the_bank_burns_its_own_tokens() public {
        vm.prank(alice);
        TOKEN.transfer(bank, 30);
        vm.prank(bank);
        TOKEN.burn(20);
        vm.assertEq(TOKEN.balanceOf(bank), 10);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN - 20);
    }

    function test_nobody_burns_what_they_do_not_have() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InsufficientBalance.selector, bank, 0, 1));
        vm.prank(bank);
        TOKEN.burn(1);
    }

    function test_only_the_bank_mints_burns_and_pauses(address anybody) public {
        vm.assume(anybody != bank && anybody != address(0));
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(TOKEN.mint, (anybody, 1));
        calls[1] = abi.encodeCall(TOKEN.mintMany, (_list(anybody), 1));
        calls[2] = abi.encodeCall(TOKEN.burn, (1));
        calls[3] = abi.encodeCall(TOKEN.pause, ());
        calls[4] = abi.encodeCall(TOKEN.unpause, ());
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(anybody);
            (bool success, bytes memory reason) = address(TOKEN).call(calls[i]);
            vm.assertEq(success, false);
            vm.assertEq(reason, abi.encodeWithSelector(ISettlementToken.AccessManagedUnauthorized.selector, anybody));
        }
    }

    function test_a_pause_stops_transfers_until_it_ends() public {
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Paused(bank);
        vm.prank(bank);
        TOKEN.pause();
        vm.assertEq(TOKEN.paused(), true);

        vm.expectRevert(ISettlementToken.EnforcedPause.selector);
        vm.prank(alice);
        TOKEN.transfer(bob, 1);
        vm.expectRevert(ISettlementToken.EnforcedPause.selector);
        vm.prank(bank);
        TOKEN.mint(bob, 1);
        vm.expectRevert(ISettlementToken.EnforcedPause.selector);
        vm.prank(bank);
        TOKEN.pause();

        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Unpaused(bank);
        vm.prank(bank);
        TOKEN.unpause();
        vm.prank(alice);
        TOKEN.transfer(bob, 1);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN + 1);
    }

    function test_only_a_pause_can_end() public {
        vm.expectRevert(ISettlementToken.ExpectedPause.selector);
        vm.prank(bank);
        TOKEN.unpause();
    }

    function test_transfers_need_balance_allowance_and_a_receiver() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementToken.ERC20InsufficientBalance.selector, alice, 1000 * COIN, 1001 * COIN)
        );
        vm.prank(alice);
        TOKEN.transfer(bob, 1001 * COIN);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InsufficientAllowance.selector, bob, 0, 1));
        vm.prank(bob);
        TOKEN.transferFrom(alice, bob, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidReceiver.selector, address(0)));
        vm.prank(alice);
        TOKEN.transfer(address(0), 1);
    }

    function test_tokens_come_into_the_vault_by_deposit_only() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.DepositNeeded.selector, alice));
        vm.prank(alice);
        TOKEN.transfer(address(VAULT), 1);
        vm.prank(alice);
        TOKEN.approve(bob, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.DepositNeeded.selector, bob));
        vm.prank(bob);
        TOKEN.transferFrom(alice, address(VAULT), 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.DepositNeeded.selector, bank));
        vm.prank(bank);
        TOKEN.mint(address(VAULT), 1);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 0);
        _deposit(alice, 1);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 1);
    }

    function test_an_allowance_is_used_up(uint128 allowed, uint128 spent) public {
        allowed = uint128(bound(uint256(allowed), 0, 1000 * COIN));
        spent = uint128(bound(uint256(spent), 0, allowed));
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Approval(alice, bob, allowed);
        vm.prank(alice);
        TOKEN.approve(bob, allowed);
        vm.prank(bob);
        TOKEN.transferFrom(alice, carol, spent);
        vm.assertEq(TOKEN.allowance(alice, bob), allowed - spent);
        vm.assertEq(TOKEN.balanceOf(carol), 1000 * COIN + spent);
    }

    function test_a_permit_approves() public {
        bytes32 digest = _permitDigest(alice, bob, 77, T0 + 60);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("alice"), digest);
        TOKEN.permit(alice, bob, 77, T0 + 60, v, r, s);
        vm.assertEq(TOKEN.allowance(alice, bob), 77);
        vm.assertEq(TOKEN.nonces(alice), 1);
    }

    function test_a_permit_needs_its_owners_signature_in_time() public {
        bytes32 digest = _permitDigest(alice, bob, 77, T0 + 60);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("carol"), digest);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC2612InvalidSigner.selector, carol, alice));
        TOKEN.permit(alice, bob, 77, T0 + 60, v, r, s);
        vm.warp(T0 + 61);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC2612ExpiredSignature.selector, T0 + 60));
        TOKEN.permit(alice, bob, 77, T0 + 60, v, r, s);
    }

    /// @dev ISettlementToken is not inherited; this holds each of its functions to the contract's.
    function test_the_interface_is_the_contracts() public pure {
        vm.assertTrue(ISettlementToken.mint.selector == SettlementToken.mint.selector, "mint");
        vm.assertTrue(ISettlementToken.mintMany.selector == SettlementToken.mintMany.selector, "mintMany");
        vm.assertTrue(ISettlementToken.burn.selector == SettlementToken.burn.selector, "burn");
        vm.assertTrue(ISettlementToken.pause.selector == SettlementToken.pause.selector, "pause");
        vm.assertTrue(ISettlementToken.unpause.selector == SettlementToken.unpause.selector, "unpause");
    }

    function _permitDigest(address owner, address spender, uint256 value, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 structHash =
            keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, TOKEN.nonces(owner), deadline));
        return keccak256(abi.encodePacked(hex"1901", TOKEN.DOMAIN_SEPARATOR(), structHash));
    }
}
