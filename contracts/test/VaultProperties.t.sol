// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISettlementToken} from "../src/interfaces/ISettlementToken.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Ledger} from "./base/Ledger.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What holds for the Vault whatever the amounts are.
contract VaultPropertiesTest is Ledger {
    // Money in and out

    function test_deposit_turns_tokens_into_free_money(uint256 first, uint256 second) public {
        first = bound(first, 1, 400 * COIN);
        second = bound(second, 1, 600 * COIN);
        _deposit(alice, first);
        _deposit(alice, second);
        _expectBalance(alice, first + second, 0, 0);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - first - second);
        _expectBooksBalance();
    }

    function test_depositFor_pays_the_accounts_debt_and_frees_the_rest(uint256 debt, uint256 amount) public {
        debt = bound(debt, 0, 1000 * COIN);
        amount = bound(amount, 1, 1000 * COIN);
        _book(alice, operator, 0, int256(debt));
        uint256 paid = Math.min(debt, amount);

        vm.startPrank(bob);
        TOKEN.approve(address(VAULT), amount);
        vm.expectEmit(address(VAULT));
        emit IVault.Deposited(alice, bob, amount);
        if (paid != 0) {
            vm.expectEmit(address(VAULT));
            emit IVault.DebtPaid(alice, operator, paid);
        }
        vm.expectEmit(address(VAULT));
        emit IVault.BalanceChanged(alice, amount - paid, 0);
        VAULT.depositFor(alice, amount);
        vm.stopPrank();

        _expectBalance(alice, amount - paid, 0, debt - paid);
        _expectBalance(operator, paid, debt - paid, 0);
        _expectBalance(bob, 0, 0, 0);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN - amount);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), amount);
        _expectBooksBalance();
    }

    function test_depositFor_takes_no_more_than_was_approved(uint256 approved, uint256 amount) public {
        approved = bound(approved, 0, 1000 * COIN - 1);
        amount = bound(amount, approved + 1, 1000 * COIN);
        vm.startPrank(bob);
        TOKEN.approve(address(VAULT), approved);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlementToken.ERC20InsufficientAllowance.selector, address(VAULT), approved, amount
            )
        );
        VAULT.depositFor(alice, amount);
        vm.stopPrank();
        _expectBalance(alice, 0, 0, 0);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN);
    }

    function test_depositWithPermit_takes_what_was_permitted(uint256 amount, uint256 deadline) public {
        amount = bound(amount, 1, 1000 * COIN);
        deadline = bound(deadline, T0, type(uint256).max);
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", amount, deadline);
        vm.expectEmit(address(VAULT));
        emit IVault.Deposited(alice, alice, amount);
        vm.prank(alice);
        VAULT.depositWithPermit(amount, deadline, v, r, s);
        _expectBalance(alice, amount, 0, 0);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN - amount);
        vm.assertEq(TOKEN.allowance(alice, address(VAULT)), 0);
        vm.assertEq(TOKEN.nonces(alice), 1);
        _expectBooksBalance();
    }

    /// @dev The allowance serves where the permit fails, here because it is over another amount.
    function test_depositWithPermit_needs_a_permit_or_an_allowance(
        uint256 amount,
        uint256 signed,
        uint256 approved,
        bool justEnough
    ) public {
        amount = bound(amount, 1, 1000 * COIN);
        approved = justEnough ? amount : bound(approved, 0, 1000 * COIN);
        vm.assume(signed != amount);
        vm.prank(alice);
        TOKEN.approve(address(VAULT), approved);
        (uint8 v, bytes32 r, bytes32 s) = _permit("alice", signed, T0);
        bool enough = approved >= amount;
        if (!enough) {
            address signer = ecrecover(_permitDigest(alice, address(VAULT), amount, T0), v, r, s);
            vm.expectRevert(abi.encodeWithSelector(ISettlementToken.ERC2612InvalidSigner.selector, signer, alice));
        }
        vm.prank(alice);
        VAULT.depositWithPermit(amount, T0, v, r, s);
        _expectBalance(alice, enough ? amount : 0, 0, 0);
        vm.assertEq(TOKEN.allowance(alice, address(VAULT)), enough ? approved - amount : approved);
        vm.assertEq(TOKEN.nonces(alice), 0);
    }

    function test_withdrawTo_pays_what_is_free_and_no_more(address to, uint256 free, uint256 locked, uint256 amount)
        public
    {
        vm.assume(to != address(0) && to != address(VAULT));
        free = bound(free, 1, 500 * COIN);
        locked = bound(locked, 0, 500 * COIN);
        amount = bound(amount, 1, 2 * free);
        _deposit(alice, free + locked);
        _lock(alice, locked);
        uint256 before = TOKEN.balanceOf(to);
        bool enough = amount <= free;
        if (enough) {
            vm.expectEmit(address(VAULT));
            emit IVault.Withdrawn(alice, to, amount);
        } else {
            vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, free, amount));
        }
        vm.prank(alice);
        VAULT.withdrawTo(to, amount);
        _expectBalance(alice, enough ? free - amount : free, locked, 0);
        vm.assertEq(TOKEN.balanceOf(to), enough ? before + amount : before);
        _expectBooksBalance();
    }

    // Debts

    /// @dev The zone operator owes two others, and has free money all the same, because its own debtor pays it.
    function test_payDebts_pays_the_oldest_debt_first_from_what_is_free(
        uint256 toSecond,
        uint256 toCarol,
        uint256 claim,
        uint256 paidIn
    ) public {
        toSecond = bound(toSecond, 0, 500 * COIN);
        toCarol = bound(toCarol, 0, 500 * COIN);
        claim = bound(claim, 0, 1000 * COIN);
        paidIn = bound(paidIn, 1, 1000 * COIN);
        _book(operator, secondOperator, 0, int256(toSecond));
        _book(operator, carol, 0, int256(toCarol));
        _book(alice, operator, 0, int256(claim));
        _deposit(alice, paidIn);

        uint256 free = Math.min(claim, paidIn);
        uint256 paid = Math.min(free, toSecond + toCarol);
        uint256 first = Math.min(paid, toSecond);
        _expectBalance(operator, free, claim - free, toSecond + toCarol);
        if (first != 0) {
            vm.expectEmit(address(VAULT));
            emit IVault.DebtPaid(operator, secondOperator, first);
        }
        if (paid != first) {
            vm.expectEmit(address(VAULT));
            emit IVault.DebtPaid(operator, carol, paid - first);
        }
        vm.assertEq(VAULT.payDebts(operator, 8), paid);

        _expectBalance(operator, free - paid, claim - free, toSecond + toCarol - paid);
        _expectBalance(secondOperator, first, toSecond - first, 0);
        _expectBalance(carol, paid - first, toCarol - (paid - first), 0);
        vm.assertEq(VAULT.debtTo(operator, secondOperator), toSecond - first);
        vm.assertEq(VAULT.debtTo(operator, carol), toCarol - (paid - first));
        _expectBooksBalance();
        // Once more there is nothing left to pay, or nothing to pay with.
        vm.assertEq(VAULT.payDebts(operator, 8), 0);
    }

    // Money inside

    function test_lock_and_unlock_keep_the_sum(uint256 held, int256[8] memory moves) public {
        held = bound(held, 1, 1000 * COIN);
        _deposit(alice, held);
        uint256 locked = 0;
        for (uint256 i = 0; i < moves.length; ++i) {
            int256 move = bound(moves[i], -int256(held), int256(held));
            uint256 size = move < 0 ? uint256(-move) : uint256(move);
            if (move < 0) {
                if (size > locked) _expectError(IVault.InsufficientLocked.selector, alice, locked, size);
                else locked -= size;
                vm.prank(address(MARKET));
                VAULT.unlock(alice, size);
            } else {
                if (size > held - locked) _expectError(IVault.InsufficientFree.selector, alice, held - locked, size);
                else locked += size;
                _lock(alice, size);
            }
            _expectBalance(alice, held - locked, locked, 0);
        }
    }

    function test_bookTrades_moves_each_accounts_money_by_its_trade(
        uint256[3] memory locks,
        uint256[3] memory paid,
        uint256[3] memory received,
        uint256[3] memory freed
    ) public {
        address[] memory accounts = _list(alice, bob, carol);
        IVault.Trade[] memory trades = new IVault.Trade[](4);
        int256 clearing = 0;
        for (uint256 i = 0; i < 3; ++i) {
            locks[i] = bound(locks[i], 1, 500 * COIN);
            paid[i] = bound(paid[i], 0, locks[i]);
            freed[i] = bound(freed[i], 0, locks[i] - paid[i]);
            received[i] = bound(received[i], 0, 500 * COIN);
            _deposit(accounts[i], locks[i]);
            _lock(accounts[i], locks[i]);
            // A cancelled order, which is all zero, stands between the others.
            trades[i == 0 ? 0 : i + 1] = IVault.Trade(accounts[i], paid[i], received[i], freed[i]);
            clearing += int256(paid[i]) - int256(received[i]);
        }
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
        for (uint256 i = 0; i < 3; ++i) {
            _expectBalance(accounts[i], freed[i], locks[i] - paid[i] - freed[i] + received[i], 0);
        }
        vm.assertEq(VAULT.clearingBalance(), clearing);
        _expectBooksBalance();
    }

    function test_bookTrades_books_all_or_none(uint256 locked, uint256 paid, uint256 freed) public {
        locked = bound(locked, 0, 500 * COIN);
        paid = bound(paid, 0, 500 * COIN);
        freed = bound(freed, paid > locked ? 0 : locked - paid + 1, 1000 * COIN);
        _deposit(alice, 1000 * COIN);
        _deposit(bob, 500 * COIN);
        _lock(alice, 1000 * COIN);
        _lock(bob, locked);
        IVault.Trade[] memory trades = new IVault.Trade[](2);
        trades[0] = IVault.Trade(alice, 7, 0, 3);
        trades[1] = IVault.Trade(bob, paid, 11, freed);
        _expectError(IVault.InsufficientLocked.selector, bob, locked, paid + freed);
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
        _expectBalance(alice, 0, 1000 * COIN, 0);
        _expectBalance(bob, 500 * COIN - locked, locked, 0);
        vm.assertEq(VAULT.clearingBalance(), 0);
    }

    function test_bookDeliveries_pays_what_is_there_and_owes_the_rest(
        uint256 free,
        uint256 locked,
        uint256 released,
        uint256 due
    ) public {
        free = bound(free, 0, 400 * COIN);
        locked = bound(locked, 1, 400 * COIN);
        released = bound(released, 0, locked);
        due = bound(due, 0, 1000 * COIN);
        _deposit(alice, free + locked);
        _lock(alice, locked);
        uint256 paid = Math.min(due, free + released);
        if (paid != due) {
            vm.expectEmit(address(VAULT));
            emit IVault.DebtIncurred(alice, operator, due - paid);
        }
        _book(alice, operator, released, int256(due));
        _expectBalance(alice, free + released - paid, locked - released, due - paid);
        _expectBalance(operator, paid, due - paid, 0);
        vm.assertEq(VAULT.debtTo(alice, operator), due - paid);
        _expectBooksBalance();
    }

    /// @dev What an account in debt earns pays the debt; what the operator cannot pay is its own.
    function test_bookDeliveries_pays_what_is_earned_or_owes_it(uint256 cover, uint256 earned, uint256 debt) public {
        cover = bound(cover, 1, 500 * COIN);
        earned = bound(earned, 1, 2 * cover);
        debt = bound(debt, 0, 500 * COIN);
        _deposit(operator, cover);
        _book(alice, secondOperator, 0, int256(debt));
        _book(alice, operator, 0, -int256(earned));
        uint256 got = Math.min(earned, cover);
        uint256 paid = Math.min(got, debt);
        _expectBalance(operator, cover - got, 0, earned - got);
        _expectBalance(alice, got - paid, earned - got, debt - paid);
        _expectBalance(secondOperator, paid, debt - paid, 0);
        _expectBooksBalance();
    }

    /// @dev Deliveries in one call come to the same as one by one, whoever is in debt before.
    function test_bookDeliveries_books_a_batch_as_one_by_one(int256[6] memory dues, uint256[3] memory deposits) public {
        address[3] memory accounts = [alice, bob, carol];
        for (uint256 i = 0; i < 3; ++i) {
            _deposit(accounts[i], bound(deposits[i], 1, 100 * COIN));
        }
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](6);
        for (uint256 i = 0; i < 6; ++i) {
            deliveries[i] = IVault.Delivery(accounts[i % 3], 0, bound(dues[i], -int256(100 * COIN), int256(150 * COIN)));
        }
        vm.prank(address(SETTLEMENT));
        VAULT.bookDeliveries(operator, deliveries);
        int256 sum = 0;
        for (uint256 i = 0; i < 3; ++i) {
            int256 due = deliveries[i].due + deliveries[i + 3].due;
            IVault.Balance memory balance = VAULT.balanceOf(accounts[i]);
            int256 left = int256(bound(deposits[i], 1, 100 * COIN)) - due;
            vm.assertEq(int256(balance.free + balance.locked) - int256(balance.debt), left);
            sum += due;
        }
        IVault.Balance memory its = VAULT.balanceOf(operator);
        vm.assertEq(int256(its.free + its.locked) - int256(its.debt), sum);
        _expectBooksBalance();
    }

    function _expectError(bytes4 selector, address account, uint256 there, uint256 needed) private {
        vm.expectRevert(abi.encodeWithSelector(selector, account, there, needed));
    }
}
