// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISettlementToken} from "../src/interfaces/ISettlementToken.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product} from "../src/types/Product.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice While the token is paused no money enters or leaves the vault, and inside it all goes on.
contract PauseTest is Ledger {
    uint64 private constant START = T0 + OPEN_LEAD;
    /// @dev Money of one Wh at one tick.
    uint256 private constant UNIT = 1e10;
    Product private product = _product(START);

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, COIN);
        _deposit(bob, COIN);
        _deposit(operator, COIN);
    }

    function test_a_product_lives_through_a_pause() public {
        _pause();
        _submit(alice, product, 0, 10_000, 1000);
        _submit(alice, product, 0, 10_000, 500);
        _submit(bob, product, 1, 10_000, 1000);
        vm.prank(alice);
        MARKET.cancel(product, 1);
        vm.warp(START - GATE_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, 3);
        vm.warp(START + LENGTH);
        _deliver(alice, 1200, 0);
        _deliver(bob, 0, 1000);
        SETTLEMENT.settle(product, _list(alice, bob));

        uint256 paid = (10_000 * 1000 + 40_000 * 200 + 700 * 1200) * UNIT;
        _expectBalance(alice, COIN - paid, 0, 0);
        _expectBalance(bob, COIN + 10_000 * 1000 * UNIT, 0, 0);
        _expectBalance(operator, COIN + (40_000 * 200 + 700 * 1200) * UNIT, 0, 0);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 3 * COIN);

        // All of it can be taken out as soon as the pause ends.
        vm.expectRevert(ISettlementToken.EnforcedPause.selector);
        vm.prank(bob);
        VAULT.withdraw(COIN);
        vm.prank(bank);
        TOKEN.unpause();
        _withdrawAll(alice);
        _withdrawAll(bob);
        _withdrawAll(operator);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 0);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - paid);
    }

    function test_a_delivery_that_runs_into_debt_is_settled_in_a_pause() public {
        _withdrawAll(alice);
        vm.warp(START + LENGTH);
        MARKET.clear(product);
        _deliver(alice, 1000, 0);
        _pause();
        vm.expectEmit(address(VAULT));
        emit IVault.DebtIncurred(alice, operator, 40_700 * 1000 * UNIT);
        SETTLEMENT.settle(product, _list(alice));
        _expectBalance(alice, 0, 0, 40_700 * 1000 * UNIT);
        _expectBooksBalance();
    }

    function test_debts_are_paid_in_a_pause_from_what_is_in_the_vault(uint256 debt, uint256 claim) public {
        debt = bound(debt, COIN + 1, 3 * COIN);
        claim = bound(claim, 1, COIN);
        _book(operator, secondOperator, 0, int256(debt));
        _pause();
        _book(alice, operator, 0, int256(claim));
        uint256 paid = claim < debt - COIN ? claim : debt - COIN;
        _expectBalance(operator, claim - paid, 0, debt - COIN - paid);
        _expectBalance(secondOperator, COIN + paid, debt - COIN - paid, 0);
        _expectBooksBalance();
    }

    function test_no_money_enters_or_leaves_in_a_pause(uint256 amount) public {
        amount = bound(amount, 1, COIN);
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", amount, T0);
        vm.prank(alice);
        TOKEN.approve(address(VAULT), amount);
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(VAULT.deposit, (amount));
        calls[1] = abi.encodeCall(VAULT.depositFor, (bob, amount));
        calls[2] = abi.encodeCall(VAULT.depositWithPermit, (amount, T0, v, r, s));
        calls[3] = abi.encodeCall(VAULT.withdraw, (amount));
        calls[4] = abi.encodeCall(VAULT.withdrawTo, (bob, amount));
        _pause();
        for (uint256 i = 0; i < calls.length; ++i) {
            _expectPaused(alice, address(VAULT), calls[i]);
        }
        _expectBalance(alice, COIN, 0, 0);
        _expectBalance(bob, COIN, 0, 0);
        // The permit was not used up by the deposit that failed.
        vm.assertEq(TOKEN.nonces(alice), 0);
    }

    function test_no_token_moves_in_a_pause(uint256 amount) public {
        amount = bound(amount, 0, COIN);
        vm.prank(alice);
        TOKEN.approve(bob, amount);
        _pause();
        _expectPaused(alice, address(TOKEN), abi.encodeCall(TOKEN.transfer, (bob, amount)));
        _expectPaused(bob, address(TOKEN), abi.encodeCall(TOKEN.transferFrom, (alice, bob, amount)));
        _expectPaused(bank, address(TOKEN), abi.encodeCall(TOKEN.mint, (alice, amount)));
        _expectPaused(bank, address(TOKEN), abi.encodeCall(TOKEN.mintMany, (_list(alice), amount)));
        _expectPaused(bank, address(TOKEN), abi.encodeCall(TOKEN.burn, (0)));
        vm.assertEq(TOKEN.totalSupply(), 4000 * COIN);
        // An approval moves nothing.
        vm.prank(alice);
        TOKEN.approve(bob, 7);
        vm.assertEq(TOKEN.allowance(alice, bob), 7);
    }

    function _expectPaused(address caller, address target, bytes memory data) private {
        vm.prank(caller);
        (bool success, bytes memory reason) = target.call(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, abi.encodeWithSelector(ISettlementToken.EnforcedPause.selector));
    }

    function _pause() private {
        vm.prank(bank);
        TOKEN.pause();
    }

    function _deliver(address account, uint64 importWh, uint64 exportWh) private {
        _read(_meterOf(account), START, 0, 0);
        _read(_meterOf(account), START + LENGTH, importWh, exportWh);
    }

    function _withdrawAll(address account) private {
        uint256 free = VAULT.balanceOf(account).free;
        vm.prank(account);
        VAULT.withdraw(free);
    }
}
