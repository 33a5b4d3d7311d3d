// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SettlementToken} from "../src/SettlementToken.sol";
import {ISettlementToken} from "../src/interfaces/ISettlementToken.sol";
import {System} from "./base/System.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

contract SettlementTokenTest is System {
    function test_is_set_up_with_name_symbol_and_18_decimals() public view {
        vm.assertEq(TOKEN.name(), "Wattline Euro");
        vm.assertEq(TOKEN.symbol(), "wEUR");
        vm.assertEq(TOKEN.decimals(), 18);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN);
    }

    function test_permits_are_signed_in_the_tokens_domain() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address verifier,,) =
            IERC5267(address(TOKEN)).eip712Domain();
        vm.assertEq(fields, hex"0f");
        vm.assertEq(name, "Wattline Euro");
        vm.assertEq(version, "1");
        vm.assertEq(chain, block.chainid);
        vm.assertEq(verifier, address(TOKEN));
    }

    function test_the_bank_mints() public {
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Transfer(address(0), alice, 5);
        vm.prank(bank);
        TOKEN.mint(alice, 5);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN + 5);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN + 5);
    }

    function test_the_bank_mints_within_the_cap_that_the_council_sets() public {
        vm.assertEq(TOKEN.cap(), type(uint256).max);
        bytes4 unauthorized = ISettlementToken.AccessManagedUnauthorized.selector;
        vm.expectRevert(abi.encodeWithSelector(unauthorized, bank));
        vm.prank(bank);
        TOKEN.setCap(1);
        vm.expectRevert(ISettlementToken.ZeroCap.selector);
        vm.prank(admin);
        TOKEN.setCap(0);
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.CapChanged(4000 * COIN + 5);
        vm.prank(admin);
        TOKEN.setCap(4000 * COIN + 5);
        bytes memory reason =
            abi.encodeWithSelector(ISettlementToken.CapExceeded.selector, 4000 * COIN + 6, 4000 * COIN + 5);
        vm.startPrank(bank);
        vm.expectRevert(reason);
        TOKEN.mint(alice, 6);
        vm.expectRevert(reason);
        TOKEN.mintMany(_list(alice, bob), 3);
        TOKEN.mint(alice, 5);
        vm.stopPrank();
        // Less than there is takes nothing from anybody.
        vm.prank(admin);
        TOKEN.setCap(1);
        vm.prank(alice);
        TOKEN.transfer(bob, 1000 * COIN + 5);
        vm.assertEq(TOKEN.balanceOf(bob), 2000 * COIN + 5);
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

    // Whatever the amounts are

    function test_mint_adds_to_one_balance_and_the_supply(address to, uint256 value) public {
        vm.assume(to != address(0) && to != address(VAULT));
        value = bound(value, 0, type(uint256).max - 4000 * COIN);
        uint256 before = TOKEN.balanceOf(to);
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Transfer(address(0), to, value);
        vm.prank(bank);
        TOKEN.mint(to, value);
        vm.assertEq(TOKEN.balanceOf(to), before + value);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN + value);
    }

    function test_mint_stops_at_what_the_supply_can_hold(uint256 value) public {
        value = bound(value, type(uint256).max - 4000 * COIN + 1, type(uint256).max);
        vm.expectRevert(OVERFLOW);
        vm.prank(bank);
        TOKEN.mint(bank, value);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
    }

    /// @dev Some accounts come more than once, and get it as often.
    function test_mintMany_adds_to_each_balance_and_the_supply(uint8[6] memory picks, uint256 value) public {
        value = bound(value, 0, type(uint128).max);
        address[] memory accounts = _list(alice, bob, carol, operator);
        address[] memory to = new address[](picks.length);
        uint256[4] memory times;
        for (uint256 i = 0; i < picks.length; ++i) {
            to[i] = accounts[picks[i] % 4];
            ++times[picks[i] % 4];
            vm.expectEmit(address(TOKEN));
            emit ISettlementToken.Transfer(address(0), to[i], value);
        }
        vm.prank(bank);
        TOKEN.mintMany(to, value);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(TOKEN.balanceOf(accounts[i]), 1000 * COIN + times[i] * value);
        }
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN + 6 * value);
    }

    function test_mintMany_mints_for_all_or_none(uint256 place, bool vault, uint256 value) public {
        value = bound(value, 0, type(uint128).max);
        address[] memory to = _list(alice, bob, carol, operator);
        to[bound(place, 0, 3)] = vault ? address(VAULT) : address(0);
        vm.expectRevert(
            vault
                ? abi.encodeWithSelector(ISettlementToken.DepositNeeded.selector, bank)
                : abi.encodeWithSelector(ISettlementToken.ERC20InvalidReceiver.selector, address(0))
        );
        vm.prank(bank);
        TOKEN.mintMany(to, value);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
    }

    function test_burn_takes_from_the_banks_balance_and_the_supply(uint256 held, uint256 value) public {
        held = bound(held, 0, 1000 * COIN);
        value = bound(value, 0, 2 * held + 1);
        vm.prank(alice);
        TOKEN.transfer(bank, held);
        bool enough = value <= held;
        if (enough) {
            vm.expectEmit(address(TOKEN));
            emit ISettlementToken.Transfer(bank, address(0), value);
        } else {
            vm.expectRevert(
                abi.encodeWithSelector(ISettlementToken.ERC20InsufficientBalance.selector, bank, held, value)
            );
        }
        vm.prank(bank);
        TOKEN.burn(value);
        uint256 burnt = enough ? value : 0;
        vm.assertEq(TOKEN.balanceOf(bank), held - burnt);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN - burnt);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - held);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN);
    }

    function test_a_transfer_keeps_the_sum(bool toOneself, uint256 value) public {
        value = bound(value, 0, 2000 * COIN);
        address to = toOneself ? alice : bob;
        bool enough = value <= 1000 * COIN;
        if (enough) {
            vm.expectEmit(address(TOKEN));
            emit ISettlementToken.Transfer(alice, to, value);
        } else {
            vm.expectRevert(
                abi.encodeWithSelector(ISettlementToken.ERC20InsufficientBalance.selector, alice, 1000 * COIN, value)
            );
        }
        vm.prank(alice);
        TOKEN.transfer(to, value);
        uint256 moved = enough && !toOneself ? value : 0;
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - moved);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN + moved);
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
    }

    function test_a_permit_approves_any_value_once(uint256 value, uint256 deadline) public {
        deadline = bound(deadline, T0, type(uint256).max);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("alice"), _permitDigest(alice, bob, value, deadline));
        vm.expectEmit(address(TOKEN));
        emit ISettlementToken.Approval(alice, bob, value);
        TOKEN.permit(alice, bob, value, deadline, v, r, s);
        vm.assertEq(TOKEN.allowance(alice, bob), value);
        vm.assertEq(TOKEN.nonces(alice), 1);
        // The nonce is used up, so the same signature is one of somebody else over the next.
        address signer = ecrecover(_permitDigest(alice, bob, value, deadline), v, r, s);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC2612InvalidSigner.selector, signer, alice));
        TOKEN.permit(alice, bob, value, deadline, v, r, s);
    }

    // The account zero

    /// @dev A call that names no sender comes from the account zero.
    function test_the_account_zero_neither_sends_nor_approves() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidSender.selector, address(0)));
        vm.prank(address(0));
        TOKEN.transfer(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidApprover.selector, address(0)));
        vm.prank(address(0));
        TOKEN.approve(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidApprover.selector, address(0)));
        vm.prank(alice);
        TOKEN.transferFrom(address(0), alice, 0);
    }

    function test_the_account_zero_neither_spends_nor_receives() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidSpender.selector, address(0)));
        vm.prank(alice);
        TOKEN.approve(address(0), 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("alice"), _permitDigest(alice, address(0), 1, T0));
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC20InvalidSpender.selector, address(0)));
        TOKEN.permit(alice, address(0), 1, T0, v, r, s);

        bytes memory noReceiver = abi.encodeWithSelector(ISettlementToken.ERC20InvalidReceiver.selector, address(0));
        vm.prank(alice);
        TOKEN.approve(bob, 1);
        vm.expectRevert(noReceiver);
        vm.prank(bob);
        TOKEN.transferFrom(alice, address(0), 1);
        vm.startPrank(bank);
        vm.expectRevert(noReceiver);
        TOKEN.mint(address(0), 1);
        vm.expectRevert(noReceiver);
        TOKEN.mintMany(_list(alice, address(0)), 1);
        vm.stopPrank();
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
    }

    function test_a_permit_refuses_what_is_no_signature() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("alice"), _permitDigest(alice, bob, 77, T0));
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        TOKEN.permit(alice, bob, 77, T0, v + 2, r, s);
        // The other of the two signatures that one key can give, which is not to be had in its place.
        bytes32 twin = bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(s));
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, twin));
        TOKEN.permit(alice, bob, 77, T0, v == 27 ? 28 : 27, r, twin);
        vm.assertEq(TOKEN.nonces(alice), 0);
        vm.assertEq(TOKEN.allowance(alice, bob), 0);
    }

    /// @dev ISettlementToken is not inherited; this holds each of its functions to the contract's.
    function test_the_interface_is_the_contracts() public pure {
        vm.assertTrue(ISettlementToken.mint.selector == SettlementToken.mint.selector, "mint");
        vm.assertTrue(ISettlementToken.mintMany.selector == SettlementToken.mintMany.selector, "mintMany");
        vm.assertTrue(ISettlementToken.burn.selector == SettlementToken.burn.selector, "burn");
        vm.assertTrue(ISettlementToken.pause.selector == SettlementToken.pause.selector, "pause");
        vm.assertTrue(ISettlementToken.unpause.selector == SettlementToken.unpause.selector, "unpause");
    }
}
