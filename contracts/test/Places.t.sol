// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Order, packOrder} from "../src/types/Order.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";

/// @notice Books stand in the place of the book 64 days before.
contract PlacesTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint64 private constant PERIOD = 64 days;
    ISettlement.Status private constant EARLIER = ISettlement.Status.EarlierNotSettled;
    Product private former = _product(START);
    Product private product = _product(START + PERIOD);

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, 100 * COIN);
        _deposit(bob, 100 * COIN);
        _submit(alice, former, 0, 2000, 100);
        _submit(bob, former, 1, 1000, 80);
        _submit(bob, former, 1, 1500, 80);
        vm.warp(START + PERIOD - OPEN_LEAD);
    }

    function test_a_book_waits_for_the_one_in_its_place() public {
        bytes memory reason = abi.encodeWithSelector(IMarket.BookNotSettled.selector, former);
        vm.expectRevert(reason);
        _submit(alice, product, 0, 3000, 10);
        MARKET.clear(former);
        vm.expectRevert(reason);
        _submit(alice, product, 0, 3000, 10);
        MARKET.settleOrders(former, 2);
        vm.expectRevert(reason);
        _submit(alice, product, 0, 3000, 10);
        MARKET.settleOrders(former, 1);
        // Then for the deliveries of those who order, each its own.
        vm.expectRevert(abi.encodeWithSelector(IMarket.StakeNotSettled.selector, product, alice));
        _submit(alice, product, 0, 3000, 10);
        SETTLEMENT.settle(former, _list(alice));
        vm.assertEq(_submit(alice, product, 0, 3000, 10), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.StakeNotSettled.selector, product, bob));
        _submit(bob, product, 1, 1000, 10);
    }

    /// @dev What an account has in a product stands in the place of what it had 64 days before.
    function test_a_part_in_a_product_waits_for_the_one_in_its_place() public {
        _settleBook();
        vm.warp(START + PERIOD + LENGTH + FINAL_DEADLINE);
        vm.assertEq(MARKET.accountInfo(product, bob).waits, true);
        MARKET.clear(product);
        vm.assertEq(uint256(SETTLEMENT.statuses(product, _list(bob))[0]), uint256(EARLIER));
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySkipped(product, bob, EARLIER);
        vm.assertEq(uint256(SETTLEMENT.settle(product, _list(bob))[0]), uint256(EARLIER));
        uint256 locked = VAULT.balanceOf(bob).locked;
        vm.assertEq(MARKET.accountInfo(former, bob).locked, locked);
        SETTLEMENT.settle(former, _list(bob));
        vm.assertEq(VAULT.balanceOf(bob).locked, 0);
        vm.assertEq(uint256(SETTLEMENT.settle(product, _list(bob))[0]), uint256(ISettlement.Status.Ready));
        // From then on the former is gone, and settled once.
        vm.assertEq(MARKET.accountInfo(former, bob).gone, true);
        vm.assertEq(MARKET.position(former, bob), 0);
        vm.assertEq(uint256(SETTLEMENT.statuses(former, _list(bob))[0]), uint256(ISettlement.Status.Done));
        vm.assertEq(uint256(SETTLEMENT.settle(former, _list(bob))[0]), uint256(ISettlement.Status.Done));
        vm.expectRevert(abi.encodeWithSelector(IMarket.StakeGone.selector, former, bob));
        SETTLEMENT.statement(former, bob);
    }

    /// @dev Who had nothing in the former is not kept from ordering, whether anybody settled it or not; nor is whoever had
    ///      nothing left in it but an order that did not fill.
    function test_an_empty_part_waits_for_nobody() public {
        _enrol(_list(carol));
        _deposit(carol, 100 * COIN);
        _settleFormer();
        vm.assertEq(_submit(carol, product, 0, 3000, 10), 0);
        vm.assertEq(MARKET.accountInfo(former, carol).gone, true);
        vm.assertEq(uint256(SETTLEMENT.settle(former, _list(carol))[0]), uint256(ISettlement.Status.Done));
        vm.assertEq(MARKET.accountInfo(product, carol).openBidWh, 10);
    }

    function test_nothing_of_the_former_book_is_in_the_new_one() public {
        _settleFormer();
        vm.assertEq(MARKET.orderCount(product), 0);
        vm.assertEq(MARKET.orders(former).length, 3);
        _submit(alice, product, 0, 3000, 10);
        vm.assertEq(MARKET.orderCount(product), 1);
        vm.assertEq(MARKET.orders(product).length, 1);
        vm.assertEq(Order.unwrap(MARKET.orders(product)[0]), Order.unwrap(packOrder(0, 3000, 10, alice)));
        // Only the one bid is cleared, not the asks that stood behind it.
        vm.warp(START + PERIOD - GATE_LEAD);
        MARKET.clear(product);
        vm.assertEq(MARKET.clearing(product).volume, 0);
        vm.assertEq(MARKET.settleOrders(product, 10), true);
        vm.assertEq(MARKET.position(former, bob), -100);
        vm.assertEq(MARKET.position(product, alice), 0);
    }

    function test_vacant_places_are_those_of_the_new_book() public {
        _settleFormer();
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(_submit(alice, product, 0, 3000, 10), i);
        }
        vm.startPrank(alice);
        MARKET.cancel(product, 1);
        MARKET.cancel(product, 3);
        vm.stopPrank();
        vm.assertEq(_submit(bob, product, 1, 1000, 10), 3);
        vm.assertEq(_submit(bob, product, 1, 1000, 10), 1);
        vm.assertEq(_submit(bob, product, 1, 1000, 10), 5);
    }

    function test_a_book_that_is_gone_says_so() public {
        _settleFormer();
        _submit(alice, product, 0, 3000, 10);
        bytes memory reason = abi.encodeWithSelector(IMarket.BookGone.selector, former);
        vm.expectRevert(reason);
        MARKET.orders(former);
        vm.expectRevert(reason);
        LENS.fillsOf(former);
        vm.expectRevert(reason);
        LENS.fillOf(former, 0);
        vm.expectRevert(reason);
        MARKET.ordersSlot(former);
        vm.expectRevert(reason);
        LENS.ordersPage(former, 0, 10);
        vm.expectRevert(reason);
        vm.prank(alice);
        MARKET.cancel(former, 0);
        // The results stay.
        vm.assertEq(MARKET.clearing(former).volume, 100);
        vm.assertEq(MARKET.orderCount(former), 3);
        vm.assertEq(uint256(MARKET.productInfo(former).stage), uint256(IMarket.Stage.Settled));
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersAlreadySettled.selector, former));
        MARKET.settleOrders(former, 1);
    }

    function _settleFormer() private {
        _settleBook();
        SETTLEMENT.settle(former, _list(alice, bob));
    }

    function _settleBook() private {
        MARKET.clear(former);
        MARKET.settleOrders(former, 3);
    }
}
