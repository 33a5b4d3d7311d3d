// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../interfaces/IMarket.sol";
import {BID, Order} from "../types/Order.sol";

/// @title What an order of a cleared auction trades
/// @notice Orders better than their side's marginal level fill whole, worse ones not at all. Orders at it share what is
///         left by quantity, in submission order, such that the shares add up exactly.
library Fill {
    /// @dev How much of each side's marginal level lies before the next order.
    struct Seen {
        uint64 bid;
        uint64 ask;
    }

    /// @notice The fill of the next order in submission order; `seen` moves on past it.
    function next(IMarket.Clearing memory result, Seen memory seen, Order order) internal pure returns (uint256) {
        uint256 quantity = order.quantity();
        if (quantity == 0 || result.volume == 0) return 0;

        bool bid = order.side() == BID;
        IMarket.Level memory level = bid ? result.bid : result.ask;
        int32 price = order.price();
        if (price != level.price) return (price > level.price) == bid ? quantity : 0;

        uint256 before = bid ? seen.bid : seen.ask;
        uint256 beyond = before + quantity;
        // At most the level's quantity, which is a `uint64`.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (bid) seen.bid = uint64(beyond);
        // forge-lint: disable-next-line(unsafe-typecast)
        else seen.ask = uint64(beyond);
        return beyond * level.filled / level.quantity - before * level.filled / level.quantity;
    }
}
