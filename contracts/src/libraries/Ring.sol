// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Places that are used again
/// @notice What belongs to a time stands in the place of that time within a period, and says of which round it is. So what
///         a meter or an account adds to the state is bounded, and a place that was used before costs a fourth of a new
///         one.
library Ring {
    /// @notice After how long a place is used again, in seconds: longer than any correction period may be.
    uint256 internal constant PERIOD = 64 days;

    /// @notice The place of a time.
    function place(uint256 time) internal pure returns (uint256) {
        return time % PERIOD;
    }

    /// @notice The round of a time; for times of block headers in this and the next ten thousand years.
    function round(uint256 time) internal pure returns (uint16) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint16(time / PERIOD);
    }
}
