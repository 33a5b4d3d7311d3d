// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {BID, Order} from "../../src/types/Order.sol";
import {Product} from "../../src/types/Product.sol";
import {System} from "../base/System.sol";
import {Handler} from "./Handler.sol";

/// @notice The six invariants of the market, whatever people do in whatever order.
contract MarketInvariants is System {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public override {
        super.setUp();
        handler = new Handler();
        handler.setUp();
    }

    /// @dev Short lives of products, and imbalances dear enough to run into debt.
    function _settings() internal view override returns (IRegistry.ZoneSettings memory settings) {
        settings = super._settings();
        (settings.shortagePrice, settings.surplusPrice, settings.gridFee) = (20_000, 50, 7);
        (settings.securityIntervals, settings.openLead) = (0, 1200);
    }

    /// @notice Where forge takes its steps.
    function targetContracts() external view returns (address[] memory) {
        return _list(address(handler));
    }

    /// @notice The steps that forge takes.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        // Time passes and orders come more often than the rest.
        bytes4[] memory steps = new bytes4[](15);
        steps[0] = Handler.submit.selector;
        steps[1] = Handler.submit.selector;
        steps[2] = Handler.submit.selector;
        steps[3] = Handler.cancel.selector;
        steps[4] = Handler.clear.selector;
        steps[5] = Handler.settleOrders.selector;
        steps[6] = Handler.read.selector;
        steps[7] = Handler.substitute.selector;
        steps[8] = Handler.settle.selector;
        steps[9] = Handler.deposit.selector;
        steps[10] = Handler.withdraw.selector;
        steps[11] = Handler.pause.selector;
        steps[12] = Handler.passTime.selector;
        steps[13] = Handler.passTime.selector;
        steps[14] = Handler.settle.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), steps);
    }

    /// @notice 1. The vault's token balance equals the sum of all free and locked balances less the debts, and what was
    ///         taken from buyers and not yet passed on to sellers while a product's orders are settled in part.
    function invariant_1_the_vaults_books_balance() external view {
        address[] memory traders = handler.traders();
        int256 sum = VAULT.clearingBalance() + _net(operator);
        for (uint256 i = 0; i < traders.length; ++i) {
            sum += _net(traders[i]);
        }
        vm.assertEq(int256(TOKEN.balanceOf(address(VAULT))), sum, "books");
        if (!_anySettledInPart()) vm.assertEq(VAULT.clearingBalance(), 0, "nothing stays between buyers and sellers");
    }

    /// @notice 2. Per product, after all orders are settled, positions sum to zero, and both sides' fills equal the
    ///         cleared volume.
    function invariant_2_positions_and_fills_add_up() external view {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage != IMarket.Stage.Settled) continue;
            int256 positions = 0;
            for (uint256 i = 0; i < traders.length; ++i) {
                positions += MARKET.position(products[p], traders[i]);
            }
            vm.assertEq(positions, 0, "positions");
            (uint256 bought, uint256 sold) = _volumes(products[p]);
            vm.assertEq(bought, info.clearing.volume, "bought");
            vm.assertEq(sold, info.clearing.volume, "sold");
        }
    }

    /// @notice 3. Nobody pays more per Wh than their bid or receives less than their ask: in money, order by order.
    function invariant_3_limits_are_kept() external view {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage < IMarket.Stage.Cleared) continue;
            Order[] memory words = MARKET.orders(products[p]);
            uint256[] memory fills = MARKET.fillsOf(products[p]);
            for (uint256 i = 0; i < info.ordersSettled; ++i) {
                Order order = words[i];
                vm.assertEq(handler.filled(products[p], i), fills[i], "fill");
                int256 worst = int256(order.price()) * int256(fills[i]) * 1e10;
                int256 paid = handler.paid(products[p], i);
                if (order.side() == BID) vm.assertLe(paid, worst, "bid");
                else vm.assertGe(-paid, worst, "ask");
            }
        }
    }

    /// @notice 4. No order appears, changes or disappears after gate closure.
    function invariant_4_closed_books_stay() external view {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            bytes32 then = handler.frozen(products[p]);
            if (then == 0) continue;
            vm.assertEq(keccak256(abi.encode(MARKET.orders(products[p]))), then);
        }
    }

    /// @notice 5. Settling delivery moves money between participants and the zone operator only: its sum is zero.
    function invariant_5_delivery_sums_to_zero() external view {
        vm.assertEq(handler.deliverySum(), 0, "delivery");
    }

    /// @notice 6. Anyone can take out what is free, at any time, unless the token is paused: all of them, one after the
    ///         other. (Who is in debt has nothing free, once what it was paid itself has gone to its creditors.)
    function invariant_6_what_is_free_can_be_taken_out() external {
        if (TOKEN.paused()) return;
        _takeOut(operator);
        address[] memory traders = handler.traders();
        for (uint256 i = 0; i < traders.length; ++i) {
            _takeOut(traders[i]);
        }
    }

    /// @dev Locks of the accounts are the sum of their locks in the products and of what the operator owes them, so
    ///      nothing is locked for nothing.
    function invariant_locks_belong_to_products() external view {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 i = 0; i < traders.length; ++i) {
            uint256 locked = VAULT.debtTo(operator, traders[i]);
            for (uint256 p = 0; p < products.length; ++p) {
                locked += MARKET.accountInfo(products[p], traders[i]).locked;
            }
            vm.assertEq(VAULT.balanceOf(traders[i]).locked, locked, "locks");
        }
    }

    /// @notice A walk of the same steps gets everywhere: without that the invariants would say little.
    function test_the_steps_get_everywhere() external {
        uint256 seed = 1;
        for (uint256 i = 0; i < 1500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _step(seed % 13, seed >> 8);
        }
        string[12] memory steps = [
            "submit",
            "cancel",
            "clear",
            "trade",
            "settleOrders",
            "read",
            "substitute",
            "settle",
            "debt",
            "deposit",
            "withdraw",
            "pause"
        ];
        for (uint256 i = 0; i < steps.length; ++i) {
            vm.assertGe(handler.done(steps[i]), 5, steps[i]);
        }
    }

    function _step(uint256 choice, uint256 seed) private {
        uint256 more = uint256(keccak256(abi.encode(seed)));
        if (choice < 4) handler.submit(seed, more, seed >> 8, int256(more >> 8), more >> 16);
        else if (choice == 4) handler.cancel(seed, more);
        else if (choice == 5) handler.clear(seed);
        else if (choice == 6) handler.settleOrders(seed, more);
        else if (choice == 7) handler.read(seed, more);
        else if (choice == 8) handler.substitute(seed);
        else if (choice == 9) handler.settle(seed, more);
        else if (choice == 10) handler.passTime(seed);
        else if (seed % 3 == 0) handler.pause(more);
        else if (seed % 3 == 1) handler.deposit(more, seed);
        else handler.withdraw(more, seed);
    }

    function _takeOut(address account) private {
        VAULT.payDebts(account, type(uint256).max);
        IVault.Balance memory balance = VAULT.balanceOf(account);
        if (balance.debt != 0) {
            vm.assertEq(balance.free, 0, "who is in debt has nothing free");
        } else if (balance.free != 0) {
            uint256 before = TOKEN.balanceOf(account);
            vm.prank(account);
            VAULT.withdraw(balance.free);
            vm.assertEq(TOKEN.balanceOf(account), before + balance.free, "taken out");
        }
    }

    function _volumes(Product product) private view returns (uint256 bought, uint256 sold) {
        Order[] memory words = MARKET.orders(product);
        uint256[] memory fills = MARKET.fillsOf(product);
        for (uint256 i = 0; i < words.length; ++i) {
            if (words[i].side() == BID) bought += fills[i];
            else sold += fills[i];
        }
    }

    function _anySettledInPart() private view returns (bool) {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage == IMarket.Stage.Cleared && info.ordersSettled != 0) return true;
        }
        return false;
    }

    function _net(address account) private view returns (int256) {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        return int256(balance.free + balance.locked) - int256(balance.debt);
    }
}
