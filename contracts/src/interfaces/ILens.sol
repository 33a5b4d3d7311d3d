// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Order} from "../types/Order.sol";
import {Product} from "../types/Product.sol";

/// @title Views that only people and tools need
/// @notice It holds nothing and no contract calls it.
interface ILens {
    /// @notice The order words of a product from index `from`, at most `max`; a vacant one is zero.
    function ordersPage(Product product, uint256 from, uint256 max) external view returns (Order[] memory);
    /// @notice An account's orders in a product that are not cancelled: their indices and words.
    function ordersOf(Product product, address account)
        external
        view
        returns (uint256[] memory indices, Order[] memory found);
    /// @notice What submitting such an order locks, in base units; each interval of a direct trade at that price as much, on
    ///         either side.
    function collateral(Product product, uint8 side, int32 price, uint40 quantity) external view returns (uint256);
    /// @notice What an order of a cleared product trades, in Wh.
    function fillOf(Product product, uint256 index) external view returns (uint256);
    /// @notice What each order of a cleared product trades, in Wh.
    function fillsOf(Product product) external view returns (uint256[] memory);
}
