// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "./Vm.sol";

/// @title What every test starts from
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    /// @dev How Solidity answers a sum or a difference that does not fit.
    bytes internal constant OVERFLOW = abi.encodeWithSignature("Panic(uint256)", 0x11);

    /// @dev Maps any value into [low, high], both ends included.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        uint256 size = high - low;
        return size == type(uint256).max ? value : low + value % (size + 1);
    }

    /// @dev Maps any value into [low, high], both ends included.
    function bound(int256 value, int256 low, int256 high) internal pure returns (int256) {
        unchecked {
            return low + int256(bound(uint256(value - low), 0, uint256(high - low)));
        }
    }
}
