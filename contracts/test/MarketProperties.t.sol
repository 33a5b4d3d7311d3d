// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Order, packOrder} from "../src/types/Order.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What holds for the Market until gate closure whatever the orders are.
contract MarketPropertiesTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint256 private constant PRODUCTS = 3;
    Product private product = _product(START);

    /// @dev What the fuzzer makes an order of.
    struct Seed {
        uint8 product;
        bool ask;
        int32 price;
        uint16 quantity;
    }

    /// @dev What is to be found of one account in one product.
    struct Expected {
        uint256 locked;
        uint256 bidWh;
        uint256 askWh;
        uint256 count;
    }

    mapping(Product product => Expected) private expected;

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, 1000 * COIN);
        _deposit(bob, 1000 * COIN);
    }

    // Submitting

    /// @dev Bob's orders stand there before, so that places do not begin with zero.
    function test_submitMany_submits_each_order_to_its_product(Seed[6] memory seeds, uint8[3] memory before) public {
        for (uint256 p = 0; p < PRODUCTS; ++p) {
            for (uint256 i = 0; i < before[p] % 3; ++i) {
                _submit(bob, _productAt(p), 0, 100, 1);
            }
        }
        IMarket.NewOrder[] memory newOrders = _newOrders(seeds);
        uint256[] memory indices = new uint256[](newOrders.length);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            IMarket.NewOrder memory order = newOrders[i];
            indices[i] = MARKET.orderCount(order.product) + expected[order.product].count;
            _expectSubmitted(order);
        }
        uint256 total = 0;
        for (uint256 i = 0; i < newOrders.length; ++i) {
            IMarket.NewOrder memory order = newOrders[i];
            uint256 locked = _locked(order.side, order.price, order.quantity);
            total += locked;
            vm.expectEmit(address(MARKET));
            emit IMarket.OrderSubmitted(
                order.product, alice, indices[i], order.side, order.price, order.quantity, locked
            );
        }
        vm.prank(alice);
        vm.assertEq(MARKET.submitMany(newOrders), indices);

        for (uint256 i = 0; i < newOrders.length; ++i) {
            vm.assertEq(Order.unwrap(MARKET.orders(newOrders[i].product)[indices[i]]), _word(newOrders[i]));
        }
        for (uint256 p = 0; p < PRODUCTS; ++p) {
            _expectInfo(_productAt(p));
            vm.assertEq(MARKET.orderCount(_productAt(p)), before[p] % 3 + expected[_productAt(p)].count);
        }
        vm.assertEq(VAULT.balanceOf(alice).locked, total);
        vm.assertEq(VAULT.balanceOf(alice).free, 1000 * COIN - total);
    }

    function test_submitMany_submits_all_or_none(Seed[6] memory seeds, uint256 place, uint8 side) public {
        IMarket.NewOrder[] memory newOrders = _newOrders(seeds);
        IMarket.NewOrder memory wrong = newOrders[bound(place, 0, newOrders.length - 1)];
        wrong.side = uint8(bound(uint256(side), 2, type(uint8).max));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidSide.selector, wrong.side));
        vm.prank(alice);
        MARKET.submitMany(newOrders);
        for (uint256 p = 0; p < PRODUCTS; ++p) {
            _expectInfo(_productAt(p));
            vm.assertEq(MARKET.orderCount(_productAt(p)), 0);
        }
        vm.assertEq(VAULT.balanceOf(alice).free, 1000 * COIN);
    }

    function test_submit_takes_an_order_or_says_what_is_wrong(uint8 side, int32 price, uint40 quantity, uint256 money)
        public
    {
        // Most of each are in bounds, so that every reason gets its turn.
        side = uint8(bound(uint256(side), 0, 2));
        price = int32(bound(int256(price), -6000, 51_000));
        quantity = uint40(bound(uint256(quantity), 0, 6000));
        money = bound(money, 1, 3 * COIN);
        vm.prank(alice);
        VAULT.withdraw(1000 * COIN - money);
        bytes memory reason = _whyNot(side, price, quantity, money);
        if (reason.length != 0) vm.expectRevert(reason);
        else _expectSubmitted(IMarket.NewOrder(product, side, price, quantity));
        _submit(alice, product, side, price, quantity);

        _expectInfo(product);
        vm.assertEq(MARKET.orderCount(product), reason.length == 0 ? 1 : 0);
        vm.assertEq(VAULT.balanceOf(alice).locked, expected[product].locked);
        vm.assertEq(VAULT.balanceOf(alice).free, money - expected[product].locked);
    }

    function _whyNot(uint8 side, int32 price, uint40 quantity, uint256 money) private view returns (bytes memory) {
        if (side > 1) return abi.encodeWithSelector(IMarket.InvalidSide.selector, side);
        if (quantity == 0) return abi.encodeWithSelector(IMarket.ZeroQuantity.selector);
        if (price < -5000 || price > 50_000) {
            return abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, price, -5000, 50_000);
        }
        uint256 capacity = side == 0 ? 5000 : 3000;
        if (quantity > capacity) {
            return abi.encodeWithSelector(IMarket.BeyondCapacity.selector, side, quantity, capacity);
        }
        uint256 locked = _locked(side, price, quantity);
        if (locked > money) return abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, money, locked);
        return "";
    }

    function test_the_book_is_open_between_opening_and_gate(uint256 time, uint256 place) public {
        uint64 start = T0 + uint64(bound(place, 0, 12)) * LENGTH;
        uint64 now_ = uint64(bound(time, T0, T0 + 12 * LENGTH));
        Product id = _product(start);
        vm.warp(now_);
        (uint64 opensAt, uint64 closesAt) = (start - OPEN_LEAD, start - GATE_LEAD);
        IMarket.Stage stage =
            now_ < opensAt ? IMarket.Stage.NotOpen : now_ < closesAt ? IMarket.Stage.Open : IMarket.Stage.Closed;
        vm.assertEq(uint256(MARKET.productInfo(id).stage), uint256(stage));

        if (now_ < opensAt) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.NotOpenYet.selector, id, opensAt));
        } else if (now_ >= closesAt) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.GateClosed.selector, id, closesAt));
        }
        _submit(alice, id, 0, 100, 1);
        vm.assertEq(MARKET.orderCount(id), stage == IMarket.Stage.Open ? 1 : 0);
        if (now_ < closesAt) vm.expectRevert(abi.encodeWithSelector(IMarket.GateStillOpen.selector, id, closesAt));
        MARKET.clear(id);
    }

    function test_what_is_no_product_is_none_anywhere(uint256 number) public {
        // No zone, more than 64 bits of zone, or more than 48 bits of time.
        if (number % 3 == 0) number = uint64(number);
        else if (number % 3 == 1) number |= 1 << (128 + (number >> 8) % 128);
        else number |= 1 << (48 + (number >> 8) % 16);
        Product id = Product.wrap(number);
        bytes memory reason = abi.encodeWithSelector(IMarket.InvalidProduct.selector, id);
        vm.expectRevert(reason);
        _submit(alice, id, 0, 100, 1);
        vm.expectRevert(reason);
        MARKET.clear(id);
        vm.expectRevert(reason);
        MARKET.productInfo(id);
        vm.expectRevert(reason);
        LENS.collateral(id, 0, 100, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, id));
        MARKET.settleOrders(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnknownOrder.selector, id, 0));
        MARKET.cancel(id, 0);
    }

    // Cancelling

    function test_cancel_takes_back_one_order_and_no_other(Seed[6] memory seeds, uint8 cancelled) public {
        IMarket.NewOrder[] memory newOrders = _newOrders(seeds);
        vm.prank(alice);
        uint256[] memory indices = MARKET.submitMany(newOrders);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            IMarket.NewOrder memory order = newOrders[i];
            if (cancelled >> i & 1 == 0) {
                _expectSubmitted(order);
                continue;
            }
            uint256 locked = _locked(order.side, order.price, order.quantity);
            vm.expectEmit(address(MARKET));
            emit IMarket.OrderCancelled(order.product, alice, indices[i], locked);
            vm.prank(alice);
            MARKET.cancel(order.product, indices[i]);
        }
        uint256 total = 0;
        for (uint256 p = 0; p < PRODUCTS; ++p) {
            _expectInfo(_productAt(p));
            total += expected[_productAt(p)].locked;
        }
        vm.assertEq(VAULT.balanceOf(alice).locked, total);
        vm.assertEq(VAULT.balanceOf(alice).free, 1000 * COIN - total);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            bytes32 word = Order.unwrap(MARKET.orders(newOrders[i].product)[indices[i]]);
            vm.assertEq(word, cancelled >> i & 1 == 0 ? _word(newOrders[i]) : bytes32(0));
        }
    }

    // Views

    function test_views_show_the_same_orders_in_pages_by_slot_and_by_account(
        Seed[6] memory seeds,
        uint8 owners,
        uint256 from,
        uint256 max
    ) public {
        IMarket.NewOrder[] memory newOrders = _newOrders(seeds);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            IMarket.NewOrder memory order = newOrders[i];
            _submit(owners >> i & 1 == 0 ? alice : bob, product, order.side, order.price, order.quantity);
        }
        Order[] memory all = MARKET.orders(product);
        vm.assertEq(abi.encode(MARKET.extsload(MARKET.ordersSlot(product), all.length)), abi.encode(all));

        Order[] memory page = LENS.ordersPage(product, from, max);
        vm.assertEq(page.length, from >= all.length ? 0 : Math.min(all.length - from, max));
        for (uint256 i = 0; i < page.length; ++i) {
            vm.assertEq(Order.unwrap(page[i]), Order.unwrap(all[from + i]));
        }
        uint256 count = _expectOrdersOf(alice, all) + _expectOrdersOf(bob, all);
        vm.assertEq(count, all.length);
    }

    function _expectOrdersOf(address account, Order[] memory all) private view returns (uint256) {
        (uint256[] memory indices, Order[] memory words) = LENS.ordersOf(product, account);
        vm.assertEq(indices.length, words.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            vm.assertEq(Order.unwrap(words[i]), Order.unwrap(all[indices[i]]));
            vm.assertEq(words[i].trader(), account);
            if (i != 0) vm.assertTrue(indices[i - 1] < indices[i], "in order of submission");
        }
        vm.assertEq(MARKET.accountInfo(product, account).orderCount, indices.length);
        return indices.length;
    }

    // The model

    function _expectSubmitted(IMarket.NewOrder memory order) private {
        Expected storage info = expected[order.product];
        info.locked += _locked(order.side, order.price, order.quantity);
        if (order.side == 0) info.bidWh += order.quantity;
        else info.askWh += order.quantity;
        ++info.count;
    }

    function _expectInfo(Product id) private view {
        IMarket.AccountInfo memory info = MARKET.accountInfos(id, _list(alice))[0];
        vm.assertEq(info.locked, expected[id].locked, "locked");
        vm.assertEq(info.openBidWh, expected[id].bidWh, "bids");
        vm.assertEq(info.openAskWh, expected[id].askWh, "asks");
        vm.assertEq(info.orderCount, expected[id].count, "orders");
        vm.assertEq(info.position, 0);
    }

    /// @dev What an order can cost at most: shortage price and grid fee are 40,700 ticks together.
    function _locked(uint8 side, int32 price, uint40 quantity) private pure returns (uint256) {
        int256 worst = side == 0 ? (price > 0 ? int256(price) : int256(0)) + 700 : int256(40_700) - price;
        return worst > 0 ? uint256(worst) * quantity * 1e10 : 0;
    }

    /// @dev Orders within all bounds: six of them keep to 3,000 Wh.
    function _newOrders(Seed[6] memory seeds) private pure returns (IMarket.NewOrder[] memory newOrders) {
        newOrders = new IMarket.NewOrder[](seeds.length);
        for (uint256 i = 0; i < seeds.length; ++i) {
            newOrders[i] = IMarket.NewOrder({
                product: _productAt(seeds[i].product % PRODUCTS),
                side: seeds[i].ask ? 1 : 0,
                price: int32(bound(int256(seeds[i].price), -5000, 50_000)),
                quantity: uint40(1 + seeds[i].quantity % 500)
            });
        }
    }

    function _word(IMarket.NewOrder memory order) private view returns (bytes32) {
        return Order.unwrap(packOrder(order.side, order.price, order.quantity, alice));
    }

    function _productAt(uint256 place) private pure returns (Product) {
        return _product(START - uint64(place) * LENGTH);
    }
}
