// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISettlementToken} from "../src/interfaces/ISettlementToken.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Ledger} from "./base/Ledger.sol";
import {Vm} from "./base/Vm.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

contract VaultTest is Ledger {
    // Money in and out

    function test_deposit_makes_free_money() public {
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), 70);
        vm.expectEmit(address(VAULT));
        emit IVault.Deposited(alice, alice, 70);
        vm.expectEmit(address(VAULT));
        emit IVault.BalanceChanged(alice, 70, 0);
        VAULT.deposit(70);
        vm.stopPrank();
        _expectBalance(alice, 70, 0, 0);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 70);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - 70);
    }

    function test_depositFor_pays_in_for_another() public {
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), 70);
        vm.expectEmit(address(VAULT));
        emit IVault.Deposited(bob, alice, 70);
        VAULT.depositFor(bob, 70);
        vm.expectRevert(IVault.ZeroAddress.selector);
        VAULT.depositFor(address(0), 70);
        vm.stopPrank();
        _expectBalance(bob, 70, 0, 0);
        _expectBalance(alice, 0, 0, 0);
    }

    function test_deposit_needs_an_amount_and_an_allowance() public {
        vm.startPrank(alice);
        vm.expectRevert(IVault.ZeroAmount.selector);
        VAULT.deposit(0);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementToken.ERC20InsufficientAllowance.selector, address(VAULT), 0, 70)
        );
        VAULT.deposit(70);
        vm.stopPrank();
    }

    function test_deposit_needs_the_tokens() public {
        bytes4 selector = ISettlementToken.ERC20InsufficientBalance.selector;
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), 1001 * COIN);
        vm.expectRevert(abi.encodeWithSelector(selector, alice, 1000 * COIN, 1001 * COIN));
        VAULT.deposit(1001 * COIN);
        vm.stopPrank();
        _expectBalance(alice, 0, 0, 0);
    }

    function test_every_way_in_and_out_needs_an_amount() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", 0, T0);
        _deposit(alice, 100);
        vm.startPrank(alice);
        vm.expectRevert(IVault.ZeroAmount.selector);
        VAULT.depositFor(bob, 0);
        vm.expectRevert(IVault.ZeroAmount.selector);
        VAULT.depositWithPermit(0, T0, v, r, s);
        vm.expectRevert(IVault.ZeroAmount.selector);
        VAULT.withdrawTo(bob, 0);
        vm.stopPrank();
        _expectBalance(alice, 100, 0, 0);
        vm.assertEq(TOKEN.nonces(alice), 0);
    }

    function test_depositWithPermit_passes_on_that_it_is_no_signature() public {
        (, bytes32 r, bytes32 s) = _permit("alice", 70, T0);
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        vm.prank(alice);
        VAULT.depositWithPermit(70, T0, 0, r, s);
    }

    function test_depositWithPermit_needs_no_approval() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", 70, T0);
        vm.prank(alice);
        VAULT.depositWithPermit(70, T0, v, r, s);
        _expectBalance(alice, 70, 0, 0);
    }

    function test_depositWithPermit_survives_a_permit_that_was_used_first() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", 70, T0);
        TOKEN.permit(alice, address(VAULT), 70, T0, v, r, s);
        vm.prank(alice);
        VAULT.depositWithPermit(70, T0, v, r, s);
        _expectBalance(alice, 70, 0, 0);
    }

    function test_depositWithPermit_passes_on_why_a_permit_failed() public {
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", 70, T0 - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC2612ExpiredSignature.selector, T0 - 1));
        vm.prank(alice);
        VAULT.depositWithPermit(70, T0 - 1, v, r, s);
    }

    function test_withdraw_takes_free_money_out(uint256 amount) public {
        amount = bound(amount, 1, 100);
        _deposit(alice, 100);
        vm.expectEmit(address(VAULT));
        emit IVault.Withdrawn(alice, alice, amount);
        vm.prank(alice);
        VAULT.withdraw(amount);
        _expectBalance(alice, 100 - amount, 0, 0);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - 100 + amount);
    }

    function test_withdrawTo_pays_another_address() public {
        _deposit(alice, 100);
        vm.startPrank(alice);
        vm.expectEmit(address(VAULT));
        emit IVault.Withdrawn(alice, bob, 100);
        VAULT.withdrawTo(bob, 100);
        vm.expectRevert(IVault.ZeroAddress.selector);
        VAULT.withdrawTo(address(0), 1);
        vm.stopPrank();
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN + 100);
    }

    function test_depositFor_does_not_lose_money_in_the_vault() public {
        vm.expectRevert(IVault.DepositForVault.selector);
        vm.prank(alice);
        VAULT.depositFor(address(VAULT), 40);
        _expectBooksBalance();
    }

    function test_withdrawTo_does_not_lose_money_in_the_vault() public {
        _deposit(alice, 100);
        vm.expectRevert(IVault.WithdrawalToVault.selector);
        vm.prank(alice);
        VAULT.withdrawTo(address(VAULT), 40);
        _expectBalance(alice, 100, 0, 0);
        _expectBooksBalance();
    }

    // Withdrawals that anybody carries

    function test_withdrawBySig_pays_out_what_the_account_signed() public {
        _deposit(alice, 100);
        IVault.Withdrawal memory withdrawal = IVault.Withdrawal(alice, carol, 60, 5, T0);
        bytes memory signature = _signWithdrawal("alice", withdrawal);
        vm.expectEmit(address(VAULT));
        emit IVault.Withdrawn(alice, carol, 60);
        vm.prank(bob);
        VAULT.withdrawBySig(withdrawal, signature);
        _expectBalance(alice, 40, 0, 0);
        vm.assertEq(TOKEN.balanceOf(carol), 1000 * COIN + 60);
        vm.assertEq(VAULT.isNonceUsed(alice, 5), true);
        vm.expectRevert(abi.encodeWithSelector(IVault.NonceUsed.selector, alice, 5));
        VAULT.withdrawBySig(withdrawal, signature);
    }

    function test_withdrawBySig_refuses_what_the_account_did_not_sign() public {
        _deposit(alice, 100);
        IVault.Withdrawal memory withdrawal = IVault.Withdrawal(alice, alice, 60, 5, T0);
        bytes memory signature = _signWithdrawal("alice", withdrawal);
        bytes memory wrong = abi.encodeWithSelector(IVault.WrongSignature.selector, alice);
        bytes memory bobs = _signWithdrawal("bob", withdrawal);
        vm.expectRevert(wrong);
        VAULT.withdrawBySig(withdrawal, bobs);
        withdrawal.to = bob;
        vm.expectRevert(wrong);
        VAULT.withdrawBySig(withdrawal, signature);
        withdrawal.to = alice;
        vm.chainId(block.chainid + 1);
        vm.expectRevert(wrong);
        VAULT.withdrawBySig(withdrawal, signature);
        vm.chainId(block.chainid - 1);
        vm.warp(T0 + 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.WithdrawalExpired.selector, T0));
        VAULT.withdrawBySig(withdrawal, signature);
        vm.warp(T0);
        uint256[] memory nonces = new uint256[](1);
        nonces[0] = 5;
        vm.expectEmit(address(VAULT));
        emit IVault.NonceCancelled(alice, 5);
        vm.prank(alice);
        VAULT.cancelNonces(nonces);
        vm.expectRevert(abi.encodeWithSelector(IVault.NonceUsed.selector, alice, 5));
        VAULT.withdrawBySig(withdrawal, signature);
        _expectBalance(alice, 100, 0, 0);
    }

    function test_withdrawBySig_keeps_to_what_withdrawals_may() public {
        _deposit(alice, 100);
        _expectBySig(IVault.Withdrawal(alice, alice, 101, 1, T0), IVault.InsufficientFree.selector);
        _expectBySig(IVault.Withdrawal(alice, alice, 0, 1, T0), IVault.ZeroAmount.selector);
        _expectBySig(IVault.Withdrawal(alice, address(0), 1, 1, T0), IVault.ZeroAddress.selector);
        _expectBySig(IVault.Withdrawal(alice, address(VAULT), 1, 1, T0), IVault.WithdrawalToVault.selector);
        _lock(alice, 100);
        _book(alice, operator, 0, 1);
        _expectBySig(IVault.Withdrawal(alice, alice, 1, 1, T0), IVault.InDebt.selector);
        vm.assertEq(VAULT.isNonceUsed(alice, 1), false);
    }

    function _expectBySig(IVault.Withdrawal memory withdrawal, bytes4 reason) private {
        bytes memory signature = _signWithdrawal("alice", withdrawal);
        (bool success, bytes memory answer) =
            address(VAULT).call(abi.encodeCall(VAULT.withdrawBySig, (withdrawal, signature)));
        vm.assertEq(success, false);
        vm.assertEq(bytes32(bytes4(answer)), bytes32(reason));
    }

    function _signWithdrawal(string memory name, IVault.Withdrawal memory withdrawal)
        private
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), VAULT.withdrawalDigest(withdrawal));
        return abi.encodePacked(r, s, v);
    }

    function test_withdraw_needs_an_amount_that_is_free() public {
        _deposit(alice, 100);
        _lock(alice, 30);
        vm.startPrank(alice);
        vm.expectRevert(IVault.ZeroAmount.selector);
        VAULT.withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, 70, 71));
        VAULT.withdraw(71);
        vm.stopPrank();
    }

    function test_withdraw_waits_while_the_token_is_paused() public {
        _deposit(alice, 100);
        vm.prank(bank);
        TOKEN.pause();
        vm.expectRevert(ISettlementToken.EnforcedPause.selector);
        vm.prank(alice);
        VAULT.withdraw(100);
        _expectBalance(alice, 100, 0, 0);
    }

    // Money inside

    function test_only_market_and_settlement_move_money(address anybody) public {
        vm.assume(anybody != address(MARKET) && anybody != address(SETTLEMENT));
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(VAULT.lock, (anybody, 1, 0));
        calls[1] = abi.encodeCall(VAULT.unlock, (anybody, 1));
        calls[2] = abi.encodeCall(VAULT.bookTrades, (new IVault.Trade[](0)));
        calls[3] = abi.encodeCall(VAULT.bookDeliveries, (operator, new IVault.Delivery[](0)));
        for (uint256 i = 0; i < calls.length; ++i) {
            // Neither of the two can do what is the other's.
            address[] memory callers = _list(anybody, i < 3 ? address(SETTLEMENT) : address(MARKET));
            for (uint256 j = 0; j < callers.length; ++j) {
                vm.prank(callers[j]);
                (bool success, bytes memory reason) = address(VAULT).call(calls[i]);
                vm.assertEq(success, false);
                vm.assertEq(reason, abi.encodeWithSelector(IVault.NotMover.selector, callers[j]));
            }
        }
    }

    function test_lock_and_unlock_move_between_free_and_locked() public {
        _deposit(alice, 100);
        _lock(alice, 40);
        _expectBalance(alice, 60, 40, 0);
        vm.startPrank(address(MARKET));
        VAULT.unlock(alice, 15);
        _expectBalance(alice, 75, 25, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, 75, 76));
        VAULT.lock(alice, 76, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientLocked.selector, alice, 25, 26));
        VAULT.unlock(alice, 26);
        vm.stopPrank();
        _expectBalance(alice, 75, 25, 0);
    }

    function test_bookTrades_passes_payments_through_in_any_order() public {
        _deposit(alice, 100);
        _deposit(bob, 100);
        _lock(alice, 50);
        _lock(bob, 10);
        IVault.Trade[] memory trades = new IVault.Trade[](1);
        trades[0] = IVault.Trade({account: bob, paid: 0, received: 30, freed: 4});
        vm.expectEmit(address(VAULT));
        emit IVault.ClearingBalanceChanged(-30);
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
        vm.assertEq(VAULT.clearingBalance(), -30);
        _expectBalance(bob, 94, 36, 0);

        trades[0] = IVault.Trade({account: alice, paid: 30, received: 0, freed: 15});
        vm.expectEmit(address(VAULT));
        emit IVault.ClearingBalanceChanged(0);
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
        vm.assertEq(VAULT.clearingBalance(), 0);
        _expectBalance(alice, 65, 5, 0);

        trades[0] = IVault.Trade({account: alice, paid: 3, received: 0, freed: 3});
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientLocked.selector, alice, 5, 6));
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
    }

    function test_bookDeliveries_moves_what_is_due_either_way() public {
        _deposit(alice, 100);
        _deposit(operator, 50);
        _lock(alice, 40);
        _book(alice, operator, 40, 30);
        _expectBalance(alice, 70, 0, 0);
        _expectBalance(operator, 80, 0, 0);
        _book(alice, operator, 0, -80);
        _expectBalance(alice, 150, 0, 0);
        _expectBalance(operator, 0, 0, 0);
        _book(alice, operator, 0, 0);
        _expectBalance(alice, 150, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientLocked.selector, alice, 0, 1));
        _book(alice, operator, 1, 0);
    }

    function test_what_the_operator_cannot_pay_is_its_debt_and_holds_up_nobody() public {
        _deposit(alice, 100);
        _deposit(operator, 50);
        _lock(alice, 100);
        vm.expectEmit(address(VAULT));
        emit IVault.DebtIncurred(operator, alice, 1);
        _book(alice, operator, 100, -51);
        _expectBalance(alice, 150, 1, 0);
        _expectBalance(operator, 0, 0, 1);
        _expectBooksBalance();
        // It is paid before the operator can do anything else with its money.
        _deposit(operator, 10);
        _expectBalance(alice, 151, 0, 0);
        _expectBalance(operator, 9, 0, 0);
    }

    function test_an_operator_pays_its_oldest_creditors_first_and_new_ones_after_them() public {
        _book(alice, operator, 0, -30);
        _deposit(carol, 20);
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](2);
        deliveries[0] = IVault.Delivery(carol, 0, 20);
        deliveries[1] = IVault.Delivery(bob, 0, -10);
        vm.prank(address(SETTLEMENT));
        VAULT.bookDeliveries(operator, deliveries);
        _expectBalance(alice, 20, 10, 0);
        _expectBalance(bob, 0, 10, 0);
        _expectBalance(operator, 0, 0, 20);
        _deposit(operator, 15);
        _expectBalance(alice, 30, 0, 0);
        _expectBalance(bob, 5, 5, 0);
        _expectBooksBalance();
    }

    function test_an_operator_with_many_creditors_pays_them_in_pages() public {
        address[] memory creditors = new address[](20);
        for (uint256 i = 0; i < creditors.length; ++i) {
            creditors[i] = _named(string.concat("creditor ", vm.toString(i)));
            _book(creditors[i], operator, 0, -3);
        }
        _deposit(operator, 100);
        _expectBalance(creditors[7], 3, 0, 0);
        _expectBalance(creditors[8], 0, 3, 0);
        _expectBalance(operator, 76, 0, 36);
        // What it has waits for them: it cannot take it out, and new creditors queue behind them.
        vm.expectRevert(abi.encodeWithSelector(IVault.InDebt.selector, operator, 36));
        vm.prank(operator);
        VAULT.withdraw(1);
        _book(bob, operator, 0, -5);
        _expectBalance(bob, 0, 5, 0);
        vm.assertEq(VAULT.payDebts(operator, 1), 3);
        vm.assertEq(VAULT.payDebts(operator, 100), 14);
        _expectBalance(creditors[19], 3, 0, 0);
        _expectBalance(bob, 5, 0, 0);
        _expectBalance(operator, 35, 0, 0);
    }

    function test_what_two_owe_each_other_is_set_off() public {
        _book(alice, operator, 0, -30);
        vm.expectEmit(address(VAULT));
        emit IVault.DebtPaid(operator, alice, 10);
        _book(alice, operator, 0, 10);
        _expectBalance(alice, 0, 20, 0);
        _expectBalance(operator, 0, 0, 20);
        _book(alice, operator, 0, 25);
        _expectBalance(alice, 0, 0, 5);
        _expectBalance(operator, 0, 5, 0);
        _book(alice, operator, 0, -6);
        _expectBalance(alice, 0, 1, 0);
        _expectBalance(operator, 0, 0, 1);
        // A creditor whose debt was set off holds no place that others wait for.
        _book(bob, operator, 0, -2);
        _book(alice, operator, 0, 1);
        _deposit(operator, 5);
        _expectBalance(bob, 2, 0, 0);
        _expectBalance(operator, 3, 0, 0);
    }

    function test_a_creditor_forgives_its_debtor() public {
        _book(alice, operator, 0, 30);
        vm.expectEmit(address(VAULT));
        emit IVault.DebtForgiven(alice, operator, 10);
        vm.prank(operator);
        vm.assertEq(VAULT.forgive(alice, 10), 10);
        _expectBalance(alice, 0, 0, 20);
        _expectBalance(operator, 0, 20, 0);
        vm.prank(operator);
        vm.assertEq(VAULT.forgive(alice, 21), 20);
        _expectBalance(operator, 0, 0, 0);
        _deposit(alice, 5);
        vm.prank(alice);
        VAULT.withdraw(5);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoDebt.selector, alice, operator));
        vm.prank(operator);
        VAULT.forgive(alice, 1);
        _expectBooksBalance();
    }

    function test_an_operator_owes_itself_nothing() public {
        _deposit(operator, 50);
        _lock(operator, 20);
        _book(operator, operator, 20, 1000);
        _expectBalance(operator, 50, 0, 0);
        _book(operator, operator, 0, -1000);
        _expectBalance(operator, 50, 0, 0);
    }

    // Debts

    function test_what_cannot_be_paid_becomes_a_debt_that_the_operator_bears() public {
        _deposit(alice, 100);
        _lock(alice, 60);
        // Another product's 20 stay locked: they are promised to other trades.
        vm.expectEmit(address(VAULT));
        emit IVault.DebtIncurred(alice, operator, 45);
        _book(alice, operator, 40, 125);
        _expectBalance(alice, 0, 20, 45);
        _expectBalance(operator, 80, 45, 0);
        vm.assertEq(VAULT.debtTo(alice, operator), 45);
        vm.assertEq(VAULT.debtTo(alice, secondOperator), 0);
        _expectBooksBalance();

        // The operator can take out what it was paid, not what it is owed.
        vm.prank(operator);
        VAULT.withdraw(80);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, operator, 0, 1));
        vm.prank(operator);
        VAULT.withdraw(1);
    }

    function test_a_debtor_neither_orders_nor_withdraws() public {
        _book(alice, operator, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(IVault.InDebt.selector, alice, 10));
        _lock(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.InDebt.selector, alice, 10));
        vm.prank(alice);
        VAULT.withdraw(1);
        vm.expectRevert(abi.encodeWithSelector(IVault.InDebt.selector, alice, 10));
        vm.prank(alice);
        VAULT.withdrawTo(bob, 1);
    }

    function test_a_deposit_pays_debts_first() public {
        _book(alice, operator, 0, 10);
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), 7);
        vm.expectEmit(address(VAULT));
        emit IVault.DebtPaid(alice, operator, 7);
        VAULT.deposit(7);
        vm.stopPrank();
        _expectBalance(alice, 0, 0, 3);
        _expectBalance(operator, 7, 3, 0);
        _deposit(alice, 5);
        _expectBalance(alice, 2, 0, 0);
        _expectBalance(operator, 10, 0, 0);
        vm.prank(alice);
        VAULT.withdraw(2);
        _expectBooksBalance();
    }

    function test_unlocked_money_pays_debts_first() public {
        _deposit(alice, 20);
        _lock(alice, 20);
        _book(alice, operator, 0, 10);
        vm.prank(address(MARKET));
        VAULT.unlock(alice, 12);
        _expectBalance(alice, 2, 8, 0);
        _expectBalance(operator, 10, 0, 0);
    }

    function test_debts_to_several_operators_are_paid_oldest_first() public {
        _book(alice, operator, 0, 10);
        _book(alice, secondOperator, 0, 20);
        _book(alice, operator, 0, 5);
        _expectBalance(alice, 0, 0, 35);
        _deposit(alice, 18);
        vm.assertEq(VAULT.debtTo(alice, operator), 0);
        vm.assertEq(VAULT.debtTo(alice, secondOperator), 17);
        _expectBalance(operator, 15, 0, 0);
        _expectBalance(secondOperator, 3, 17, 0);
        _expectBooksBalance();
    }

    function test_a_debt_that_was_paid_leaves_no_place_among_later_ones() public {
        _book(alice, operator, 0, 10);
        _book(alice, secondOperator, 0, 10);
        _deposit(alice, 20);
        _book(alice, secondOperator, 0, 10);
        _book(alice, operator, 0, 10);
        _deposit(alice, 15);
        _expectBalance(secondOperator, 20, 0, 0);
        _expectBalance(operator, 15, 5, 0);
    }

    function test_what_is_paid_to_the_last_unit_is_no_debt() public {
        _deposit(alice, 10);
        vm.recordLogs();
        _book(alice, operator, 0, 10);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            vm.assertTrue(logs[i].topics[0] != IVault.DebtIncurred.selector, "a debt of nothing");
        }
        _expectBalance(alice, 0, 0, 0);
    }

    function test_a_delivery_is_paid_before_older_debts() public {
        _deposit(alice, 40);
        _lock(alice, 40);
        _book(alice, secondOperator, 0, 10);
        _book(alice, operator, 40, 35);
        _expectBalance(operator, 35, 0, 0);
        _expectBalance(secondOperator, 5, 5, 0);
        _expectBalance(alice, 0, 0, 5);
    }

    function test_payDebts_pays_from_free_money() public {
        // The operator owes another operator; when its own debtor pays, it has free money and the debt still.
        _book(operator, secondOperator, 0, 30);
        _book(alice, operator, 0, 10);
        _deposit(alice, 10);
        _expectBalance(operator, 10, 0, 30);
        vm.assertEq(VAULT.payDebts(operator, 8), 10);
        _expectBalance(operator, 0, 0, 20);
        _expectBalance(secondOperator, 10, 20, 0);
        vm.assertEq(VAULT.payDebts(operator, 8), 0);
        vm.assertEq(VAULT.payDebts(carol, 8), 0);
        _expectBooksBalance();
    }

    function test_balancesOf_shows_many() public {
        _deposit(bob, 5);
        IVault.Balance[] memory balances = VAULT.balancesOf(_list(alice, bob));
        vm.assertEq(balances[0].free, 0);
        vm.assertEq(balances[1].free, 5);
    }

    function test_books_balance_whatever_is_due(int128[8] memory dues, uint96[8] memory deposits) public {
        _deposit(operator, 500 * COIN);
        for (uint256 i = 0; i < dues.length; ++i) {
            address account = i % 2 == 0 ? alice : bob;
            _deposit(account, bound(uint256(deposits[i]), 1, 100 * COIN));
            _book(account, operator, 0, bound(int256(dues[i]), -int256(60 * COIN), int256(200 * COIN)));
            _expectBooksBalance();
        }
    }
}
