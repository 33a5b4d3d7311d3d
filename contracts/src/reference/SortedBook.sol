// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {BID, Order} from "../types/Order.sol";

/// @title One side of an order book, best price first
/// @notice An order is a key of rank and quantity. The rank grows as the price gets worse: asks by price, bids by price
///         turned round. So sorting the keys upwards sorts either side.
library SortedBook {
    /// @dev Moves `int32` prices into the range of ranks.
    int256 private constant BIAS = 1 << 31;

    /// @notice The key of an order.
    function key(Order order) internal pure returns (uint256) {
        int256 price = order.price();
        // Prices are `int32`, so the sum is not negative.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 rank = uint256(BIAS + (order.side() == BID ? -price : price));
        return rank << 64 | order.quantity();
    }

    /// @notice The quantity in Wh of the order at place `i`.
    function quantityAt(uint256[] memory keys, uint256 i) internal pure returns (uint256) {
        return keys[i] & type(uint64).max;
    }

    /// @notice The price in ticks of the order at place `i`.
    function priceAt(uint256[] memory keys, uint256 i, uint8 side) internal pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 price = int256(keys[i] >> 64) - BIAS;
        return side == BID ? -price : price;
    }

    /// @notice Sorts keys upwards, in place: a bottom-up merge sort, which no input slows down.
    function sort(uint256[] memory keys) internal pure {
        uint256 length = keys.length;
        uint256[] memory source = keys;
        uint256[] memory target = new uint256[](length);
        for (uint256 width = 1; width < length; width *= 2) {
            for (uint256 from = 0; from < length; from += 2 * width) {
                _merge(source, target, from, _min(from + width, length), _min(from + 2 * width, length));
            }
            (source, target) = (target, source);
        }
        // After an odd number of passes the result lies in the other array.
        for (uint256 i = 0; i < length; ++i) {
            keys[i] = source[i];
        }
    }

    /// @dev Merges the runs [from, middle) and [middle, to) of `source` into `target`.
    function _merge(uint256[] memory source, uint256[] memory target, uint256 from, uint256 middle, uint256 to)
        private
        pure
    {
        uint256 left = from;
        uint256 right = middle;
        for (uint256 i = from; i < to; ++i) {
            bool takeLeft = right == to || (left < middle && source[left] <= source[right]);
            target[i] = takeLeft ? source[left++] : source[right++];
        }
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
