// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice An account that is a contract and answers for signatures as it is told.
contract Wallet is IERC1271 {
    enum Manner {
        Confirms,
        Refuses,
        Lies,
        Reverts,
        Burns
    }

    Manner public manner;

    function set(Manner manner_) external {
        manner = manner_;
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        if (manner == Manner.Confirms) return IERC1271.isValidSignature.selector;
        if (manner == Manner.Lies) return 0x00000001;
        if (manner == Manner.Reverts) revert("no");
        while (manner == Manner.Burns) {}
        return 0xffffffff;
    }
}
