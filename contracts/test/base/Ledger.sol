// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IVault} from "../../src/interfaces/IVault.sol";
import {System} from "./System.sol";

/// @title The system with a hand on the vault
/// @notice Books in the place of Market and Settlement, and looks at the books.
abstract contract Ledger is System {
    address internal secondOperator = _named("second operator");

    function _expectBalance(address account, uint256 free, uint256 locked, uint256 debt) internal view {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        vm.assertEq(balance.free, free, "free");
        vm.assertEq(balance.locked, locked, "locked");
        vm.assertEq(balance.debt, debt, "debt");
    }

    function _expectBooksBalance() internal view {
        address[5] memory accounts = [alice, bob, carol, operator, secondOperator];
        int256 sum = VAULT.clearingBalance();
        for (uint256 i = 0; i < accounts.length; ++i) {
            IVault.Balance memory balance = VAULT.balanceOf(accounts[i]);
            sum += int256(balance.free + balance.locked) - int256(balance.debt);
        }
        vm.assertEq(int256(TOKEN.balanceOf(address(VAULT))), sum, "books");
    }

    function _lock(address account, uint256 amount) internal {
        vm.prank(address(MARKET));
        VAULT.lock(account, amount, 0);
    }

    function _book(address account, address creditor, uint256 released, int256 due) internal {
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](1);
        deliveries[0] = IVault.Delivery(account, released, due);
        vm.prank(address(SETTLEMENT));
        VAULT.bookDeliveries(creditor, deliveries);
    }

    /// @dev The named account's signature that lets the vault have `value`.
    function _permit(string memory name, uint256 value, uint256 deadline)
        internal
        view
        returns (uint8, bytes32, bytes32)
    {
        return vm.sign(_keyOfNamed(name), _permitDigest(_named(name), address(VAULT), value, deadline));
    }
}
