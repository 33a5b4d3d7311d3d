// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {Endpoint} from "./libraries/Endpoint.sol";

/// @title The members of the consortium and their nodes
contract Consortium is IConsortium, Managed {
    /// @notice The most bytes of a member's name.
    uint256 public constant MAX_NAME = 64;

    // Slots 0 and 1, which nodes read. They must stay the first variables; all base contracts use namespaced storage.

    address[] private _signers;
    mapping(address signer => Member) private _members;

    /// @dev Whose each node key ever used is.
    mapping(bytes32 nodeKey => address signer) private _signerOf;

    /// @notice Sets up the proxy with the first members.
    function initialize(NewMember[] calldata firstMembers) external initializer {
        __Managed_init();
        for (uint256 i = 0; i < firstMembers.length; ++i) {
            _add(firstMembers[i]);
        }
    }

    /// @inheritdoc IConsortium
    function addMember(NewMember calldata newMember) external restricted {
        _add(newMember);
    }

    /// @inheritdoc IConsortium
    function setMemberActive(address signer, bool active) external restricted {
        _known(signer).active = active;
        emit MemberActivity(signer, active);
    }

    /// @inheritdoc IConsortium
    function setMemberRole(address signer, Role role) external restricted {
        _known(signer).role = role;
        emit MemberRoleChanged(signer, role);
    }

    /// @inheritdoc IConsortium
    function setNode(bytes32 nodeKey, string calldata endpoint) external {
        Member storage record = _members[msg.sender];
        if (!record.active) revert NotMember(msg.sender);
        _setNode(record, msg.sender, nodeKey, endpoint);
        emit NodeChanged(msg.sender, nodeKey, endpoint);
    }

    /// @inheritdoc IConsortium
    function members() external view returns (Member[] memory all) {
        all = new Member[](_signers.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = _members[_signers[i]];
        }
    }

    /// @inheritdoc IConsortium
    function member(address signer) external view returns (Member memory) {
        return _known(signer);
    }

    /// @inheritdoc IConsortium
    function memberCount() external view returns (uint256) {
        return _signers.length;
    }

    /// @inheritdoc IConsortium
    function nodeKeysOf(address[] calldata signers) external view returns (bytes32[] memory keys) {
        keys = new bytes32[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            keys[i] = _members[signers[i]].nodeKey;
        }
    }

    /// @inheritdoc IConsortium
    function signerOf(bytes32 nodeKey) external view returns (address) {
        return _signerOf[nodeKey];
    }

    function _add(NewMember calldata newMember) private {
        address signer = newMember.signer;
        if (signer == address(0)) revert ZeroSigner();
        Member storage record = _members[signer];
        if (record.signer != address(0)) revert MemberExists(signer);
        uint256 length = bytes(newMember.name).length;
        if (length == 0 || length > MAX_NAME) revert InvalidName(length, MAX_NAME);

        _signers.push(signer);
        record.signer = signer;
        record.role = newMember.role;
        record.active = true;
        record.name = newMember.name;
        _setNode(record, signer, newMember.nodeKey, newMember.endpoint);
        emit MemberAdded(signer, newMember.nodeKey, newMember.role, newMember.name, newMember.endpoint);
    }

    function _setNode(Member storage record, address signer, bytes32 nodeKey, string calldata endpoint) private {
        if (nodeKey == bytes32(0)) revert ZeroNodeKey();
        address holder = _signerOf[nodeKey];
        if (holder != address(0) && holder != signer) revert NodeKeyTaken(nodeKey, holder);
        if (!Endpoint.isValid(endpoint)) revert InvalidEndpoint(endpoint);
        _signerOf[nodeKey] = signer;
        record.nodeKey = nodeKey;
        record.endpoint = endpoint;
    }

    function _known(address signer) private view returns (Member storage record) {
        record = _members[signer];
        if (record.signer == address(0)) revert UnknownMember(signer);
    }
}
