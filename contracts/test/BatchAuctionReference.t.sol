// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IBatchAuction} from "../src/interfaces/IBatchAuction.sol";
import {Predeploys} from "../src/libraries/Predeploys.sol";
import {ASK, BID, Order, packOrder} from "../src/types/Order.sol";
import {Test} from "./base/Test.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @notice The reference against the published vectors, the consequences of the rules, and every error.
contract BatchAuctionReferenceTest is Test {
    struct OrderVector {
        Order word;
    }

    struct AuctionVector {
        OrderVector[] orders;
        IBatchAuction.Clearing clearing;
        uint256[] fills;
    }

    /// @dev The names of the inner types are free; IBatchAuction's exist more than once.
    string private constant VECTOR_TYPE = "AuctionVector(OrderVector[] orders,ClearingVector clearing,uint256[] fills)"
        "ClearingVector(int32 price,uint64 volume,LevelVector bid,LevelVector ask)"
        "LevelVector(int32 price,uint64 quantity,uint64 filled)" "OrderVector(bytes32 word)";

    IBatchAuction private constant AUCTION = IBatchAuction(Predeploys.BATCH_AUCTION);

    /// @dev What `clearStored` clears: the reference asks its caller for it.
    Order[] private stored;

    function setUp() public {
        address created = vm.deployCode(
            "out/BatchAuctionReference.sol/BatchAuctionReference.json", abi.encode(Predeploys.BATCH_AUCTION)
        );
        vm.etch(Predeploys.BATCH_AUCTION, created.code);
    }

    /// @notice See IMarket.extsload; here slot n is the n-th stored word.
    function extsload(bytes32 first, uint256 count) external view returns (bytes32[] memory words) {
        words = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = Order.unwrap(stored[uint256(first) + i]);
        }
    }

    function test_the_vectors() public {
        string memory json = vm.readFile("../precompiles/vectors/auction.json");
        AuctionVector[] memory vectors =
            abi.decode(vm.parseJsonTypeArray(json, ".cases", VECTOR_TYPE), (AuctionVector[]));
        vm.assertEq(vectors.length, 142);
        for (uint256 i = 0; i < vectors.length; ++i) {
            _check(vectors[i]);
        }
    }

    function _check(AuctionVector memory vector) private {
        uint256 count = vector.orders.length;
        Order[] memory orders = new Order[](count);
        for (uint256 i = 0; i < count; ++i) {
            orders[i] = vector.orders[i].word;
        }
        stored = orders;
        bytes memory expected = abi.encode(vector.clearing);
        vm.assertEq(abi.encode(AUCTION.clear(orders)), expected);
        vm.assertEq(abi.encode(AUCTION.clearStored(0, count)), expected);
        (IBatchAuction.Clearing memory result, uint256[] memory fills) = AUCTION.fills(orders);
        vm.assertEq(abi.encode(result), expected);
        vm.assertEq(fills, vector.fills);
    }

    function test_clearStored_clears_a_part_of_storage() public {
        stored = _crossing();
        stored.push(_order(ASK, -5, 7));
        Order[] memory part = new Order[](2);
        (part[0], part[1]) = (stored[1], stored[2]);
        vm.assertEq(abi.encode(AUCTION.clearStored(bytes32(uint256(1)), 2)), abi.encode(AUCTION.clear(part)));
    }

    // Consequences of the rules

    function test_the_rules_hold_for_any_book(uint256 seed) public view {
        Order[] memory orders = _randomBook(seed);
        (IBatchAuction.Clearing memory result, uint256[] memory fills) = AUCTION.fills(orders);
        uint256 bought = 0;
        uint256 sold = 0;
        for (uint256 i = 0; i < orders.length; ++i) {
            Order order = orders[i];
            if (order.side() == BID) bought += fills[i];
            else sold += fills[i];
            vm.assertLe(fills[i], order.quantity(), "nobody trades more than they want");
            if (order.quantity() != 0) _checkFill(order, fills[i], result);
        }
        vm.assertEq(bought, result.volume, "what is bought is the volume");
        vm.assertEq(sold, result.volume, "what is sold is the volume");
        vm.assertEq(result.volume, _greatestVolume(orders), "no price trades more");
    }

    function _checkFill(Order order, uint256 fill, IBatchAuction.Clearing memory result) private pure {
        int256 better = int256(order.price()) - result.price;
        if (order.side() == ASK) better = -better;
        if (fill != 0) vm.assertGe(better, 0, "nobody trades worse than their limit");
        if (better > 0 && result.volume != 0) {
            vm.assertEq(fill, order.quantity(), "nobody better than the price is left out");
        }
    }

    /// @dev The greatest min(D(p), S(p)), by trying every price that the random books use.
    function _greatestVolume(Order[] memory orders) private pure returns (uint256 greatest) {
        for (int256 price = -8; price <= 8; ++price) {
            uint256 demand = 0;
            uint256 supply = 0;
            for (uint256 i = 0; i < orders.length; ++i) {
                Order order = orders[i];
                if (order.side() == BID && order.price() >= price) demand += order.quantity();
                if (order.side() == ASK && order.price() <= price) supply += order.quantity();
            }
            uint256 both = demand < supply ? demand : supply;
            if (both > greatest) greatest = both;
        }
    }

    function test_the_order_of_words_matters_for_rounding_only(uint256 seed) public view {
        Order[] memory orders = _randomBook(seed);
        bytes32 result = keccak256(abi.encode(AUCTION.clear(orders)));
        for (uint256 i = orders.length; i > 1; --i) {
            seed = uint256(keccak256(abi.encode(seed)));
            (orders[i - 1], orders[seed % i]) = (orders[seed % i], orders[i - 1]);
        }
        vm.assertEq(keccak256(abi.encode(AUCTION.clear(orders))), result);
    }

    function test_a_thousand_orders_clear() public view {
        Order[] memory orders = new Order[](1000);
        for (uint256 i = 0; i < orders.length; ++i) {
            orders[i] = _order(uint8(i % 2), int32(int256(i % 17)), 10);
        }
        IBatchAuction.Clearing memory result = AUCTION.clear(orders);
        vm.assertEq(result.price, 8);
        vm.assertEq(result.volume, 2640);
    }

    // Errors

    function test_reserved_bits_and_sides_are_refused(uint256 word, uint256 place) public {
        Order[] memory orders = _crossing();
        place = bound(place, 0, orders.length - 1);
        word |= 1 << 160;
        vm.assume(word >> 233 != 0);
        orders[place] = Order.wrap(bytes32(word));
        vm.expectRevert(abi.encodeWithSelector(IBatchAuction.InvalidOrder.selector, place));
        AUCTION.clear(orders);
        vm.expectRevert(abi.encodeWithSelector(IBatchAuction.InvalidOrder.selector, place));
        AUCTION.fills(orders);
        stored = orders;
        vm.expectRevert(abi.encodeWithSelector(IBatchAuction.InvalidOrder.selector, place));
        AUCTION.clearStored(0, orders.length);
    }

    function test_an_empty_slot_may_hold_anything_else(uint256 word) public view {
        Order[] memory orders = _crossing();
        bytes32 before = keccak256(abi.encode(AUCTION.clear(orders)));
        Order[] memory more = new Order[](orders.length + 1);
        for (uint256 i = 0; i < orders.length; ++i) {
            more[i + 1] = orders[i];
        }
        more[0] = Order.wrap(bytes32(word & ~(uint256(type(uint40).max) << 160)));
        (IBatchAuction.Clearing memory result, uint256[] memory fills) = AUCTION.fills(more);
        vm.assertEq(keccak256(abi.encode(result)), before);
        vm.assertEq(fills[0], 0);
    }

    function test_unknown_functions_are_refused(bytes4 selector) public {
        vm.assume(
            selector != IBatchAuction.clear.selector && selector != IBatchAuction.clearStored.selector
                && selector != IBatchAuction.fills.selector
        );
        bytes memory expected = abi.encodeWithSelector(IBatchAuction.UnknownFunction.selector);
        _expectFailure(abi.encodePacked(selector), expected);
        _expectFailure(abi.encodePacked(selector, uint256(32), uint256(0)), expected);
        _expectFailure("", expected);
        _expectFailure(abi.encodePacked(bytes3(selector)), expected);
    }

    function test_malformed_input_is_refused() public {
        bytes memory expected = abi.encodeWithSelector(IBatchAuction.MalformedInput.selector);
        bytes4[2] memory selectors = [IBatchAuction.clear.selector, IBatchAuction.fills.selector];
        for (uint256 i = 0; i < selectors.length; ++i) {
            _expectFailure(abi.encodePacked(selectors[i]), expected);
            _expectFailure(abi.encodePacked(selectors[i], bytes31(0)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(32)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(32), bytes31(0)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(33), uint256(0)), expected);
            _expectFailure(abi.encodePacked(selectors[i], type(uint256).max, uint256(0)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(32), uint256(1)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(32), uint256(1), bytes31(0)), expected);
            _expectFailure(abi.encodePacked(selectors[i], uint256(32), type(uint256).max, uint256(0)), expected);
        }
        _expectFailure(abi.encodePacked(IBatchAuction.clearStored.selector, uint256(0)), expected);
        _expectFailure(abi.encodePacked(IBatchAuction.clearStored.selector, uint256(0), bytes31(0)), expected);
    }

    function test_what_follows_the_arguments_is_left_alone() public view {
        Order[] memory orders = _crossing();
        bytes memory data = abi.encodePacked(abi.encodeCall(IBatchAuction.clear, (orders)), "tail");
        bytes memory answer = Address.functionStaticCall(address(AUCTION), data);
        vm.assertEq(answer, abi.encode(AUCTION.clear(orders)));
    }

    function test_too_many_orders_are_refused(uint256 count) public {
        count = bound(count, (1 << 24) + 1, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IBatchAuction.TooManyOrders.selector, count));
        AUCTION.clearStored(0, count);
    }

    function test_value_is_refused() public {
        vm.deal(address(this), 1);
        bytes memory data = abi.encodeCall(IBatchAuction.clear, (_crossing()));
        (bool success, bytes memory reason) = address(AUCTION).call{value: 1}(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, abi.encodeWithSelector(IBatchAuction.NotPayable.selector));
    }

    function test_delegate_calls_are_refused() public {
        bytes memory data = abi.encodeCall(IBatchAuction.clear, (_crossing()));
        (bool success, bytes memory reason) = address(AUCTION).delegatecall(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, abi.encodeWithSelector(IBatchAuction.DelegateCallNotAllowed.selector));
    }

    function _expectFailure(bytes memory data, bytes memory expected) private {
        (bool success, bytes memory reason) = address(AUCTION).call(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, expected);
    }

    function _crossing() private pure returns (Order[] memory orders) {
        orders = new Order[](3);
        orders[0] = _order(BID, 9, 5);
        orders[1] = _order(ASK, 4, 3);
        orders[2] = _order(BID, 7, 8);
    }

    /// @dev Up to 24 orders at prices from −8 to 8, so that levels are shared, some slots empty.
    function _randomBook(uint256 seed) private pure returns (Order[] memory orders) {
        orders = new Order[](seed % 25);
        for (uint256 i = 0; i < orders.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            orders[i] = _order(uint8(seed & 1), int32(int256((seed >> 8) % 17)) - 8, uint40((seed >> 16) % 12));
        }
    }

    function _order(uint8 side, int32 price, uint40 quantity) private pure returns (Order) {
        return packOrder(side, price, quantity, address(0xbeef));
    }
}
