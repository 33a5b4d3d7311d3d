// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Order, packOrder} from "../src/types/Order.sol";
import {Product, packProduct} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

/// @notice The Market until gate closure: submitting and cancelling.
contract MarketOrdersTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    Product private product = _product(START);

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, 1000 * COIN);
        _deposit(bob, 1000 * COIN);
    }

    // Submitting

    function test_submit_stores_the_word_and_locks_cost_and_collateral() public {
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderSubmitted(product, alice, 0, 0, 20_000, 1000, 20_700 * 1000 * 1e10);
        vm.assertEq(_submit(alice, product, 0, 20_000, 1000), 0);
        vm.assertEq(_submit(bob, product, 1, -300, 40), 1);

        Order[] memory words = MARKET.orders(product);
        vm.assertEq(words.length, 2);
        vm.assertEq(Order.unwrap(words[0]), bytes32(uint256(20_000) << 200 | uint256(1000) << 160 | uint160(alice)));
        // −300 in two's complement, the side above it.
        vm.assertEq(
            Order.unwrap(words[1]),
            bytes32(uint256(1) << 232 | uint256(0xfffffed4) << 200 | uint256(40) << 160 | uint160(bob))
        );
        vm.assertEq(MARKET.orderCount(product), 2);
        vm.assertEq(VAULT.balanceOf(alice).locked, 20_700 * 1000 * 1e10);
        // A seller that delivers nothing buys at the shortage price, and at a negative price pays that, too.
        vm.assertEq(VAULT.balanceOf(bob).locked, 41_000 * 40 * 1e10);

        IMarket.AccountInfo memory info = MARKET.accountInfo(product, alice);
        vm.assertEq(info.locked, 20_700 * 1000 * 1e10);
        vm.assertEq(info.openBidWh, 1000);
        vm.assertEq(info.openAskWh, 0);
        vm.assertEq(info.orderCount, 1);
        vm.assertEq(info.position, 0);
        vm.assertEq(info.delivered, false);
        vm.assertEq(MARKET.accountInfos(product, _list(alice, bob))[1].openAskWh, 40);
    }

    function test_collateral_covers_the_worst_case(uint8 side, int32 price, uint40 quantity) public view {
        side = uint8(bound(uint256(side), 0, 1));
        // A buyer can owe the price and the grid fee, a seller the shortage price and the grid fee less its proceeds.
        int256 worst = side == 0 ? (price > 0 ? int256(price) : int256(0)) + 700 : int256(40_700) - price;
        vm.assertEq(LENS.collateral(product, side, price, quantity), worst > 0 ? uint256(worst) * quantity * 1e10 : 0);
    }

    function test_collateral_knows_two_sides() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidSide.selector, 2));
        LENS.collateral(product, 2, 1, 1);
    }

    function test_submitMany_submits_for_several_products() public {
        IMarket.NewOrder[] memory newOrders = new IMarket.NewOrder[](3);
        newOrders[0] = IMarket.NewOrder(product, 0, 100, 10);
        newOrders[1] = IMarket.NewOrder(_product(START - LENGTH), 1, 200, 20);
        newOrders[2] = IMarket.NewOrder(product, 1, 300, 30);
        vm.prank(alice);
        uint256[] memory indices = MARKET.submitMany(newOrders);
        vm.assertEq(indices[0], 0);
        vm.assertEq(indices[1], 0);
        vm.assertEq(indices[2], 1);
        vm.assertEq(MARKET.orderCount(product), 2);
        vm.assertEq(Order.unwrap(MARKET.orders(_product(START - LENGTH))[0]), _word(1, 200, 20, alice));
    }

    function test_submitMany_submits_all_or_none() public {
        IMarket.NewOrder[] memory newOrders = new IMarket.NewOrder[](2);
        newOrders[0] = IMarket.NewOrder(product, 0, 100, 10);
        newOrders[1] = IMarket.NewOrder(product, 0, 100, 0);
        vm.expectRevert(IMarket.ZeroQuantity.selector);
        vm.prank(alice);
        MARKET.submitMany(newOrders);
        vm.assertEq(MARKET.orderCount(product), 0);
    }

    function test_submit_keeps_to_the_opening_hours() public {
        Product later = _product(START + LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOpenYet.selector, later, T0 + LENGTH));
        _submit(alice, later, 0, 100, 10);
        vm.assertEq(uint256(MARKET.productInfo(later).stage), uint256(IMarket.Stage.NotOpen));

        vm.warp(START - GATE_LEAD - 1);
        _submit(alice, product, 0, 100, 10);
        vm.warp(START - GATE_LEAD);
        vm.expectRevert(abi.encodeWithSelector(IMarket.GateClosed.selector, product, START - GATE_LEAD));
        _submit(alice, product, 0, 100, 10);
    }

    function test_submit_refuses_what_is_no_product() public {
        Product unaligned = _product(START - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnalignedStart.selector, unaligned, LENGTH));
        _submit(alice, unaligned, 0, 100, 10);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, 9));
        _submit(alice, packProduct(9, START), 0, 100, 10);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, T0 - LENGTH));
        _submit(alice, _product(T0 - LENGTH), 0, 100, 10);
        uint256[3] memory invalid =
            [uint256(START), uint256(1) << 128 | Product.unwrap(product), uint256(ZONE) << 64 | uint256(1) << 48];
        for (uint256 i = 0; i < invalid.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidProduct.selector, invalid[i]));
            _submit(alice, Product.wrap(invalid[i]), 0, 100, 10);
        }
    }

    function test_submit_refuses_strangers_and_stopped_participants() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotParticipant.selector, carol, ZONE));
        _submit(carol, product, 0, 100, 10);
        vm.prank(registrar);
        REGISTRY.setParticipantActive(alice, false);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotParticipant.selector, alice, ZONE));
        _submit(alice, product, 0, 100, 10);
        vm.prank(admin);
        REGISTRY.createZone(9, _settings());
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotParticipant.selector, bob, 9));
        _submit(bob, packProduct(9, START), 0, 100, 10);
    }

    function test_submit_refuses_the_zones_operator_while_it_is_that() public {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(operator))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(operator));
        _addMeter(operator, "operator's", 5000, 3000);
        _deposit(operator, COIN);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OperatorCannotTrade.selector, operator, ZONE));
        _submit(operator, product, 0, 100, 10);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = carol;
        uint64 from = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from - OPEN_LEAD);
        _submit(operator, _product(from), 0, 100, 10);
    }

    function test_submit_refuses_bad_terms() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidSide.selector, 2));
        _submit(alice, product, 2, 100, 10);
        vm.expectRevert(IMarket.ZeroQuantity.selector);
        _submit(alice, product, 0, 100, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, -5001, -5000, 50_000));
        _submit(alice, product, 0, -5001, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 50_001, -5000, 50_000));
        _submit(alice, product, 1, 50_001, 10);
    }

    function test_submit_keeps_to_what_meters_can_take_and_deliver() public {
        _submit(alice, product, 0, 100, 3000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 5001, 5000));
        _submit(alice, product, 0, 100, 2001);
        _submit(alice, product, 0, 100, 2000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 3001, 3000));
        _submit(alice, product, 1, 100, 3001);
        _submit(alice, product, 1, 100, 3000);
        // Cancelling makes room again; another product has room of its own.
        vm.prank(alice);
        MARKET.cancel(product, 1);
        _submit(alice, product, 0, 100, 2000);
        _submit(alice, _product(START - LENGTH), 0, 100, 5000);
    }

    function test_submit_needs_free_money_and_no_debt() public {
        vm.prank(alice);
        VAULT.withdraw(1000 * COIN - 50);
        vm.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, 50, 10_700 * 1e10));
        _submit(alice, product, 0, 10_000, 1);
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](1);
        deliveries[0] = IVault.Delivery(alice, 0, 60);
        vm.prank(address(SETTLEMENT));
        VAULT.bookDeliveries(operator, deliveries);
        vm.expectRevert(abi.encodeWithSelector(IVault.InDebt.selector, alice, 10));
        _submit(alice, product, 0, 10_000, 1);
    }

    function test_submit_bounds_the_orders_of_an_account() public {
        for (uint256 i = 0; i < 64; ++i) {
            _submit(alice, product, 0, 100, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyOrdersOfAccount.selector, product, alice, 64));
        _submit(alice, product, 0, 100, 1);
        _submit(bob, product, 0, 100, 1);
        vm.prank(alice);
        MARKET.cancel(product, 3);
        _submit(alice, product, 0, 100, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyOrdersOfAccount.selector, product, alice, 64));
        _submit(alice, product, 0, 100, 1);
    }

    /// @dev However often orders are submitted and cancelled, no place of the book is lost.
    function test_cancelled_places_are_used_again() public {
        for (uint256 i = 0; i < 300; ++i) {
            uint256 index = _submit(i % 2 == 0 ? alice : bob, product, 0, 100, 1);
            vm.assertEq(index, 0);
            vm.prank(i % 2 == 0 ? alice : bob);
            MARKET.cancel(product, 0);
        }
        vm.assertEq(MARKET.orderCount(product), 1);
        vm.assertEq(MARKET.accountInfo(product, alice).orderCount, 0);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_submit(alice, product, 0, 100, uint40(i + 1)), i);
        }
        vm.startPrank(alice);
        MARKET.cancel(product, 2);
        MARKET.cancel(product, 0);
        MARKET.cancel(product, 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrderEmpty.selector, product, 3));
        MARKET.cancel(product, 3);
        vm.stopPrank();
        vm.assertEq(Order.unwrap(MARKET.orders(product)[0]), bytes32(0));
        vm.assertEq(_submit(bob, product, 0, 100, 10), 3);
        vm.assertEq(_submit(bob, product, 0, 100, 11), 0);
        vm.assertEq(_submit(bob, product, 0, 100, 12), 2);
        vm.assertEq(_submit(bob, product, 0, 100, 13), 4);
        Order[] memory orders = MARKET.orders(product);
        vm.assertEq(Order.unwrap(orders[0]), _word(0, 100, 11, bob));
        vm.assertEq(Order.unwrap(orders[1]), _word(0, 100, 2, alice));
        vm.assertEq(Order.unwrap(orders[2]), _word(0, 100, 12, bob));
        vm.assertEq(Order.unwrap(orders[3]), _word(0, 100, 10, bob));
    }

    function test_submit_bounds_the_orders_of_a_product() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.maxOrders = 2;
        uint64 from = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        // Books of earlier products stay as large as they were when they opened.
        for (uint256 i = 0; i < 3; ++i) {
            _submit(alice, product, 0, 100, 1);
        }
        vm.warp(from - OPEN_LEAD);
        _submit(alice, _product(from), 0, 100, 1);
        _submit(bob, _product(from), 0, 100, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyOrders.selector, _product(from), 2));
        _submit(bob, _product(from), 0, 100, 1);
    }

    /// @dev Each pauser alone stops new orders for a day, once a week, and nothing else.
    function test_a_pause_stops_new_orders_for_a_day() public {
        _submit(alice, product, 0, 100, 1);
        _submit(alice, product, 0, 100, 2);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        vm.prank(alice);
        MARKET.pauseOrders();
        vm.expectEmit(address(MARKET));
        emit IMarket.OrdersPaused(pauser, T0 + 1 days);
        vm.prank(pauser);
        MARKET.pauseOrders();
        vm.assertEq(MARKET.pausedUntil(), T0 + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersArePaused.selector, T0 + 1 days));
        _submit(alice, product, 0, 100, 1);
        vm.prank(alice);
        MARKET.cancel(product, 0);
        vm.prank(alice);
        VAULT.withdraw(1);
        vm.warp(START - GATE_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, 2);

        vm.warp(T0 + 1 days - 1);
        Product later = _product(T0 + 1 days + OPEN_LEAD - LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersArePaused.selector, T0 + 1 days));
        _submit(alice, later, 0, 100, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PausedRecently.selector, pauser, T0 + 7 days));
        vm.prank(pauser);
        MARKET.pauseOrders();
        vm.warp(T0 + 1 days);
        _submit(alice, later, 0, 100, 1);
        vm.warp(T0 + 7 days);
        vm.prank(pauser);
        MARKET.pauseOrders();
        vm.assertEq(MARKET.pausedUntil(), T0 + 8 days);
    }

    // Cancelling

    function test_cancel_clears_the_word_and_unlocks() public {
        _submit(alice, product, 0, 20_000, 1000);
        _submit(alice, product, 1, -100, 500);
        _submit(alice, product, 0, 10_000, 100);
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderCancelled(product, alice, 0, 20_700 * 1000 * 1e10);
        vm.startPrank(alice);
        MARKET.cancel(product, 0);
        MARKET.cancel(product, 1);
        vm.stopPrank();

        Order[] memory words = MARKET.orders(product);
        vm.assertEq(words.length, 3);
        vm.assertEq(Order.unwrap(words[0]), bytes32(0));
        vm.assertEq(Order.unwrap(words[1]), bytes32(0));
        vm.assertEq(Order.unwrap(words[2]), _word(0, 10_000, 100, alice));
        vm.assertEq(VAULT.balanceOf(alice).locked, 10_700 * 100 * 1e10);
        IMarket.AccountInfo memory info = MARKET.accountInfo(product, alice);
        vm.assertEq(info.locked, 10_700 * 100 * 1e10);
        vm.assertEq(info.openBidWh, 100);
        vm.assertEq(info.openAskWh, 0);
    }

    function test_cancelling_all_frees_all(uint256 seed) public {
        uint256 count = bound(seed, 1, 20);
        for (uint256 i = 0; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            int32 price = int32(bound(int256(seed), -5000, 50_000));
            _submit(alice, product, uint8(seed % 2), price, uint40(1 + (seed >> 8) % 100));
        }
        for (uint256 i = count; i != 0; --i) {
            vm.prank(alice);
            MARKET.cancel(product, i - 1);
        }
        vm.assertEq(VAULT.balanceOf(alice).free, 1000 * COIN);
        vm.assertEq(VAULT.balanceOf(alice).locked, 0);
        vm.assertEq(MARKET.accountInfo(product, alice).locked, 0);
    }

    function test_cancel_refuses_what_is_not_ones_open_order() public {
        _submit(alice, product, 0, 100, 10);
        _submit(alice, product, 0, 100, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnknownOrder.selector, product, 2));
        vm.prank(alice);
        MARKET.cancel(product, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotYourOrder.selector, product, 0, alice));
        vm.prank(bob);
        MARKET.cancel(product, 0);
        vm.startPrank(alice);
        MARKET.cancel(product, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrderEmpty.selector, product, 0));
        MARKET.cancel(product, 0);
        vm.warp(START - GATE_LEAD);
        vm.expectRevert(abi.encodeWithSelector(IMarket.GateClosed.selector, product, START - GATE_LEAD));
        MARKET.cancel(product, 1);
        vm.stopPrank();
    }

    // Views

    function test_views_page_and_select_orders() public {
        _submit(alice, product, 0, 100, 1);
        _submit(bob, product, 0, 200, 2);
        _submit(alice, product, 1, 300, 3);
        _submit(alice, product, 0, 400, 4);
        vm.prank(alice);
        MARKET.cancel(product, 2);

        (uint256[] memory indices, Order[] memory words) = LENS.ordersOf(product, alice);
        vm.assertEq(indices.length, 2);
        vm.assertEq(indices[0], 0);
        vm.assertEq(indices[1], 3);
        vm.assertEq(Order.unwrap(words[0]), _word(0, 100, 1, alice));
        vm.assertEq(Order.unwrap(words[1]), _word(0, 400, 4, alice));
        (indices,) = LENS.ordersOf(product, carol);
        vm.assertEq(indices.length, 0);

        vm.assertEq(LENS.ordersPage(product, 1, 2).length, 2);
        vm.assertEq(Order.unwrap(LENS.ordersPage(product, 1, 2)[0]), _word(0, 200, 2, bob));
        vm.assertEq(Order.unwrap(LENS.ordersPage(product, 3, 9)[0]), _word(0, 400, 4, alice));
        vm.assertEq(LENS.ordersPage(product, 4, 9).length, 0);
        vm.assertEq(abi.encode(MARKET.extsload(MARKET.ordersSlot(product), 4)), abi.encode(MARKET.orders(product)));
        vm.assertEq(vm.load(address(MARKET), MARKET.ordersSlot(product)), _word(0, 100, 1, alice));
    }

    function test_productInfo_shows_the_times() public view {
        IMarket.ProductInfo memory info = MARKET.productInfo(product);
        vm.assertEq(uint256(info.stage), uint256(IMarket.Stage.Open));
        vm.assertEq(info.opensAt, START - OPEN_LEAD);
        vm.assertEq(info.gateClosesAt, START - GATE_LEAD);
        vm.assertEq(info.start, START);
        vm.assertEq(info.end, START + LENGTH);
        vm.assertEq(info.orderCount, 0);
    }

    // Changes of the rules

    function test_new_zone_settings_leave_open_products_alone() public {
        _submit(alice, product, 0, 20_000, 1000);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.gridFee = 9000;
        settings.maxPrice = 10_000;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, START + LENGTH);
        _submit(alice, product, 0, 30_000, 10);
        vm.startPrank(alice);
        MARKET.cancel(product, 0);
        MARKET.cancel(product, 1);
        vm.stopPrank();
        vm.assertEq(VAULT.balanceOf(alice).free, 1000 * COIN);

        vm.warp(T0 + LENGTH);
        Product later = _product(START + LENGTH);
        vm.assertEq(LENS.collateral(later, 0, 1000, 1), 10_000 * 1e10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 10_001, -5000, 10_000));
        _submit(alice, later, 0, 10_001, 1);
    }

    function test_a_meter_that_changes_owner_leaves_open_products_alone() public {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), bob, START + LENGTH)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), bob, START + LENGTH);
        _submit(alice, product, 0, 100, 5000);
        vm.warp(T0 + LENGTH);
        Product later = _product(START + LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 1, 0));
        _submit(alice, later, 0, 100, 1);
        _submit(bob, later, 0, 100, 10_000);
    }

    // Words

    function test_an_order_word_reads_back(uint8 side, int32 price, uint40 quantity, address trader) public pure {
        side = uint8(bound(uint256(side), 0, 1));
        Order order = packOrder(side, price, quantity, trader);
        vm.assertEq(order.side(), side);
        vm.assertEq(order.price(), price);
        vm.assertEq(order.quantity(), quantity);
        vm.assertEq(order.trader(), trader);
        vm.assertEq(uint256(Order.unwrap(order)) >> 240, 0);
    }

    function _word(uint8 side, int32 price, uint40 quantity, address trader) private pure returns (bytes32) {
        return Order.unwrap(packOrder(side, price, quantity, trader));
    }
}
