// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Order} from "../types/Order.sol";

/// @title The batch auction precompile
/// @notice Clears one double auction at one price. An order is one word:
///
///         | bits    | field                                             |
///         | ------- | ------------------------------------------------- |
///         | 255–240 | zero, reserved                                    |
///         | 239–232 | side: 0 bid (buy), 1 ask (sell)                   |
///         | 231–200 | limit price, `int32`, in ticks                    |
///         | 199–160 | quantity, `uint40`, in Wh                         |
///         | 159–0   | trader's address, ignored by matching             |
///
///         A word whose quantity is zero is an empty slot and gets fill 0, whatever its other bits.
interface IBatchAuction {
    /// @notice The marginal level of one side: the worst price that still trades.
    /// @param price The level's limit price in ticks.
    /// @param quantity All Wh offered at that price on that side.
    /// @param filled The Wh of them that trade.
    struct Level {
        int32 price;
        uint64 quantity;
        uint64 filled;
    }

    /// @notice The result of an auction. Every field is zero when nothing trades.
    /// @param price The one price everybody trades at, in ticks.
    /// @param volume The Wh that change hands.
    /// @param bid The marginal level of the buyers.
    /// @param ask The marginal level of the sellers.
    struct Clearing {
        int32 price;
        uint64 volume;
        Level bid;
        Level ask;
    }

    /// @notice The selector is none of the three functions below.
    error UnknownFunction();
    /// @notice The arguments are not the ABI encoding of the function's parameters.
    error MalformedInput();
    /// @notice More than 2^24 orders.
    error TooManyOrders(uint256 count);
    /// @notice The word at `index` has a side above 1 or a reserved bit set.
    error InvalidOrder(uint256 index);
    /// @notice The call carried value.
    error NotPayable();
    /// @notice The call was a delegate call.
    error DelegateCallNotAllowed();

    /// @notice Clears the given orders.
    /// @param orders Packed order words, in submission order.
    function clear(Order[] calldata orders) external view returns (Clearing memory);

    /// @notice Clears `count` consecutive words of the caller's own storage.
    /// @param firstSlot The storage slot of the first word.
    /// @param count How many words.
    function clearStored(bytes32 firstSlot, uint256 count) external view returns (Clearing memory);

    /// @notice Clears the given orders and returns each order's fill in Wh, in the order of the words.
    /// @param orders Packed order words, in submission order.
    function fills(Order[] calldata orders) external view returns (Clearing memory, uint256[] memory);
}
