// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {ILens} from "./interfaces/ILens.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Credit} from "./libraries/Credit.sol";
import {Fill} from "./libraries/Fill.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {ASK, Order} from "./types/Order.sol";
import {Product} from "./types/Product.sol";
import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Views that only people and tools need
contract Lens is ILens, Managed {
    using SlotDerivation for bytes32;

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IMarket private constant MARKET = IMarket(Predeploys.MARKET);

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    /// @inheritdoc ILens
    function ordersPage(Product product, uint256 from, uint256 max) external view returns (Order[] memory page) {
        uint256 length = MARKET.orderCount(product);
        if (from >= length) return page;
        page = new Order[](Math.min(length - from, max));
        bytes32[] memory words = MARKET.extsload(MARKET.ordersSlot(product).offset(from), page.length);
        for (uint256 i = 0; i < page.length; ++i) {
            Order order = Order.wrap(words[i]);
            if (order.quantity() != 0) page[i] = order;
        }
    }

    /// @inheritdoc ILens
    function ordersOf(Product product, address account)
        external
        view
        returns (uint256[] memory indices, Order[] memory found)
    {
        Order[] memory all = MARKET.orders(product);
        uint256 count = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            if (_isOrderOf(all[i], account)) ++count;
        }
        (indices, found) = (new uint256[](count), new Order[](count));
        for (uint256 i = all.length; count != 0;) {
            if (_isOrderOf(all[--i], account)) (indices[--count], found[count]) = (i, all[i]);
        }
    }

    /// @inheritdoc ILens
    function fillOf(Product product, uint256 index) external view returns (uint256) {
        if (index >= MARKET.orderCount(product)) revert IMarket.UnknownOrder(product, index);
        return fillsOf(product)[index];
    }

    /// @inheritdoc ILens
    function fillsOf(Product product) public view returns (uint256[] memory fills) {
        IMarket.Clearing memory result = MARKET.clearing(product);
        Order[] memory book = MARKET.orders(product);
        Fill.Seen memory seen;
        fills = new uint256[](book.length);
        for (uint256 i = 0; i < book.length; ++i) {
            fills[i] = Fill.next(result, seen, book[i]);
        }
    }

    /// @inheritdoc ILens
    function collateral(Product product, uint8 side, int32 price, uint40 quantity) external view returns (uint256) {
        if (side > ASK) revert IMarket.InvalidSide(side);
        // The Market knows what is no product.
        MARKET.productInfo(product);
        return Credit.ofOrder(side, price, quantity, REGISTRY.settingsAt(product.zone(), product.start()));
    }

    function _isOrderOf(Order order, address account) private pure returns (bool) {
        return order.quantity() != 0 && order.trader() == account;
    }
}
