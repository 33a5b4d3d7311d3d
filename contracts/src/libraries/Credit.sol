// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../interfaces/IRegistry.sol";
import {BID} from "../types/Order.sol";
import {Money} from "./Money.sol";

/// @title What everybody keeps, so that nobody's default is another's loss
/// @notice An order locks the most that it can come to cost; a meter needs a standing security for what it can take
///         without an order; an operator keeps a reserve for what it may have to pay. All in base units.
library Credit {
    /// @notice What an order of `energy` Wh locks at its limit, and what a trade of it keeps locked at its price, with what
    ///         it pays. A buyer may owe the price, the grid fee, and whatever taking nothing costs at a negative surplus
    ///         price. A seller that delivers nothing owes the shortage price and the grid fee, against its proceeds.
    function ofOrder(uint8 side, int32 price, uint256 energy, IRegistry.ZoneSettings memory settings)
        internal
        pure
        returns (uint256)
    {
        int256 fee = int256(uint256(settings.gridFee));
        int256 rate = side == BID
            ? _positive(price) + fee + _positive(-int256(settings.surplusPrice))
            : _positive(int256(settings.shortagePrice) + fee) - price;
        return Money.cost(rate, energy);
    }

    /// @notice The most that a participant can owe for one interval without an order, by the ratings of its meters: all
    ///         that they can take, or all that they can deliver when that costs something.
    function ofMeters(uint256 importWh, uint256 exportWh, IRegistry.ZoneSettings memory settings)
        internal
        pure
        returns (uint256)
    {
        return Money.cost(int256(settings.shortagePrice) + int256(uint256(settings.gridFee)), importWh)
            + Money.cost(-int256(settings.surplusPrice), exportWh);
    }

    /// @notice The most that an operator can owe for one interval, by the ratings of its zone's meters: the surplus price
    ///         for what is delivered without a contract and for what was contracted and not taken.
    function ofZone(uint256 importWh, uint256 exportWh, IRegistry.ZoneSettings memory settings)
        internal
        pure
        returns (uint256)
    {
        return Money.cost(settings.surplusPrice, importWh + exportWh);
    }

    function _positive(int256 value) private pure returns (int256) {
        return value > 0 ? value : int256(0);
    }
}
