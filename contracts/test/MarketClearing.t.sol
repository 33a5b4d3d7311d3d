// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IBatchAuction} from "../src/interfaces/IBatchAuction.sol";
import {IMarket} from "../src/interfaces/IMarket.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Predeploys} from "../src/libraries/Predeploys.sol";
import {Order} from "../src/types/Order.sol";
import {Product, packProduct} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {Vm} from "./base/Vm.sol";

/// @notice The Market after gate closure: clearing, settling orders, closing positions.
contract MarketClearingTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint256 private constant TRADERS = 8;
    Product private product = _product(START);
    address[] private traders;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < TRADERS; ++i) {
            traders.push(_named(string.concat("trader ", vm.toString(i))));
        }
        vm.prank(bank);
        TOKEN.mintMany(traders, 100_000 * COIN);
        _enrol(traders);
        for (uint256 i = 0; i < TRADERS; ++i) {
            _deposit(traders[i], 100_000 * COIN);
        }
    }

    function test_clear_stores_what_the_precompile_says() public {
        _submit(traders[0], product, 0, 900, 100);
        _submit(traders[1], product, 1, 500, 60);
        _closeGate();
        vm.expectCall(
            Predeploys.BATCH_AUCTION, abi.encodeCall(IBatchAuction.clearStored, (MARKET.ordersSlot(product), 2))
        );
        vm.expectEmit(address(MARKET));
        emit IMarket.ProductCleared(product, 900, 60, 2, IMarket.Level(900, 100, 60), IMarket.Level(500, 60, 60));
        MARKET.clear(product);
        IMarket.Clearing memory result = MARKET.clearing(product);
        vm.assertEq(result.price, 900);
        vm.assertEq(result.volume, 60);
        vm.assertEq(abi.encode(result.bid), abi.encode(IMarket.Level(900, 100, 60)));
        vm.assertEq(abi.encode(result.ask), abi.encode(IMarket.Level(500, 60, 60)));
        vm.assertEq(uint256(MARKET.productInfo(product).stage), uint256(IMarket.Stage.Cleared));
        vm.assertEq(abi.encode(MARKET.productInfo(product).clearing), abi.encode(result));
    }

    function test_clear_waits_for_the_gate_and_happens_once() public {
        vm.warp(START - GATE_LEAD - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.GateStillOpen.selector, product, START - GATE_LEAD));
        MARKET.clear(product);
        _closeGate();
        vm.assertEq(uint256(MARKET.productInfo(product).stage), uint256(IMarket.Stage.Closed));
        MARKET.clear(product);
        vm.expectRevert(abi.encodeWithSelector(IMarket.AlreadyCleared.selector, product));
        MARKET.clear(product);
    }

    function test_clear_refuses_what_is_no_product() public {
        _closeGate();
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnalignedStart.selector, _product(START - 1), LENGTH));
        MARKET.clear(_product(START - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidProduct.selector, START));
        MARKET.clear(Product.wrap(START));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, 9));
        MARKET.clear(packProduct(9, START));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, T0 - LENGTH));
        MARKET.clear(_product(T0 - LENGTH));
    }

    function test_a_product_without_orders_is_settled_once_cleared() public {
        _closeGate();
        vm.expectEmit(address(MARKET));
        emit IMarket.OrdersSettled(product);
        MARKET.clear(product);
        vm.assertEq(uint256(MARKET.productInfo(product).stage), uint256(IMarket.Stage.Settled));
        vm.assertEq(MARKET.clearing(product).volume, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersAlreadySettled.selector, product));
        MARKET.settleOrders(product, 1);
    }

    function test_views_of_results_wait_for_them() public {
        _submit(traders[0], product, 0, 900, 100);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        MARKET.clearing(product);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        LENS.fillOf(product, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        LENS.fillsOf(product);
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnknownOrder.selector, product, 1));
        LENS.fillOf(product, 1);
    }

    function test_settleOrders_refuses_too_early_too_often_and_nothing() public {
        _submit(traders[0], product, 0, 900, 100);
        _closeGate();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        MARKET.settleOrders(product, 1);
        MARKET.clear(product);
        vm.expectRevert(IMarket.EmptyPage.selector);
        MARKET.settleOrders(product, 0);
        vm.assertEq(MARKET.settleOrders(product, type(uint256).max), true);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersAlreadySettled.selector, product));
        MARKET.settleOrders(product, 1);
    }

    function test_without_a_trade_everything_is_freed() public {
        _submit(traders[0], product, 0, 400, 100);
        _submit(traders[1], product, 1, 500, 60);
        _clear();
        MARKET.settleOrders(product, 10);
        vm.assertEq(VAULT.balanceOf(traders[0]).free, 100_000 * COIN);
        vm.assertEq(VAULT.balanceOf(traders[1]).free, 100_000 * COIN);
        vm.assertEq(MARKET.accountInfo(product, traders[0]).openBidWh, 0);
    }

    function test_cancelled_orders_are_booked_to_nobody() public {
        for (uint256 i = 0; i < 3; ++i) {
            _submit(traders[0], product, 0, 400, 100);
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(traders[0]);
            MARKET.cancel(product, i);
        }
        _clear();
        vm.recordLogs();
        MARKET.settleOrders(product, 10);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].topics[0], IMarket.OrdersSettled.selector);
    }

    function test_at_a_negative_price_sellers_pay_buyers() public {
        _submit(traders[0], product, 0, -200, 100);
        _submit(traders[1], product, 1, -400, 100);
        _clear();
        vm.assertEq(MARKET.clearing(product).price, -300);
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderSettled(product, traders[0], 0, 0, 100, -300 * 100 * 1e10);
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderSettled(product, traders[1], 1, 1, 100, 300 * 100 * 1e10);
        MARKET.settleOrders(product, 10);
        // The buyer's earnings are locked with its collateral; the seller keeps its collateral locked.
        vm.assertEq(VAULT.balanceOf(traders[0]).locked, (700 + 300) * 100 * 1e10);
        vm.assertEq(VAULT.balanceOf(traders[0]).free, 100_000 * COIN - 700 * 100 * 1e10);
        vm.assertEq(VAULT.balanceOf(traders[1]).locked, 40_700 * 100 * 1e10);
        vm.assertEq(VAULT.balanceOf(traders[1]).free, 100_000 * COIN - (40_700 + 300) * 100 * 1e10);
        vm.assertEq(MARKET.position(product, traders[0]), 100);
        vm.assertEq(MARKET.position(product, traders[1]), -100);
    }

    function test_settled_in_pages_of_any_size_the_result_is_the_same(uint256 seed, uint8 page) public {
        uint256 count = _fillBook(seed);
        _clear();
        uint256[] memory fills = LENS.fillsOf(product);
        (, uint256[] memory expected) = IBatchAuction(Predeploys.BATCH_AUCTION).fills(MARKET.orders(product));
        vm.assertEq(fills, expected);

        uint256 size = bound(uint256(page), 1, count + 1);
        uint256 calls = 0;
        bool done = false;
        while (!done) {
            vm.assertEq(MARKET.productInfo(product).ordersSettled, calls * size);
            done = MARKET.settleOrders(product, size);
            ++calls;
        }
        vm.assertEq(calls, (count + size - 1) / size);
        vm.assertEq(VAULT.clearingBalance(), 0);
        _expectSettledByDefinition(fills);
    }

    function test_clear_stores_the_result_of_any_book(uint256 seed) public {
        uint256 count = _fillBook(seed);
        IBatchAuction.Clearing memory result = IBatchAuction(Predeploys.BATCH_AUCTION).clear(MARKET.orders(product));
        IMarket.Level memory bid = IMarket.Level(result.bid.price, result.bid.quantity, result.bid.filled);
        IMarket.Level memory ask = IMarket.Level(result.ask.price, result.ask.quantity, result.ask.filled);
        _closeGate();
        vm.expectEmit(address(MARKET));
        emit IMarket.ProductCleared(product, result.price, result.volume, count, bid, ask);
        MARKET.clear(product);
        vm.assertEq(abi.encode(MARKET.clearing(product)), abi.encode(result));
        vm.assertEq(MARKET.productInfo(product).ordersSettled, 0);
    }

    /// @dev Every account's position and money, summed up anew from words and fills.
    function _expectSettledByDefinition(uint256[] memory fills) private view {
        Order[] memory words = MARKET.orders(product);
        int256 price = MARKET.clearing(product).price;
        int256 sum = 0;
        for (uint256 t = 0; t < TRADERS; ++t) {
            int256 position = 0;
            uint256 traded = 0;
            for (uint256 i = 0; i < words.length; ++i) {
                Order order = words[i];
                if (order.trader() != traders[t]) continue;
                vm.assertEq(LENS.fillOf(product, i), fills[i]);
                position += order.side() == 0 ? int256(fills[i]) : -int256(fills[i]);
                traded += fills[i];
            }
            vm.assertEq(MARKET.position(product, traders[t]), position);
            _expectMoney(traders[t], price * position * 1e10, traded);
            sum += position;
        }
        vm.assertEq(sum, 0);
    }

    function _expectMoney(address account, int256 cost, uint256 traded) private view {
        int256 total = int256(VAULT.balanceOf(account).free + VAULT.balanceOf(account).locked);
        vm.assertEq(total, int256(100_000 * COIN) - cost);
        IMarket.AccountInfo memory info = MARKET.accountInfo(product, account);
        vm.assertEq(info.locked, VAULT.balanceOf(account).locked);
        vm.assertGe(info.locked, 700 * traded * 1e10, "collateral of what was traded stays locked");
        vm.assertEq(info.openBidWh, 0);
        vm.assertEq(info.openAskWh, 0);
    }

    // Positions

    function test_closePositions_is_for_settlement_after_the_orders() public {
        _submit(traders[0], product, 0, 900, 100);
        _submit(traders[1], product, 1, 500, 60);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSettlement.selector, address(this)));
        MARKET.closePositions(product, _delivery(traders[0], 0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        vm.prank(address(SETTLEMENT));
        MARKET.closePositions(product, _delivery(traders[0], 0));
        _clear();
        MARKET.settleOrders(product, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersNotSettled.selector, product, 1, 2));
        vm.prank(address(SETTLEMENT));
        MARKET.closePositions(product, _delivery(traders[0], 0));
        MARKET.settleOrders(product, 1);

        IMarket.Closing memory closing = _closePosition(traders[0]);
        vm.assertEq(closing.closed, true);
        vm.assertEq(closing.contracted, 60);
        vm.assertEq(closing.released, 700 * 60 * 1e10);
        vm.assertEq(MARKET.position(product, traders[0]), 60);
        vm.assertEq(MARKET.accountInfo(product, traders[0]).delivered, true);
        vm.assertEq(MARKET.accountInfo(product, traders[0]).locked, 0);
        vm.assertEq(abi.encode(_closePosition(traders[0])), abi.encode(IMarket.Closing(false, false, 0, 0, 0)));
    }

    function test_positions_of_any_book_are_closed_once_for_what_is_locked(uint256 seed) public {
        _fillBook(seed);
        _clear();
        MARKET.settleOrders(product, 40);
        int256 sum = 0;
        for (uint256 t = 0; t < TRADERS; ++t) {
            IMarket.AccountInfo memory info = MARKET.accountInfo(product, traders[t]);
            IMarket.Closing memory closing = _closePosition(traders[t]);
            vm.assertEq(closing.closed, true);
            vm.assertEq(closing.contracted, info.position);
            vm.assertEq(closing.released, VAULT.balanceOf(traders[t]).locked);
            sum += closing.contracted;

            info.locked = 0;
            (info.delivered, info.metered) = (true, info.position);
            vm.assertEq(abi.encode(MARKET.accountInfo(product, traders[t])), abi.encode(info));
            vm.assertEq(abi.encode(_closePosition(traders[t])), abi.encode(IMarket.Closing(false, false, 0, 0, 0)));
        }
        vm.assertEq(sum, 0);
    }

    function test_positions_keep_what_was_metered(int48 metered, int48 corrected) public {
        vm.assume(metered != 0 && corrected != 0);
        _clear();
        vm.startPrank(address(SETTLEMENT));
        IMarket.Closing memory correction = MARKET.correctPositions(product, _delivery(traders[0], corrected))[0];
        vm.assertEq(abi.encode(correction), abi.encode(IMarket.Closing(false, false, 0, 0, 0)));
        vm.assertEq(MARKET.accountInfo(product, traders[0]).metered, 0);
        vm.assertEq(MARKET.closePositions(product, _delivery(traders[0], metered))[0].metered, metered);
        vm.assertEq(MARKET.accountInfo(product, traders[0]).metered, metered);
        vm.assertEq(MARKET.accountInfo(product, traders[0]).locked, 0);
        correction = MARKET.correctPositions(product, _delivery(traders[0], corrected))[0];
        vm.assertEq(abi.encode(correction), abi.encode(IMarket.Closing(true, false, 0, metered, 0)));
        vm.assertEq(MARKET.accountInfo(product, traders[0]).metered, corrected);
        vm.stopPrank();
    }

    function test_only_settlement_corrects_positions(address anybody) public {
        vm.assume(anybody != address(SETTLEMENT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSettlement.selector, anybody));
        vm.prank(anybody);
        MARKET.correctPositions(product, _delivery(traders[0], 1));
    }

    function test_only_settlement_closes_positions(address anybody) public {
        vm.assume(anybody != address(SETTLEMENT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSettlement.selector, anybody));
        vm.prank(anybody);
        MARKET.closePositions(product, _delivery(traders[0], 0));
    }

    /// @dev Random orders around few prices, so that levels are shared, with some cancelled.
    function _fillBook(uint256 seed) private returns (uint256 count) {
        for (uint256 i = 1 + seed % 40; i != 0; --i) {
            seed = uint256(keccak256(abi.encode(seed)));
            address trader = traders[seed % TRADERS];
            int32 price = int32(int256((seed >> 16) % 7)) * 100 - 200;
            uint256 index = _submit(trader, product, uint8((seed >> 8) % 2), price, uint40(1 + (seed >> 32) % 60));
            if ((seed >> 64) % 8 == 0) {
                vm.prank(trader);
                MARKET.cancel(product, index);
            }
        }
        count = MARKET.orderCount(product);
    }

    function _closePosition(address account) private returns (IMarket.Closing memory) {
        vm.prank(address(SETTLEMENT));
        return MARKET.closePositions(product, _delivery(account, 0))[0];
    }

    /// @dev Not read, but for a metered energy.
    function _delivery(address account, int256 metered) private pure returns (IMarket.Delivery[] memory deliveries) {
        deliveries = new IMarket.Delivery[](1);
        deliveries[0] = IMarket.Delivery(account, metered != 0, metered);
    }

    function _closeGate() private {
        vm.warp(START - GATE_LEAD);
    }

    function _clear() private {
        _closeGate();
        MARKET.clear(product);
    }
}
