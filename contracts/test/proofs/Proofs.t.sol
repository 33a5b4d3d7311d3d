// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Vault} from "../../src/Vault.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Money} from "../../src/libraries/Money.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {Test} from "../base/Test.sol";

/// @notice What `make prove` proves with halmos, for all inputs and not for some: `check_` functions, which forge leaves
///         alone.
contract Proofs is Test {
    address private constant OPERATOR = address(0x0b);
    address private constant ALICE = address(0xa1);
    address private constant BOB = address(0xb0);

    /// @notice A cost is what is worth something, and a value that is split is what it was.
    function check_money_is_split_into_what_is_paid_and_what_is_received(int128 amount) external pure {
        (uint256 paid, uint256 received) = Money.split(amount);
        assert(int256(paid) - int256(received) == amount);
        assert(paid == 0 || received == 0);
    }

    /// @notice Deliveries of two accounts that have nothing, in one batch, whoever owes: what one has more, others owe.
    function check_deliveries_make_no_money(int96 first, int96 second) external {
        Vault vault = new Vault();
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](2);
        deliveries[0] = IVault.Delivery(ALICE, 0, first);
        deliveries[1] = IVault.Delivery(BOB, 0, second);
        vm.prank(Predeploys.SETTLEMENT);
        vault.bookDeliveries(OPERATOR, deliveries);
        assert(_net(vault, OPERATOR) + _net(vault, ALICE) + _net(vault, BOB) == 0);
        assert(_net(vault, ALICE) == -int256(first));
        assert(_net(vault, BOB) == -int256(second));
    }

    /// @notice The same account twice, so that what it owes is set off against what it is owed.
    function check_what_two_owe_each_other_is_set_off(int96 first, int96 second) external {
        Vault vault = new Vault();
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](2);
        deliveries[0] = IVault.Delivery(ALICE, 0, first);
        deliveries[1] = IVault.Delivery(ALICE, 0, second);
        vm.prank(Predeploys.SETTLEMENT);
        vault.bookDeliveries(OPERATOR, deliveries);
        assert(_net(vault, OPERATOR) + _net(vault, ALICE) == 0);
        assert(vault.debtTo(ALICE, OPERATOR) == 0 || vault.debtTo(OPERATOR, ALICE) == 0);
    }

    function _net(Vault vault, address account) private view returns (int256) {
        IVault.Balance memory balance = vault.balanceOf(account);
        return int256(balance.free + balance.locked) - int256(balance.debt);
    }
}
