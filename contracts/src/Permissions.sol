// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IPermissions} from "./interfaces/IPermissions.sol";

/// @title Who may transact and who may deploy
contract Permissions is IPermissions, Managed {
    uint256 internal constant TRANSACT = 1 << 0;
    uint256 internal constant DEPLOY = 1 << 1;
    uint256 internal constant OPERATOR = 1 << 2;
    uint256 internal constant PROTECTED = 1 << 3;

    /// @dev Slot 0, which the node reads. It must stay the first variable; all base contracts use namespaced storage.
    mapping(address account => uint256) private _flags;

    uint256 private _operatorCount;

    /// @notice Sets up the proxy with its first operators, at least one, and accounts that they cannot lock out.
    function initialize(address[] calldata operators, address[] calldata protectedAccounts) external initializer {
        if (operators.length == 0) revert LastOperator(address(0));
        __Managed_init();
        for (uint256 i = 0; i < operators.length; ++i) {
            _setOperator(operators[i], true);
        }
        for (uint256 i = 0; i < protectedAccounts.length; ++i) {
            _setProtected(protectedAccounts[i], true);
        }
    }

    /// @inheritdoc IPermissions
    function setFlags(address[] calldata accounts, uint256 flags) external {
        if (_flags[msg.sender] & OPERATOR == 0) revert NotPermissionOperator(msg.sender);
        if (flags & ~(TRANSACT | DEPLOY) != 0) revert ReservedFlags(flags);
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 previous = _flags[accounts[i]];
            if (previous & PROTECTED != 0) revert AccountProtected(accounts[i]);
            _change(accounts[i], previous & OPERATOR | flags);
        }
    }

    /// @inheritdoc IPermissions
    function setOperator(address account, bool operator) external restricted {
        _setOperator(account, operator);
    }

    /// @inheritdoc IPermissions
    function setProtected(address account, bool isProtected) external restricted {
        _setProtected(account, isProtected);
    }

    /// @inheritdoc IPermissions
    function flagsOf(address account) external view returns (uint256) {
        return _flags[account];
    }

    /// @inheritdoc IPermissions
    function flagsOfMany(address[] calldata accounts) external view returns (uint256[] memory flags) {
        flags = new uint256[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            flags[i] = _flags[accounts[i]];
        }
    }

    /// @inheritdoc IPermissions
    function canTransact(address account) public view returns (bool) {
        return _flags[account] & (TRANSACT | OPERATOR) != 0;
    }

    /// @inheritdoc IPermissions
    function canDeploy(address account) external view returns (bool) {
        return canTransact(account) && _flags[account] & DEPLOY != 0;
    }

    /// @inheritdoc IPermissions
    function operatorCount() external view returns (uint256) {
        return _operatorCount;
    }

    function _setOperator(address account, bool operator) private {
        uint256 previous = _flags[account];
        if (operator == (previous & OPERATOR != 0)) return;
        if (operator) {
            ++_operatorCount;
            _change(account, previous | OPERATOR);
        } else {
            if (_operatorCount == 1) revert LastOperator(account);
            --_operatorCount;
            _change(account, previous & ~OPERATOR);
        }
    }

    function _setProtected(address account, bool isProtected) private {
        uint256 previous = _flags[account];
        _change(account, isProtected ? previous | TRANSACT | PROTECTED : previous & ~PROTECTED);
    }

    function _change(address account, uint256 current) private {
        uint256 previous = _flags[account];
        if (previous == current) return;
        _flags[account] = current;
        emit PermissionsChanged(account, msg.sender, previous, current);
    }
}
