// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";

/// @title Money of energy
/// @notice A tick is 10⁻⁵ currency per kWh, that is 10⁻⁸ per Wh, that is 10¹⁰ base units of 18 decimals per Wh. So
///         price × energy is exact and nothing is ever rounded.
library Money {
    /// @dev Base units per tick and Wh.
    uint256 internal constant UNIT = 1e10;

    /// @notice What `energy` Wh are worth at `price` ticks, in base units.
    function value(int256 price, uint256 energy) internal pure returns (int256) {
        // Energies are sums of at most 2^24 `uint40` or differences of `uint64`, far below 2^255.
        // forge-lint: disable-next-line(unsafe-typecast)
        return price * int256(energy) * int256(UNIT);
    }

    /// @notice What `energy` Wh cost at `price` ticks, in base units; nothing at a negative price.
    function cost(int256 price, uint256 energy) internal pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return price > 0 ? uint256(price) * energy * UNIT : 0;
    }

    /// @notice The part of an amount that is paid, and the part that is received when it is negative.
    function split(int256 amount) internal pure returns (uint256 paid, uint256 received) {
        uint256 size = SignedMath.abs(amount);
        return amount > 0 ? (size, uint256(0)) : (uint256(0), size);
    }
}
