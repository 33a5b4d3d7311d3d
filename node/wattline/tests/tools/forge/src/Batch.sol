// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Several calls in one transaction
/// @notice The code to which an account delegates (EIP-7702), so that it approves and deposits in one step.
contract Batch {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    event Executed(address indexed account, uint256 calls);

    /// @notice Only the account itself may use its delegation.
    error NotSelf(address caller);

    receive() external payable {}

    /// @notice Makes all calls or none. A call that reverts hands its own error on.
    function execute(Call[] calldata calls) external payable {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success, bytes memory answer) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(answer, 0x20), mload(answer))
                }
            }
        }
        emit Executed(address(this), calls.length);
    }
}
